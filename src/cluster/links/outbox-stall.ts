// Whether a peer takes what waits for it. One that lives, says so, and neither reads nor gives credit would otherwise keep its
// answers in memory for as long as it likes.
// Invariant: while something waits all the time, so much of it goes within the time limit, or the outbox is stalled.

import type { Outbox } from './outbox.ts';

/** Within the time limit: at 140 kbit/s a link is of no use. */
const bytesMin = 1024 * 1024;

export class OutboxStall {
  readonly #stalledMs: number;
  /** Since when something waits, and what had been sent by then. */
  #since: { readonly at: number; readonly bytes: number };

  /** Times are monotonic milliseconds. */
  constructor(stalledMs: number, now: number) {
    this.#stalledMs = stalledMs;
    this.#since = { at: now, bytes: 0 };
  }

  /** To be asked now and then. */
  isStalled({ sentBytes, isEmpty }: Pick<Outbox, 'sentBytes' | 'isEmpty'>, now: number): boolean {
    if (!isEmpty && sentBytes - this.#since.bytes < bytesMin) return now - this.#since.at >= this.#stalledMs;
    this.#since = { at: now, bytes: sentBytes };
    return false;
  }
}
