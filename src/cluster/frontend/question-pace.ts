// How often a node of the outer zone may ask something that costs more than an answer from memory: a commit, a signature, a
// table of all shards. Counted for the node, over all of its links, at each node that it asks.
// Invariant: a method is answered as often as its rate allows, and as often at once as its burst does.
// Refuses with limitReached.

import type { Clock } from '../../base/clock.ts';
import { MailError } from '../../mail/mail-error.ts';

export interface Pace {
  /** Of a node that is well, several times as often as it asks. */
  readonly everyMs: number;
  readonly burst: number;
}

export class QuestionPace<Method extends string> {
  readonly #paces: Readonly<Record<Method, Pace>>;
  readonly #clock: Clock;
  /** Of each method that was asked: by when all that was asked is paid for (monotonic). */
  readonly #paidAt = new Map<Method, number>();

  constructor(paces: Readonly<Record<Method, Pace>>, clock: Clock) {
    this.#paces = paces;
    this.#clock = clock;
  }

  take(method: Method): void {
    const { everyMs, burst } = this.#paces[method];
    const now = this.#clock.monotonic();
    const paidAt = Math.max(now, this.#paidAt.get(method) ?? now) + everyMs;
    if (paidAt > now + everyMs * burst)
      throw new MailError('limitReached', `${method} is asked too often by this node`);
    this.#paidAt.set(method, paidAt);
  }
}
