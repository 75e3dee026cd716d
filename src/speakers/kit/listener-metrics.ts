// What listeners count: connections open, opened, refused by reason, sessions that failed.

import type { CounterSeries, Family, GaugeSeries, Metrics } from '../../base/metrics.ts';
import type { RefusalReason } from './connection.ts';

export class ListenerMetrics {
  readonly #open: Family<'listener', GaugeSeries>;
  readonly #opened: Family<'listener', CounterSeries>;
  readonly #refused: Family<'listener' | 'reason', CounterSeries>;
  readonly #failed: Family<'listener', CounterSeries>;

  constructor(metrics: Metrics) {
    const labels = ['listener'] as const;
    this.#open = metrics.gauge({ name: 'rookery_connections_open', help: 'Connections open now', labels });
    this.#opened = metrics.counter({
      name: 'rookery_connections_total',
      help: 'Connections accepted',
      labels,
    });
    this.#refused = metrics.counter({
      name: 'rookery_connections_refused_total',
      help: 'Connections refused by a limit',
      labels: ['listener', 'reason'],
    });
    this.#failed = metrics.counter({
      name: 'rookery_sessions_failed_total',
      help: 'Sessions that ended by a bug or a fault of ours',
      labels,
    });
  }

  opened(listener: string): void {
    this.#open.with({ listener }).add(1);
    this.#opened.with({ listener }).add();
  }

  closed(listener: string): void {
    this.#open.with({ listener }).add(-1);
  }

  refused(listener: string, reason: RefusalReason): void {
    this.#refused.with({ listener, reason }).add();
  }

  failed(listener: string): void {
    this.#failed.with({ listener }).add();
  }
}
