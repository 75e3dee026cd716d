// Sorts rows by values of which a number says much: rows whose numbers differ are put in order by the engine's own sorting
// of numbers, which needs no call a comparison; only what few rows have in common is compared. Pure.

import { assert } from '../../base/assert.ts';

/** Heads are whole numbers below this. */
const headsEnd = 2 ** 48;
/** So much of a head stands in the second half of a key, above the place. */
const lowerRadix = 2 ** 18;
/** Rows that are sorted at once, at most: what is left of a key for their places. */
export const sortedRowsMax = 2 ** 14;

export interface SortedValues {
  /** A number from 0 to `headsEnd` - 1 of a row: rows whose heads differ are in their order. */
  head(row: number): number;
  /** Rows of one head are equal. */
  readonly isExact: boolean;
  /** Of two rows, whole. */
  compare(a: number, b: number): number;
}

/** So few rows that agree are put in their places one by one. */
const insertedRowsMax = 16;

/** At most `sortedRowsMax` rows, ascending, put in order; equal ones as they stand. Returns the array given. */
export function sortRows<Rows extends Uint32Array>(rows: Rows, values: SortedValues): Rows {
  const count = rows.length;
  assert(count <= sortedRowsMax, 'too many rows to be sorted at once');
  const heads = new Float64Array(count);
  for (let at = 0; at < count; at++) heads[at] = values.head(rows[at]!);
  const places = sortedPlaces(heads);
  const before = rows.slice();
  for (let at = 0; at < count; at++) rows[at] = before[places[at]!]!;
  if (values.isExact) return rows;
  for (let start = 0; start < count; ) {
    const head = heads[places[start]!]!;
    let end = start + 1;
    while (end < count && heads[places[end]!] === head) end++;
    if (end - start > insertedRowsMax)
      rows.subarray(start, end).sort((a, b) => values.compare(a, b) || a - b);
    else if (end - start > 1) insertInOrder(rows, { start, end }, values);
    start = end;
  }
  return rows;
}

/** The indexes of numbers in their order; equal ones as they stand. */
function sortedPlaces(heads: Float64Array): Uint32Array {
  const count = heads.length;
  // A positive finite double is ordered as its bits are: the head above, the place below.
  const keys = new Float64Array(count);
  const halves = new Uint32Array(keys.buffer);
  for (let at = 0; at < count; at++) {
    const head = heads[at]!;
    const upper = Math.floor(head / lowerRadix);
    halves[at * 2] = (head - upper * lowerRadix) * sortedRowsMax + at;
    halves[at * 2 + 1] = upper;
  }
  keys.sort();
  const places = new Uint32Array(count);
  for (let at = 0; at < count; at++) places[at] = halves[at * 2]! & (sortedRowsMax - 1);
  return places;
}

/** Few rows of one head. */
function insertInOrder(
  rows: Uint32Array,
  { start, end }: { readonly start: number; readonly end: number },
  values: SortedValues,
): void {
  for (let at = start + 1; at < end; at++) {
    const row = rows[at]!;
    let to = at;
    for (; to > start && values.compare(rows[to - 1]!, row) > 0; to--) rows[to] = rows[to - 1]!;
    rows[to] = row;
  }
}

/** Of finite numbers: the head says where one is between the least and the greatest. */
export function sortedNumbers(values: Float64Array | Uint32Array): SortedValues {
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  let isWhole = true;
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
    if (!Number.isInteger(value)) isWhole = false;
  }
  const isExact = isWhole && greatest - least < headsEnd;
  const spread = (headsEnd - 1) / (greatest - least);
  // Of numbers that are equal, or nearly so, heads say nothing.
  const scale = isExact ? 1 : Number.isFinite(spread) ? spread : 0;
  return {
    head: (row) => Math.floor((values[row]! - least) * scale),
    isExact,
    compare: (a, b) => values[a]! - values[b]!,
  };
}
