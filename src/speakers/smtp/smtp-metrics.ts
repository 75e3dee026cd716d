// What SMTP counts: messages by outcome, bytes, refused recipients.

import type { CounterSeries, Family, Metrics } from '../../base/metrics.ts';
import type { DeliveryOutcome } from '../../transport/delivery/delivery-outcome.ts';
import type { SmtpProfile } from './smtp-profile.ts';

export class SmtpMetrics {
  readonly #messages: Family<'profile', CounterSeries>;
  readonly #bytes: Family<'profile', CounterSeries>;
  readonly #copies: Family<'profile' | 'outcome', CounterSeries>;

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
    this.#messages.with({ profile }).add();
    this.#bytes.with({ profile }).add(bytes);
    for (const { outcome } of outcomes) this.#copies.with({ profile, outcome }).add();
  }
}
