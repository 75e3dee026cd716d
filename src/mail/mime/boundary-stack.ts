// The boundaries of the multiparts that are open, and which of them a line is (RFC 2046 5.1.1).
//
// A line is found by a map and not by walking the stack: a message with a thousand open multiparts costs the same a
// line as one with two. The inner of two multiparts with the same boundary hides the outer until it is closed.

interface OpenBoundary {
  readonly boundary: string;
  /** What the map held before: an outer multipart with the same boundary. */
  readonly hidden: number | undefined;
}

/** Lookups of shortened forms of one line, for junk after a boundary. Bounds the work a line can cause. */
const shortenedLookupsMax = 4;
/** So few that V8 keeps them with the object; one more would make it ask the allocator for memory, a message. */
const lengthClasses = 32;
const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const tab = 9;
const dash = 45;

export class BoundaryStack {
  readonly #bytes: Buffer;
  readonly #open: OpenBoundary[] = [];
  readonly #frameByBoundary = new Map<string, number>();
  /** How many open boundaries have a length (modulo 32): dismisses most lines without making a string. */
  readonly #lengths = new Uint16Array(lengthClasses);
  #longest = 0;
  #lineEnd = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#open.length;
  }

  /** After the line break of the line that `match` looked at last. */
  get lineEnd(): number {
    return this.#lineEnd;
  }

  /** `frame` is what `match` gives for it; frames are pushed and popped innermost last. */
  push(boundary: string, frame: number): void {
    this.#open.push({ boundary, hidden: this.#frameByBoundary.get(boundary) });
    this.#frameByBoundary.set(boundary, frame);
    this.#lengths[boundary.length % lengthClasses]!++;
    if (boundary.length > this.#longest) this.#longest = boundary.length;
  }

  pop(): void {
    const { boundary, hidden } = this.#open.pop()!;
    if (hidden === undefined) this.#frameByBoundary.delete(boundary);
    else this.#frameByBoundary.set(boundary, hidden);
    this.#lengths[boundary.length % lengthClasses]!--;
  }

  /**
   * What the line is whose text after its two dashes starts at `start`: -1 no boundary, else twice the frame, plus
   * one when it is the closing one. An exact match wins, then one followed by white space, then one with junk after that.
   */
  match(start: number): number {
    const bytes = this.#bytes;
    const found = bytes.indexOf(lineFeed, start);
    this.#lineEnd = found === -1 ? bytes.length : found + 1;
    let end = found === -1 ? bytes.length : found;
    if (end > start && bytes[end - 1] === carriageReturn) end--;
    const exact = this.#openingOrClosing(start, end);
    if (exact !== -1) return exact;
    let trimmed = end;
    while (trimmed > start && isBlank(bytes[trimmed - 1]!)) trimmed--;
    if (trimmed !== end) {
      const padded = this.#openingOrClosing(start, trimmed);
      if (padded !== -1) return padded;
    }
    return this.#shortened(start, trimmed);
  }

  /** True when the line at `lineStart`, which starts with two dashes, is a boundary. */
  endsAt(lineStart: number): boolean {
    return this.match(lineStart + 2) !== -1;
  }

  #shortened(start: number, end: number): number {
    const bytes = this.#bytes;
    const last = Math.min(end, start + this.#longest + 3);
    let lookups = 0;
    for (let index = start + 1; index < last && lookups < shortenedLookupsMax; index++) {
      if (!isBlank(bytes[index]!) || isBlank(bytes[index - 1]!)) continue;
      lookups++;
      const result = this.#openingOrClosing(start, index);
      if (result !== -1) return result;
    }
    return -1;
  }

  #openingOrClosing(start: number, end: number): number {
    const opening = this.#lookup(start, end);
    if (opening !== undefined) return opening * 2;
    if (end - start < 3 || this.#bytes[end - 1] !== dash || this.#bytes[end - 2] !== dash) return -1;
    const closing = this.#lookup(start, end - 2);
    return closing === undefined ? -1 : closing * 2 + 1;
  }

  #lookup(start: number, end: number): number | undefined {
    const length = end - start;
    if (length > this.#longest || this.#lengths[length % lengthClasses] === 0) return undefined;
    return this.#frameByBoundary.get(this.#bytes.toString('latin1', start, end));
  }
}

function isBlank(byte: number): boolean {
  return byte === space || byte === tab;
}
