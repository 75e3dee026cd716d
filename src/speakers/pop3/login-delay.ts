// LOGIN-DELAY (RFC 2449 6.5): an account may not log in again sooner than so many seconds after the last time.
// Bounded memory: the accounts longest without a login are forgotten first. In a cluster each node counts for itself.

import type { Clock } from '../../base/clock.ts';
import type { AccountId } from '../../mail/ids.ts';

const accountsMax = 50_000;

export class LoginDelay {
  readonly seconds: number;
  readonly #clock: Clock;
  readonly #lastLogin = new Map<AccountId, number>();

  constructor(clock: Clock, seconds: number) {
    this.#clock = clock;
    this.seconds = seconds;
  }

  /** True when the account may log in now, which is then remembered. */
  take(account: AccountId): boolean {
    if (this.seconds === 0) return true;
    const now = this.#clock.monotonic();
    const last = this.#lastLogin.get(account);
    if (last !== undefined && now - last < this.seconds * 1000) return false;
    this.#lastLogin.delete(account);
    if (this.#lastLogin.size >= accountsMax) {
      const oldest = this.#lastLogin.keys().next().value;
      if (oldest !== undefined) this.#lastLogin.delete(oldest);
    }
    this.#lastLogin.set(account, now);
    return true;
  }
}
