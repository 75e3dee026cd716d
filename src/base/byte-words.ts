// Looks through text four bytes at a time: most bytes of a message are of no interest, and looking at each of them is what
// costs. Owns nothing; a view of the bytes, which must not change places.

const lowBytesEnd = 0x0e;
/** Below it the view is not worth making. */
const wordsMin = 16;

export class ByteWords {
  readonly #bytes: Uint8Array;
  /** The bytes from `#wordsStart` on, four in each; undefined: there are only a few. */
  readonly #words: Int32Array | undefined;
  readonly #wordsStart: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    // An Int32Array begins at a multiple of four.
    this.#wordsStart = -bytes.byteOffset & 3;
    const count = (bytes.length - this.#wordsStart) >> 2;
    if (count >= wordsMin)
      this.#words = new Int32Array(bytes.buffer, bytes.byteOffset + this.#wordsStart, count);
  }

  /** The first position of `from` … `end` - 1 with a byte below 14: the end of a line, or nearly never something else. Or `end`. */
  lowByte(from: number, end: number): number {
    const bytes = this.#bytes;
    const words = this.#words;
    let at = from;
    if (words !== undefined) {
      const aligned = Math.min(end, this.#firstWord(from) * 4 + this.#wordsStart);
      for (; at < aligned; at++) if (bytes[at]! < lowBytesEnd) return at;
      const last = this.#wordAt(end);
      let index = (at - this.#wordsStart) >> 2;
      // A byte below 14 borrows from its top bit, which it does not have itself.
      while (index < last && (((words[index]! - 0x0e0e0e0e) & ~words[index]! & 0x80808080) | 0) === 0)
        index++;
      at = Math.max(at, index * 4 + this.#wordsStart);
    }
    while (at < end && bytes[at]! >= lowBytesEnd) at++;
    return Math.min(at, end);
  }

  /** The first word that begins at or behind `position`. */
  #firstWord(position: number): number {
    return Math.max(0, (position - this.#wordsStart + 3) >> 2);
  }

  /** The word that `position` is in: those before it end at or before `position`. */
  #wordAt(position: number): number {
    return (position - this.#wordsStart) >> 2;
  }
}
