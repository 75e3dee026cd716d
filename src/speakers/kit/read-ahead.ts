// What one session holds of its answers before its client has taken them: large pieces, and the next one while one is
// written, as long as there is room in what all sessions share; a small piece at a time and nothing ahead when there is not.
// So clients that never read take the shared room and, beyond it, a small piece each.
// Invariant: what was taken of the room is given back by `end`, when the client has taken the answers or is gone.

import type { ByteBudget } from '../../base/byte-budget.ts';
import type { Connection } from './connection.ts';

/** For all sessions of a process: some dozens that fetch large messages at full speed, or thousands that fetch small ones. */
export const answerBytesAheadMax = 128 * 1024 * 1024;
/** What a session pulls at a time without room. */
export const pieceBytesWithoutRoom = 64 * 1024;

export class ReadAhead {
  readonly #room: ByteBudget;
  #wanted = 0;
  #held = 0;

  constructor(room: ByteBudget) {
    this.#room = room;
  }

  /** From now on up to `bytes` may be held, if there is room. */
  begin(bytes: number): void {
    this.#room.release(this.#held);
    this.#held = 0;
    this.#wanted = bytes;
  }

  /** There is room; asked before each piece, as others may have given some back. */
  get allowed(): boolean {
    if (this.#held === this.#wanted) return true;
    if (!this.#room.tryAcquire(this.#wanted)) return false;
    this.#held = this.#wanted;
    return true;
  }

  /** How much to pull: `bytes`, or a small piece. */
  pieceBytes(bytes: number): number {
    return this.allowed ? bytes : Math.min(bytes, pieceBytesWithoutRoom);
  }

  /** When the answers are written: waits until the client took what piled up. Rejects as Connection.drain does. */
  async end(connection: Connection): Promise<void> {
    try {
      if (this.#held > 0 && connection.congested) await connection.drain();
    } finally {
      this.begin(0);
    }
  }
}
