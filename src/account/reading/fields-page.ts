// Texts of several messages, one behind the other in one buffer: what header-fields.ts keeps and answers.
// Invariants: uids ascend; a page is never changed once built. Nothing here fails. Pure.

export interface FieldsPage {
  readonly uids: Uint32Array;
  /** Where the text of each ends in `bytes`. */
  readonly ends: Uint32Array;
  readonly bytes: Buffer;
}

/** What a message's fields take, to begin with; and all of them. */
const bytesPerRow = 256;
const bytesAtFirstMax = 256 * 1024;

export class FieldsBuilder {
  readonly #uids: Uint32Array;
  readonly #ends: Uint32Array;
  #buffer: Buffer;
  #count = 0;
  #length = 0;

  constructor(rowsMax: number) {
    this.#uids = new Uint32Array(rowsMax);
    this.#ends = new Uint32Array(rowsMax);
    this.#buffer = Buffer.allocUnsafe(Math.min(rowsMax * bytesPerRow, bytesAtFirstMax));
  }

  /** Of the texts so far. */
  get bytes(): number {
    return this.#length;
  }

  /** The uid is higher than all there are. `write` writes at most `bytesMax` and says where it ended. */
  add(uid: number, bytesMax: number, write: (place: { target: Buffer; at: number }) => number): void {
    this.#grow(bytesMax);
    this.#length = write({ target: this.#buffer, at: this.#length });
    this.#uids[this.#count] = uid;
    this.#ends[this.#count++] = this.#length;
  }

  /** Rows of a page from one to another. */
  addRows(page: FieldsPage, from: number, to: number): void {
    const start = startOf(page, from);
    const length = startOf(page, to) - start;
    this.#grow(length);
    page.bytes.copy(this.#buffer, this.#length, start, start + length);
    const moved = this.#length - start;
    for (let row = from; row < to; row++) {
      this.#uids[this.#count] = page.uids[row]!;
      this.#ends[this.#count++] = page.ends[row]! + moved;
    }
    this.#length += length;
  }

  /**
   * Those of `uids` (ascending) that the page has, as long as they fit in `bytesMax`, but always a first one. How many of
   * `uids` were looked at.
   */
  addMatching(page: FieldsPage, uids: Uint32Array, bytesMax: number): number {
    let row = 0;
    for (let at = 0; at < uids.length; ) {
      while (row < page.uids.length && page.uids[row]! < uids[at]!) row++;
      if (page.uids[row] !== uids[at]) {
        at++;
        continue;
      }
      const first = row;
      const end = startOf(page, first) + bytesMax - this.#length;
      while (at < uids.length && page.uids[row] === uids[at] && page.ends[row]! <= end) {
        row++;
        at++;
      }
      const isOnlyOne = row === first && this.#count === 0;
      if (isOnlyOne) {
        row++;
        at++;
      }
      this.addRows(page, first, row);
      if (isOnlyOne || (at < uids.length && page.uids[row] === uids[at])) return at;
    }
    return uids.length;
  }

  /** Views of what was gathered. */
  build(): FieldsPage {
    return {
      uids: this.#uids.subarray(0, this.#count),
      ends: this.#ends.subarray(0, this.#count),
      bytes: this.#buffer.subarray(0, this.#length),
    };
  }

  #grow(bytes: number): void {
    if (this.#buffer.length - this.#length >= bytes) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** What either has, in memory of its own. */
export function mergedPages(page: FieldsPage | undefined, more: FieldsPage): FieldsPage {
  if (page === undefined || page.uids.length === 0) return copied(more);
  const builder = new FieldsBuilder(page.uids.length + more.uids.length);
  let right = 0;
  for (let left = 0; left < page.uids.length || right < more.uids.length; ) {
    if (right === more.uids.length || page.uids[left]! <= more.uids[right]!) {
      if (page.uids[left] === more.uids[right]) right++;
      builder.addRows(page, left, ++left);
    } else builder.addRows(more, right, ++right);
  }
  return copied(builder.build());
}

/** Without the room to grow that a view would keep alive. */
function copied({ uids, ends, bytes }: FieldsPage): FieldsPage {
  return { uids: uids.slice(), ends: ends.slice(), bytes: Buffer.from(bytes) };
}

/** Where the text of a row begins, or, behind the last one, would. */
function startOf({ ends }: FieldsPage, row: number): number {
  return row === 0 ? 0 : ends[row - 1]!;
}
