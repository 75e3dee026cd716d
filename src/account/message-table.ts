// The columns of one mailbox in memory: 44 bytes a message, ascending by uid. They mirror the committed message rows
// and change only after a commit (STYLE 9); what a mutation has decided but not committed is in the draft.
// Invariant: uids ascend strictly; `length` rows are valid, what lies behind is room to grow.

import type { MessageRow } from './message-row.ts';
import type { MessageColumns } from './port.ts';

/** What a row costs, for the memory limit. */
export const tableBytesPerRow = 44;

/** Smaller steps would copy all columns for every other append. */
const growthMin = 32;

interface Columns {
  uids: Uint32Array;
  flagsLow: Uint32Array;
  flagsHigh: Uint32Array;
  modSeqs: Float64Array;
  sizes: Uint32Array;
  internalDates: Float64Array;
  saveDates: Float64Array;
  emailIds: Float64Array;
}

function allocate(length: number): Columns {
  return {
    uids: new Uint32Array(length),
    flagsLow: new Uint32Array(length),
    flagsHigh: new Uint32Array(length),
    modSeqs: new Float64Array(length),
    sizes: new Uint32Array(length),
    internalDates: new Float64Array(length),
    saveDates: new Float64Array(length),
    emailIds: new Float64Array(length),
  };
}

export const emptyColumns: MessageColumns = allocate(0);

/** Columns of rows, in their order. */
export function columnsOfRows(rows: readonly MessageRow[]): MessageColumns {
  const table = new MessageTable(rows.length);
  for (const row of rows) table.push(row);
  return table.columns;
}

export class MessageTable {
  #columns: Columns;
  #length = 0;

  constructor(capacity: number) {
    this.#columns = allocate(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Valid up to `length`, until the next change; not to be kept or handed out. */
  get columns(): Readonly<Columns> {
    return this.#columns;
  }

  get bytes(): number {
    return this.#columns.uids.length * tableBytesPerRow;
  }

  /** The index of the first message with this uid or a higher one; `length` when there is none. */
  lowerBound(uid: number): number {
    const { uids } = this.#columns;
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (uids[middle]! < uid) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** -1 when there is no such message. */
  indexOf(uid: number): number {
    const index = this.lowerBound(uid);
    return index < this.#length && this.#columns.uids[index] === uid ? index : -1;
  }

  /**
   * The index of `uid`, starting from where the last one was found: lists of uids are mostly runs. -1: none.
   * Pass the last result + 1 (0 at first) as `guess`.
   */
  indexNear(uid: number, guess: number): number {
    return guess < this.#length && this.#columns.uids[guess] === uid ? guess : this.indexOf(uid);
  }

  row(index: number): MessageRow {
    const columns = this.#columns;
    return {
      uid: columns.uids[index]!,
      flagsLow: columns.flagsLow[index]!,
      flagsHigh: columns.flagsHigh[index]!,
      modSeq: columns.modSeqs[index]!,
      size: columns.sizes[index]!,
      internalDate: columns.internalDates[index]!,
      saveDate: columns.saveDates[index]!,
      emailId: columns.emailIds[index]!,
    };
  }

  /** The row's uid is higher than all there are. */
  push(row: MessageRow): void {
    if (this.#length === this.#columns.uids.length) this.#grow();
    this.set(this.#length++, row);
  }

  set(index: number, row: MessageRow): void {
    const columns = this.#columns;
    columns.uids[index] = row.uid;
    columns.flagsLow[index] = row.flagsLow;
    columns.flagsHigh[index] = row.flagsHigh;
    columns.modSeqs[index] = row.modSeq;
    columns.sizes[index] = row.size;
    columns.internalDates[index] = row.internalDate;
    columns.saveDates[index] = row.saveDate;
    columns.emailIds[index] = row.emailId;
  }

  /** Removes the rows at `indexes` (ascending) and closes the gaps. */
  remove(indexes: readonly number[]): void {
    if (indexes.length === 0) return;
    for (const column of Object.values(this.#columns) as (Uint32Array | Float64Array)[]) {
      let target = indexes[0]!;
      for (let gap = 0; gap < indexes.length; gap++) {
        const from = indexes[gap]! + 1;
        const to = gap + 1 < indexes.length ? indexes[gap + 1]! : this.#length;
        column.copyWithin(target, from, to);
        target += to - from;
      }
    }
    this.#length -= indexes.length;
    // A mailbox that was emptied gives its memory back.
    if (this.#columns.uids.length > growthMin && this.#length * 4 < this.#columns.uids.length) {
      this.#resize(this.#length + growthMin);
    }
  }

  /** A copy of the rows from one index to another; the caller's to keep. */
  slice(from: number, to: number): MessageColumns {
    const columns = this.#columns;
    return {
      uids: columns.uids.slice(from, to),
      flagsLow: columns.flagsLow.slice(from, to),
      flagsHigh: columns.flagsHigh.slice(from, to),
      modSeqs: columns.modSeqs.slice(from, to),
      sizes: columns.sizes.slice(from, to),
      internalDates: columns.internalDates.slice(from, to),
      saveDates: columns.saveDates.slice(from, to),
      emailIds: columns.emailIds.slice(from, to),
    };
  }

  all(): MessageColumns {
    return this.slice(0, this.#length);
  }

  /** A copy of the rows at these indexes. */
  pick(indexes: ArrayLike<number>): MessageColumns {
    const columns = this.#columns;
    const picked = allocate(indexes.length);
    for (let at = 0; at < indexes.length; at++) {
      const index = indexes[at]!;
      picked.uids[at] = columns.uids[index]!;
      picked.flagsLow[at] = columns.flagsLow[index]!;
      picked.flagsHigh[at] = columns.flagsHigh[index]!;
      picked.modSeqs[at] = columns.modSeqs[index]!;
      picked.sizes[at] = columns.sizes[index]!;
      picked.internalDates[at] = columns.internalDates[index]!;
      picked.saveDates[at] = columns.saveDates[index]!;
      picked.emailIds[at] = columns.emailIds[index]!;
    }
    return picked;
  }

  /** A copy of the messages of `uids` that exist. */
  select(uids: Uint32Array): MessageColumns {
    const indexes: number[] = [];
    let guess = 0;
    for (const uid of uids) {
      const index = this.indexNear(uid, guess);
      if (index < 0) continue;
      indexes.push(index);
      guess = index + 1;
    }
    const count = indexes.length;
    if (count > 0 && indexes[count - 1]! - indexes[0]! === count - 1) {
      return this.slice(indexes[0]!, indexes[0]! + count);
    }
    return this.pick(indexes);
  }

  #grow(): void {
    this.#resize(this.#length + Math.max(growthMin, this.#length >>> 2));
  }

  #resize(capacity: number): void {
    const before = this.#columns;
    const after = allocate(capacity);
    for (const name of Object.keys(before) as (keyof Columns)[]) {
      after[name].set(before[name].subarray(0, this.#length));
    }
    this.#columns = after;
  }
}
