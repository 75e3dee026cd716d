// Puts the ordered texts of several sources together: for each message of a mailbox the rank of its text among all. The texts
// of a source are in order already, so this is merging, and nearly all of it compares numbers (ordered-column.ts).
// Invariant: equal texts have equal ranks, and rank 0 is no text. Sliced.

import type { Slicer } from '../../base/slicer.ts';
import type { OrderedColumn } from './ordered-column.ts';
import type { PlaceRuns } from './place-runs.ts';
import { lastNotAbove } from './term-table.ts';

/** A column for each source of a mailbox's messages, and where these are in them. */
export interface PlacedTexts {
  readonly rows: number;
  readonly runs: PlaceRuns;
  readonly columns: readonly OrderedColumn[];
}

/** Texts that are put in order between two looks at the clock. */
const textsInStep = 2_048;

/** By row of the mailbox, from 0 to the number of rows; 0 for a message that is gone, too. */
export async function textRanks({ rows, runs, columns }: PlacedTexts, slicer: Slicer): Promise<Int32Array> {
  const texts = new NumberedTexts(columns);
  const rankOf = await texts.ranks(await texts.used(runs, slicer), slicer);
  const ranks = new Int32Array(rows);
  for (let run = 0; run < runs.count; run++) {
    // A run is at most as long as the source, a few thousand rows.
    runs.visit(run, (source, row, place, length) => {
      const { ranks: inSource } = columns[source]!;
      const first = texts.firsts[source]!;
      for (let at = 0; at < length; at++) ranks[row + at] = rankOf[first + inSource[place + at]!]!;
    });
    if (slicer.due()) await slicer.rest();
  }
  return ranks;
}

/** The texts of all columns, numbered: one column's behind those of the one before. */
class NumberedTexts {
  readonly #columns: readonly OrderedColumn[];
  /** By column: the number of its first text; and one more for the end. */
  readonly firsts: Uint32Array;
  readonly #first: Float64Array;
  readonly #second: Float64Array;
  readonly #third: Float64Array;

  constructor(columns: readonly OrderedColumn[]) {
    this.#columns = columns;
    this.firsts = new Uint32Array(columns.length + 1);
    for (const [index, { texts }] of columns.entries())
      this.firsts[index + 1] = this.firsts[index]! + texts.count;
    const heads = (level: number): Float64Array => {
      const all = new Float64Array(this.firsts[columns.length]!);
      for (const [index, column] of columns.entries()) all.set(column.heads(level), this.firsts[index]);
      return all;
    };
    this.#first = heads(0);
    this.#second = heads(1);
    this.#third = heads(2);
  }

  /** For each column the numbers, in order, of the texts that messages of the mailbox have. */
  async used(runs: PlaceRuns, slicer: Slicer): Promise<Uint32Array[]> {
    const used = this.#columns.map(({ texts }) => new Uint8Array(texts.count));
    for (let run = 0; run < runs.count; run++) {
      runs.visit(run, (source, _row, place, length) => {
        const { ranks } = this.#columns[source]!;
        const marks = used[source]!;
        // All of its messages: all of its texts.
        if (length === ranks.length) marks.fill(1);
        else for (let at = place; at < place + length; at++) marks[ranks[at]!] = 1;
      });
      if (slicer.due()) await slicer.rest();
    }
    return used.map((marks, index) => {
      const numbers = new Uint32Array(marks.length);
      let count = 0;
      for (let rank = 0; rank < marks.length; rank++)
        if (marks[rank] === 1) numbers[count++] = this.firsts[index]! + rank;
      return numbers.subarray(0, count);
    });
  }

  /** By number; lists in order. */
  async ranks(lists: readonly Uint32Array[], slicer: Slicer): Promise<Int32Array> {
    const order = await this.#merged(lists, slicer);
    const ranks = new Int32Array(this.firsts[this.#columns.length]!);
    // The least text may be the empty one.
    let rank = order.length > 0 && this.#text(order[0]!) === '' ? 0 : 1;
    for (let start = 0; start < order.length; start += textsInStep) {
      rank = this.#rankSome(ranks, order, { start, rank });
      if (slicer.due()) await slicer.rest();
    }
    return ranks;
  }

  #rankSome(
    ranks: Int32Array,
    order: Uint32Array,
    { start, rank: from }: { start: number; rank: number },
  ): number {
    let rank = from;
    const end = Math.min(order.length, start + textsInStep);
    for (let at = start; at < end; at++) {
      if (at > 0 && this.#compare(order[at - 1]!, order[at]!) !== 0) rank++;
      ranks[order[at]!] = rank;
    }
    return rank;
  }

  async #merged(lists: readonly Uint32Array[], slicer: Slicer): Promise<Uint32Array> {
    let left = lists;
    while (left.length > 1) {
      const next: Uint32Array[] = [];
      for (let at = 0; at < left.length; at += 2) {
        const right = left[at + 1];
        next.push(right === undefined ? left[at]! : await this.#mergedPair(left[at]!, right, slicer));
      }
      left = next;
    }
    return left[0] ?? new Uint32Array();
  }

  async #mergedPair(left: Uint32Array, right: Uint32Array, slicer: Slicer): Promise<Uint32Array> {
    const merge = { left, right, l: 0, r: 0, into: new Uint32Array(left.length + right.length) };
    while (merge.l < left.length && merge.r < right.length) {
      this.#mergeSome(merge);
      if (slicer.due()) await slicer.rest();
    }
    merge.into.set(left.subarray(merge.l), merge.l + merge.r);
    merge.into.set(right.subarray(merge.r), merge.l + merge.r);
    return merge.into;
  }

  /** Goes on until one of the lists is used up, but not for long. */
  #mergeSome(merge: PairOfLists): void {
    const { left, right, into } = merge;
    const heads = this.#first;
    let { l, r } = merge;
    const end = Math.min(into.length, l + r + textsInStep);
    while (l < left.length && r < right.length && l + r < end) {
      const a = left[l]!;
      const b = right[r]!;
      const difference = heads[a]! - heads[b]!;
      if (difference < 0 || (difference === 0 && this.#compare(a, b) <= 0)) into[l + r] = left[l++]!;
      else into[l + r] = right[r++]!;
    }
    merge.l = l;
    merge.r = r;
  }

  #compare(a: number, b: number): number {
    const difference =
      this.#first[a]! - this.#first[b]! ||
      this.#second[a]! - this.#second[b]! ||
      this.#third[a]! - this.#third[b]!;
    if (difference !== 0) return difference;
    const left = this.#text(a);
    const right = this.#text(b);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  #text(number: number): string {
    const column = lastNotAbove(this.firsts, number);
    return this.#columns[column]!.texts.value(number - this.firsts[column]!);
  }
}

interface PairOfLists {
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  /** How many of each have been taken. */
  l: number;
  r: number;
  readonly into: Uint32Array;
}
