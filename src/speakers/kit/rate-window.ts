// How often each client did something in the last window: a counter a client, all forgotten together when the window
// ends. Invariant: memory is bounded; when more clients come in one window than are counted, the rest share a counter.

import type { Clock } from '../../base/clock.ts';
import { networkOf } from '../../base/network-of.ts';

/** About 10 MB of counters at the worst, while somebody floods us from everywhere. */
const clientsMax = 100_000;
const othersKey = '';

export class RateWindow {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #counts = new Map<string, number>();
  #endsAt: number;

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#windowMs = windowMs;
    this.#endsAt = clock.monotonic() + windowMs;
  }

  /** Counts one more of this address; false when that is more than `max` in this window. */
  take(address: string, max: number): boolean {
    const now = this.#clock.monotonic();
    if (now >= this.#endsAt) {
      this.#counts.clear();
      this.#endsAt = now + this.#windowMs;
    }
    const client = networkOf(address);
    const key = this.#counts.size < clientsMax || this.#counts.has(client) ? client : othersKey;
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return count <= max;
  }
}
