// The room that links have for large messages. Invariant: a peer that is not trusted has at most its share of what all
// have, over all of its links; so one that begins messages and does not end them takes the room of nobody else.
// A wait ends by its time limits with `false`, never by a throw.

import type { ByteBudget } from '../../base/byte-budget.ts';

export type IncomingRoom = Pick<ByteBudget, 'tryAcquire' | 'acquire' | 'release'>;

/** The part of `all` that a peer may have; `own`: its budget. */
export function shareOf(all: ByteBudget, own: ByteBudget): IncomingRoom {
  return {
    tryAcquire: (bytes) => {
      if (!own.tryAcquire(bytes)) return false;
      if (all.tryAcquire(bytes)) return true;
      own.release(bytes);
      return false;
    },
    acquire: async (bytes, timeoutMs) => {
      if (!(await own.acquire(bytes, timeoutMs))) return false;
      if (await all.acquire(bytes, timeoutMs)) return true;
      own.release(bytes);
      return false;
    },
    release: (bytes) => {
      own.release(bytes);
      all.release(bytes);
    },
  };
}
