// The room that links have for large messages. Invariants: nodes of the inner zones have theirs, of which those of the outer
// zone, which are not trusted, take nothing; of these one has at most its share of what all of them have, over all of its
// links, and for messages of ordinary length room of its own, which no other one can take; and so many messages that wait for
// it, those of links that have ended among them. So one that begins messages and does not end them takes the room of nobody
// else but for what is long, and no memory by waiting.
// A wait ends by its time limits with `false`, never by a throw.

import { ByteBudget } from '../../base/byte-budget.ts';
import type { Clock } from '../../base/clock.ts';
import type { LinkLimits } from './link-limits.ts';

export type IncomingRoom = Pick<ByteBudget, 'tryAcquire' | 'acquire' | 'release'>;

/** The room of one peer of the outer zone. */
export class PeerRoom implements IncomingRoom {
  readonly #ordinary: ByteBudget;
  readonly #share: ByteBudget;
  readonly #together: ByteBudget;
  readonly #ordinaryBytesMax: number;
  readonly #waitsMax: number;
  #waits = 0;

  /** `together`: what such peers have for long messages. */
  constructor(together: ByteBudget, limits: LinkLimits, clock: Clock) {
    this.#ordinary = new ByteBudget(limits.outerOwnBytesMax, clock);
    this.#share = new ByteBudget(limits.outerShareBytesMax, clock);
    this.#together = together;
    this.#ordinaryBytesMax = limits.streamWindowBytes;
    this.#waitsMax = limits.peerCallsMax;
  }

  tryAcquire(bytes: number): boolean {
    if (this.#isOrdinary(bytes)) return this.#ordinary.tryAcquire(bytes);
    if (!this.#share.tryAcquire(bytes)) return false;
    if (this.#together.tryAcquire(bytes)) return true;
    this.#share.release(bytes);
    return false;
  }

  async acquire(bytes: number, timeoutMs: number): Promise<boolean> {
    if (this.#waits >= this.#waitsMax) return false;
    this.#waits++;
    try {
      if (this.#isOrdinary(bytes)) return await this.#ordinary.acquire(bytes, timeoutMs);
      if (!(await this.#share.acquire(bytes, timeoutMs))) return false;
      if (await this.#together.acquire(bytes, timeoutMs)) return true;
      this.#share.release(bytes);
      return false;
    } finally {
      this.#waits--;
    }
  }

  release(bytes: number): void {
    if (this.#isOrdinary(bytes)) {
      this.#ordinary.release(bytes);
      return;
    }
    this.#share.release(bytes);
    this.#together.release(bytes);
  }

  /** By its length alone, so that what is given back goes where it came from. */
  #isOrdinary(bytes: number): boolean {
    return bytes <= this.#ordinaryBytesMax;
  }
}
