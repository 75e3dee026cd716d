// The grants that a node of the outer zone has: in memory alone, one an account and service. Renewed at half their life
// while sessions use them, forgotten soon after the last session ended.
// Invariant: nothing here outlives the process, nor the right to it by more than a grant's life.
// A renewal that is refused forgets the grant: its sessions end at their next call, or when their watch does.

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Service } from '../../directory/directory.ts';
import type { AccountId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { IssuedGrant } from './grant-gate.ts';

export interface GrantKeeperOptions {
  readonly renew: (grant: Uint8Array) => Promise<IssuedGrant>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Kept {
  grant: Uint8Array;
  /** Monotonic. */
  renewAt: number;
  endsAt: number;
  usedAt: number;
  /** Since it was given. */
  isUsed: boolean;
  sessions: number;
  isRenewing: boolean;
}

/** Far more often than grants end. */
const lookMs = 15_000;
/** A session that ends says its last words after its watch ended; one that begins is used before it watches. */
const lingerMs = 30_000;

export class GrantKeeper implements Disposable {
  readonly #options: GrantKeeperOptions;
  readonly #kept = new Map<string, Kept>();
  #timer: Timer;

  constructor(options: GrantKeeperOptions) {
    this.#options = options;
    this.#timer = options.clock.after(lookMs, () => this.#look());
  }

  get size(): number {
    return this.#kept.size;
  }

  /** After a login. */
  keep(account: AccountId, service: Service, { grant, endsInMs }: IssuedGrant): void {
    const now = this.#options.clock.monotonic();
    const key = keyOf(account, service);
    const times = { renewAt: now + endsInMs / 2, endsAt: now + endsInMs, usedAt: now, isUsed: true };
    const before = this.#kept.get(key);
    if (before !== undefined) Object.assign(before, { grant, ...times });
    else this.#kept.set(key, { grant, ...times, sessions: 0, isRenewing: false });
  }

  grantOf(account: AccountId, service: Service): Uint8Array | undefined {
    const kept = this.#kept.get(keyOf(account, service));
    if (kept === undefined) return undefined;
    kept.usedAt = this.#options.clock.monotonic();
    kept.isUsed = true;
    return kept.grant;
  }

  /** A session lives until the result is called; twice is fine. */
  watched(account: AccountId, service: Service): () => void {
    const kept = this.#kept.get(keyOf(account, service));
    if (kept === undefined) return () => {};
    let isOpen = true;
    kept.sessions++;
    return () => {
      if (isOpen) kept.sessions--;
      isOpen = false;
    };
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
    this.#kept.clear();
  }

  #look(): void {
    const now = this.#options.clock.monotonic();
    for (const [key, kept] of this.#kept) {
      // SMTP has no watch: it is in use while it was used lately.
      const isLeft = kept.sessions === 0 && !kept.isUsed && now - kept.usedAt > lingerMs;
      if (now >= kept.endsAt || isLeft) this.#kept.delete(key);
      else if (now >= kept.renewAt && !kept.isRenewing) void this.#renew(key, kept);
    }
    this.#timer = this.#options.clock.after(lookMs, () => this.#look());
  }

  /** Never rejects. */
  async #renew(key: string, kept: Kept): Promise<void> {
    const { renew, clock, log } = this.#options;
    kept.isRenewing = true;
    const { grant: shown } = kept;
    try {
      const { grant, endsInMs } = await renew(shown);
      // A login may have brought a newer one meanwhile.
      if (kept.grant !== shown) return;
      const now = clock.monotonic();
      Object.assign(kept, { grant, renewAt: now + endsInMs / 2, endsAt: now + endsInMs, isUsed: false });
    } catch (error) {
      if (!isMailError(error)) log.warn({ err: error }, 'a grant could not be renewed; trying again');
      else if (kept.grant === shown) this.#kept.delete(key);
    } finally {
      kept.isRenewing = false;
    }
  }
}

function keyOf(account: AccountId, service: Service): string {
  return `${service} ${account}`;
}
