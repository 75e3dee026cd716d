// What logins come to: counted by service, and one line each in the log, for whoever reads there who tries passwords.
// Invariant: what was typed as a user name is logged only if it looks like an address; somebody may have typed the password there.

import type { Logger } from '../base/log.ts';
import type { CounterSeries, Family, Metrics } from '../base/metrics.ts';
import { isMailError } from '../mail/mail-error.ts';
import type { AuthenticationContext, Principal } from './directory.ts';
import { loginNameCharactersMax } from './settings.ts';

export class LoginOutcomes {
  readonly #logins: Family<'service' | 'outcome', CounterSeries> | undefined;
  readonly #log: Logger;

  constructor(metrics: Metrics | undefined, log: Logger) {
    this.#log = log;
    this.#logins = metrics?.counter({
      name: 'rookery_logins_total',
      help: 'Logins by service and outcome: ok, wrong, throttled, fault',
      labels: ['service', 'outcome'],
    });
  }

  /** Tells what `login` comes to, and passes it on. `user`: what the client says that it is. */
  async of(login: Promise<Principal>, user: string, context: AuthenticationContext): Promise<Principal> {
    const { service } = context;
    try {
      const principal = await login;
      this.#logins?.with({ service, outcome: 'ok' }).add();
      if (this.#log.isLevelEnabled('info')) this.#log.info({ ...context, ...describe(principal) }, 'login');
      return principal;
    } catch (error) {
      const outcome = outcomeOf(error);
      this.#logins?.with({ service, outcome }).add();
      if (this.#log.isLevelEnabled('info')) {
        this.#log.info({ ...context, user: shownUser(user), outcome }, 'login refused');
      }
      throw error;
    }
  }
}

function describe({ address, appPasswordId, actor }: Principal): object {
  return { account: address, appPassword: appPasswordId, actor: actor?.accountId };
}

function shownUser(user: string): string | undefined {
  return user.length <= loginNameCharactersMax && /^[^@]+@[^@]+\.[^@]+$/.test(user) ? user : undefined;
}

function outcomeOf(error: unknown): string {
  if (isMailError(error, 'authenticationFailed')) return 'wrong';
  return isMailError(error, 'limitReached') ? 'throttled' : 'fault';
}
