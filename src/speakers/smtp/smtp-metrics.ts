// What SMTP counts: messages, their bytes, and their copies by outcome.

import type { CounterSeries, Family, Metrics } from '../../base/metrics.ts';
import type { DeliveryOutcome } from '../../transport/delivery/delivery-outcome.ts';
import type { SmtpProfile } from './smtp-profile.ts';

/** Those of one profile. */
interface ProfileSeries {
  readonly messages: CounterSeries;
  readonly bytes: CounterSeries;
  readonly copies: Readonly<Record<DeliveryOutcome['outcome'], CounterSeries>>;
}

export class SmtpMetrics {
  readonly #messages: Family<'profile', CounterSeries>;
  readonly #bytes: Family<'profile', CounterSeries>;
  readonly #copies: Family<'profile' | 'outcome', CounterSeries>;

  /** Kept: looking them up would cost each message more than counting it. */
  readonly #series = new Map<SmtpProfile['name'], ProfileSeries>();

  constructor(metrics: Metrics) {
    const labels = ['profile'] as const;
    this.#messages = metrics.counter({
      name: 'rookery_smtp_messages_total',
      help: 'Messages received',
      labels,
    });
    this.#bytes = metrics.counter({
      name: 'rookery_smtp_bytes_total',
      help: 'Bytes of messages received',
      labels,
    });
    this.#copies = metrics.counter({
      name: 'rookery_smtp_recipients_total',
      help: 'Recipients of received messages, by what became of their copy',
      labels: ['profile', 'outcome'],
    });
  }

  received(profile: SmtpProfile['name'], bytes: number, outcomes: readonly DeliveryOutcome[]): void {
    const series = this.#series.get(profile) ?? this.#open(profile);
    series.messages.add();
    series.bytes.add(bytes);
    for (const { outcome } of outcomes) series.copies[outcome].add();
  }

  #open(profile: SmtpProfile['name']): ProfileSeries {
    const copies = (outcome: DeliveryOutcome['outcome']) => this.#copies.with({ profile, outcome });
    const series: ProfileSeries = {
      messages: this.#messages.with({ profile }),
      bytes: this.#bytes.with({ profile }),
      copies: { sent: copies('sent'), deferred: copies('deferred'), bounced: copies('bounced') },
    };
    this.#series.set(profile, series);
    return series;
  }
}
