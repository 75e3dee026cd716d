// The pieces of a FETCH's content, in the order of its rows: some are on their way while one is written, so that the store and
// the links to it have work while the client takes what it gets. Where a piece ends is known beforehand when whole messages are
// asked for, by their sizes; otherwise one piece at a time is ahead.
// Invariants: every row is given once, in order, also when a piece turns out shorter than it was expected; without room in what all
// sessions share nothing is ahead. A piece fails when it is asked for; one that is dropped before is nobody's failure.

import type { ReadAhead } from '../../kit/read-ahead.ts';
import { type ContentPiece, type MessagePuller, piecesAheadMax } from './message-puller.ts';
import type { Targets } from './targets.ts';

interface ComingPiece {
  /** The row behind it; undefined: it is known when the piece has come. */
  readonly end: number | undefined;
  readonly piece: Promise<ContentPiece>;
}

type Puller = Pick<MessagePuller, 'contents' | 'contentsEnd'>;
type Room = Pick<ReadAhead, 'allowed'>;

export class ContentAhead {
  readonly #puller: Puller;
  readonly #targets: Targets;
  readonly #ahead: Room;
  #coming: ComingPiece[] = [];

  constructor(puller: Puller, targets: Targets, ahead: Room) {
    this.#puller = puller;
    this.#targets = targets;
    this.#ahead = ahead;
  }

  /** The piece that begins with `row`: the first, or the one behind the last piece. */
  async next(row: number): Promise<ContentPiece> {
    const first = this.#coming.shift() ?? this.#pull(row);
    this.#fill(first.end);
    const piece = await first.piece;
    const end = row + piece.values.length;
    if (end !== first.end) this.#coming = [];
    this.#fill(end);
    return piece;
  }

  #pull(row: number): ComingPiece {
    const end = this.#puller.contentsEnd(this.#targets, row);
    return { end, piece: this.#puller.contents(this.#targets, row) };
  }

  /** `end`: behind the piece before those that are coming. */
  #fill(end: number | undefined): void {
    const last = this.#coming.at(-1);
    let row = last === undefined ? end : last.end;
    while (row !== undefined && row < this.#targets.count && this.#coming.length < piecesAheadMax) {
      if (!this.#ahead.allowed) return;
      const next = this.#pull(row);
      this.#coming.push(next);
      row = next.end;
    }
  }
}
