// Memory shared by many: a fair semaphore over bytes. Who needs bytes waits its turn, so that memory stays bounded
// however many connections there are. Invariants: never more than `bytesMax` are out; the first in line is served
// first, so a large request is not starved by small ones; who holds bytes and needs more goes before those that hold
// none, or both would wait for each other; a wait ends by its time limit with `false`, never by a throw.

import { assert } from './assert.ts';
import type { Clock, Timer } from './clock.ts';

interface Waiter {
  readonly bytes: number;
  readonly resolve: (granted: boolean) => void;
  readonly timer: Timer;
}

export class ByteBudget {
  readonly #clock: Clock;
  readonly bytesMax: number;
  #bytesUsed = 0;
  readonly #holders = new Set<Waiter>();
  readonly #waiters = new Set<Waiter>();

  constructor(bytesMax: number, clock: Clock) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
  }

  get bytesUsed(): number {
    return this.#bytesUsed;
  }

  /** Takes the bytes now, or not at all: false when there are too few or others wait. `isHolder`: has some already. */
  tryAcquire(bytes: number, isHolder = false): boolean {
    if (this.#holders.size > 0 || (this.#waiters.size > 0 && !isHolder)) return false;
    if (this.#bytesUsed + bytes > this.bytesMax) return false;
    this.#bytesUsed += bytes;
    return true;
  }

  /** Waits up to `timeoutMs` for the bytes; false: they are not to be had, and nothing was taken. */
  acquire(bytes: number, timeoutMs: number, isHolder = false): Promise<boolean> {
    if (this.tryAcquire(bytes, isHolder)) return Promise.resolve(true);
    if (bytes > this.bytesMax) return Promise.resolve(false);
    const line = isHolder ? this.#holders : this.#waiters;
    return new Promise((resolve) => {
      const timer = this.#clock.after(timeoutMs, () => {
        line.delete(waiter);
        resolve(false);
        this.#grant();
      });
      const waiter: Waiter = { bytes, resolve, timer };
      line.add(waiter);
    });
  }

  /** Gives back what an acquire took. */
  release(bytes: number): void {
    this.#bytesUsed -= bytes;
    assert(this.#bytesUsed >= 0, 'more bytes released than taken');
    this.#grant();
  }

  #grant(): void {
    if (this.#holders.size > 0) this.#grantLine(this.#holders);
    if (this.#holders.size === 0 && this.#waiters.size > 0) this.#grantLine(this.#waiters);
  }

  #grantLine(line: Set<Waiter>): void {
    for (const waiter of line) {
      if (this.#bytesUsed + waiter.bytes > this.bytesMax) return;
      line.delete(waiter);
      waiter.timer.cancel();
      this.#bytesUsed += waiter.bytes;
      waiter.resolve(true);
    }
  }
}
