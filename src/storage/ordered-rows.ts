// Rows by key, and ranges of them that are asked for now and then while rows are added all the time: keys that were added since
// the last question are sorted when the next one comes, and lie beside what was sorted before; such runs are merged when they are many.
// Invariant: every key is in one run, or waits for the next question.

/** Each is looked at by every question. */
const runsMax = 8;

export class OrderedRows<Value> {
  readonly #rows = new Map<string, Value>();
  #added: string[] = [];
  /** Each sorted. */
  #runs: string[][] = [];

  get(key: string): Value | undefined {
    return this.#rows.get(key);
  }

  set(key: string, value: Value): void {
    if (!this.#rows.has(key)) this.#added.push(key);
    this.#rows.set(key, value);
  }

  /** Rows with start <= key < end, in no order. */
  *within(start: string, end: string): Generator<[string, Value]> {
    this.#sort();
    for (const run of this.#runs) {
      for (let index = lowerBound(run, start); index < run.length && run[index]! < end; index++) {
        const key = run[index]!;
        yield [key, this.#rows.get(key)!];
      }
    }
  }

  #sort(): void {
    if (this.#added.length === 0) return;
    this.#runs.push(this.#added.sort());
    this.#added = [];
    if (this.#runs.length <= runsMax) return;
    // The longest stay as they are: each key is sorted again a few times only.
    this.#runs.sort((one, other) => other.length - one.length);
    this.#runs.push(
      this.#runs
        .splice(runsMax / 2)
        .flat()
        .sort(),
    );
  }
}

/** The first index in sorted `keys` that is not below `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
