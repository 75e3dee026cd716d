// What POP3 counts: commands by name and outcome, messages and bytes retrieved. Counting is an addition.

import type { CounterSeries, Family, Metrics } from '../../base/metrics.ts';

export class Pop3Metrics {
  readonly #commands: Family<'command' | 'outcome', CounterSeries> | undefined;
  readonly #messages: CounterSeries | undefined;
  readonly #bytes: CounterSeries | undefined;

  constructor(metrics: Metrics | undefined) {
    this.#commands = metrics?.counter({
      name: 'rookery_pop3_commands_total',
      help: 'POP3 commands but RETR, by outcome',
      labels: ['command', 'outcome'],
    });
    this.#messages = metrics
      ?.counter({ name: 'rookery_pop3_messages_total', help: 'Messages retrieved by POP3' })
      .with({});
    this.#bytes = metrics
      ?.counter({ name: 'rookery_pop3_bytes_total', help: 'Bytes of messages retrieved by POP3' })
      .with({});
  }

  command(command: string, isOk: boolean): void {
    this.#commands?.with({ command, outcome: isOk ? 'ok' : 'err' }).add();
  }

  retrieved(bytes: number): void {
    this.#messages?.add();
    this.#bytes?.add(bytes);
  }
}
