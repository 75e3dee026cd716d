// Counts the lines of several bodies that may lie inside one another, looking at each byte once: positions asked for
// only rise. Bytes that lie in no body whose lines are wanted (attachments) are jumped over.

import { lineFeeds } from '../../base/line-feeds.ts';

const lineFeed = 10;

export class LineCounter {
  readonly #bytes: Buffer;
  #position = 0;
  #count = 0;
  #bodies = 0;
  #work = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes looked at. */
  get work(): number {
    return this.#work;
  }

  /** A body starts at `position`. Gives the count there, to be handed back to `close`. */
  open(position: number): number {
    if (this.#bodies === 0) this.#position = position;
    else this.advance(position);
    this.#bodies++;
    return this.#count;
  }

  /** Looks at what is before `position`; no body may end before it. */
  advance(position: number): void {
    if (this.#bodies === 0 || position <= this.#position) return;
    this.#count += lineFeeds(this.#bytes, this.#position, position).count;
    this.#work += position - this.#position;
    this.#position = position;
  }

  /** Lines of the body from `start` (where the count was `countBefore`) to `end`; a last one without line break counts. */
  close(start: number, end: number, countBefore: number): number {
    this.advance(end);
    this.#bodies--;
    const unfinished = end > start && this.#bytes[end - 1] !== lineFeed ? 1 : 0;
    return this.#count - countBefore + unfinished;
  }

  /** The lines of a body are not wanted after all. */
  release(): void {
    this.#bodies--;
  }
}
