// The room that links have for large messages. Invariant: a peer that is not trusted has at most its share of what all
// have, over all of its links, and so many messages that wait for it, those of links that have ended among them; so one that
// begins messages and does not end them takes the room of nobody else, and no memory by waiting.
// A wait ends by its time limits with `false`, never by a throw.

import type { ByteBudget } from '../../base/byte-budget.ts';

export type IncomingRoom = Pick<ByteBudget, 'tryAcquire' | 'acquire' | 'release'>;

/** The part of `all` that a peer may have; `own`: its budget, `waitsMax`: of its messages at a time. */
export class PeerRoom implements IncomingRoom {
  readonly #all: ByteBudget;
  readonly #own: ByteBudget;
  readonly #waitsMax: number;
  #waits = 0;

  constructor(all: ByteBudget, own: ByteBudget, waitsMax: number) {
    this.#all = all;
    this.#own = own;
    this.#waitsMax = waitsMax;
  }

  tryAcquire(bytes: number): boolean {
    if (!this.#own.tryAcquire(bytes)) return false;
    if (this.#all.tryAcquire(bytes)) return true;
    this.#own.release(bytes);
    return false;
  }

  async acquire(bytes: number, timeoutMs: number): Promise<boolean> {
    if (this.#waits >= this.#waitsMax) return false;
    this.#waits++;
    try {
      if (!(await this.#own.acquire(bytes, timeoutMs))) return false;
      if (await this.#all.acquire(bytes, timeoutMs)) return true;
      this.#own.release(bytes);
      return false;
    } finally {
      this.#waits--;
    }
  }

  release(bytes: number): void {
    this.#own.release(bytes);
    this.#all.release(bytes);
  }
}
