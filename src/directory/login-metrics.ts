// What logins come to, by service. Counting is an addition.

import type { CounterSeries, Family, Metrics } from '../base/metrics.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { Service } from './directory.ts';

export class LoginMetrics {
  readonly #logins: Family<'service' | 'outcome', CounterSeries> | undefined;

  constructor(metrics: Metrics | undefined) {
    this.#logins = metrics?.counter({
      name: 'rookery_logins_total',
      help: 'Logins by service and outcome: ok, wrong, throttled, fault',
      labels: ['service', 'outcome'],
    });
  }

  /** Counts what `login` comes to, and passes it on. */
  async count<Result>(service: Service, login: Promise<Result>): Promise<Result> {
    try {
      const result = await login;
      this.#logins?.with({ service, outcome: 'ok' }).add();
      return result;
    } catch (error) {
      this.#logins?.with({ service, outcome: outcomeOf(error) }).add();
      throw error;
    }
  }
}

function outcomeOf(error: unknown): string {
  if (isMailError(error, 'authenticationFailed')) return 'wrong';
  return isMailError(error, 'limitReached') ? 'throttled' : 'fault';
}
