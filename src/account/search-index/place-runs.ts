// Runs of a mailbox's rows that stand in a row in one source too, as nearly all do: what is asked of a mailbox is then
// copied from few sources in few pieces, instead of looked up row by row.
// Invariant: no row is in two runs.

/** On each: `length` rows from `row` on are in `source` from `place` on. */
export type RunVisitor = (source: number, row: number, place: number, length: number) => void;

/** Numbers a run. */
const runNumbers = 4;

export class PlaceRuns {
  #numbers = new Int32Array(64 * runNumbers);
  #used = 0;

  /** Joined to the last run when it goes on there. */
  add(source: number, row: number, place: number, length: number): void {
    const numbers = this.#numbers;
    const last = this.#used - runNumbers;
    if (last >= 0 && numbers[last] === source) {
      const before = numbers[last + 3]!;
      if (numbers[last + 1]! + before === row && numbers[last + 2]! + before === place) {
        numbers[last + 3] = before + length;
        return;
      }
    }
    if (this.#used === numbers.length) {
      this.#numbers = new Int32Array(numbers.length * 2);
      this.#numbers.set(numbers);
    }
    this.#numbers.set([source, row, place, length], this.#used);
    this.#used += runNumbers;
  }

  /** Where a row is, if it goes on behind the last run. */
  placeAfter(source: number, row: number): number {
    const numbers = this.#numbers;
    const last = this.#used - runNumbers;
    if (last < 0 || numbers[last] !== source) return 0;
    return numbers[last + 2]! + row - numbers[last + 1]!;
  }

  get count(): number {
    return this.#used / runNumbers;
  }

  each(visit: RunVisitor): void {
    for (let index = 0; index < this.count; index++) this.visit(index, visit);
  }

  /** One of them: for a caller that rests between. */
  visit(index: number, visit: RunVisitor): void {
    const numbers = this.#numbers;
    const at = index * runNumbers;
    visit(numbers[at]!, numbers[at + 1]!, numbers[at + 2]!, numbers[at + 3]!);
  }
}

/** How many rows are compared at once: all that may be equal, then fewer, until they are. */
const comparedLengths = [Number.POSITIVE_INFINITY, 512, 64, 8] as const;

/** How many numbers from `row` on are those of `ids` from `place` on, as far as is cheap to know; the first one is. */
export function equalLength(
  emailIds: Float64Array,
  row: number,
  { ids, place }: { readonly ids: Float64Array; readonly place: number },
): number {
  const left = bytesFrom(emailIds, row);
  const right = bytesFrom(ids, place);
  const longest = Math.min(left.length, right.length) / 8;
  for (const length of comparedLengths) {
    if (length > longest && length !== Number.POSITIVE_INFINITY) continue;
    const bytes = Math.min(length, longest) * 8;
    if (left.compare(right, 0, bytes, 0, bytes) === 0) return bytes / 8;
  }
  return 1;
}

function bytesFrom(numbers: Float64Array, first: number): Buffer {
  return Buffer.from(numbers.buffer, numbers.byteOffset + first * 8, numbers.byteLength - first * 8);
}
