// The columns of one mailbox in memory, ascending by uid. They mirror the committed message rows and change only after a
// commit (STYLE 9); what a mutation has decided but not committed is in the draft.
// Invariants: uids ascend strictly; `length` rows are valid, what lies behind is room to grow; a column is four bytes a
// message wide until a value needs eight, and `flagsHigh` is not there until a message has one of those flags. So a message
// takes 28 bytes, nearly always.

import type { MessageRow } from './message-row.ts';
import type { MessageColumns } from './port.ts';

/** Smaller steps would copy all columns for every other append. */
const growthMin = 32;

type Column = Uint32Array | Float64Array;

/** All of one length. */
interface Columns {
  uids: Uint32Array;
  flagsLow: Uint32Array;
  /** Undefined: all are 0. */
  flagsHigh: Uint32Array | undefined;
  modSeqs: Column;
  sizes: Uint32Array;
  internalDates: Column;
  saveDates: Column;
  emailIds: Column;
}

function allocate(length: number): MessageColumns {
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

/** As wide as before. */
function resized<T extends Column>(column: T, length: number, capacity: number): T {
  const larger = (
    column instanceof Uint32Array ? new Uint32Array(capacity) : new Float64Array(capacity)
  ) as T;
  larger.set(column.subarray(0, length));
  return larger;
}

export const emptyColumns: MessageColumns = allocate(0);

/** Columns of rows, in their order. */
export function columnsOfRows(rows: readonly MessageRow[]): MessageColumns {
  const columns = allocate(rows.length);
  for (const [index, row] of rows.entries()) {
    columns.uids[index] = row.uid;
    columns.flagsLow[index] = row.flagsLow;
    columns.flagsHigh[index] = row.flagsHigh;
    columns.modSeqs[index] = row.modSeq;
    columns.sizes[index] = row.size;
    columns.internalDates[index] = row.internalDate;
    columns.saveDates[index] = row.saveDate;
    columns.emailIds[index] = row.emailId;
  }
  return columns;
}

/** The column with the value in it: another one, eight bytes wide, when four are not enough. */
function withValue(column: Column, index: number, value: number): Column {
  const fits = column instanceof Float64Array || value >>> 0 === value;
  const wide = fits ? column : new Float64Array(column);
  wide[index] = value;
  return wide;
}

export class MessageTable {
  readonly #columns: Columns;
  #length = 0;

  constructor(capacity: number) {
    this.#columns = {
      uids: new Uint32Array(capacity),
      flagsLow: new Uint32Array(capacity),
      flagsHigh: undefined,
      modSeqs: new Uint32Array(capacity),
      sizes: new Uint32Array(capacity),
      internalDates: new Uint32Array(capacity),
      saveDates: new Uint32Array(capacity),
      emailIds: new Uint32Array(capacity),
    };
  }

  get length(): number {
    return this.#length;
  }

  /** Valid up to `length`, until the next change; not to be kept or handed out. */
  get columns(): Readonly<Columns> {
    return this.#columns;
  }

  get bytes(): number {
    const { uids, flagsLow, flagsHigh, sizes, modSeqs, internalDates, saveDates, emailIds } = this.#columns;
    const narrow = uids.byteLength + flagsLow.byteLength + (flagsHigh?.byteLength ?? 0) + sizes.byteLength;
    return (
      narrow + modSeqs.byteLength + internalDates.byteLength + saveDates.byteLength + emailIds.byteLength
    );
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
      flagsHigh: columns.flagsHigh?.[index] ?? 0,
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
    columns.sizes[index] = row.size;
    if (row.flagsHigh !== 0) columns.flagsHigh ??= new Uint32Array(columns.uids.length);
    if (columns.flagsHigh !== undefined) columns.flagsHigh[index] = row.flagsHigh;
    columns.modSeqs = withValue(columns.modSeqs, index, row.modSeq);
    columns.internalDates = withValue(columns.internalDates, index, row.internalDate);
    columns.saveDates = withValue(columns.saveDates, index, row.saveDate);
    columns.emailIds = withValue(columns.emailIds, index, row.emailId);
  }

  /** Removes the rows at `indexes` (ascending) and closes the gaps. */
  remove(indexes: readonly number[]): void {
    if (indexes.length === 0) return;
    for (const column of Object.values(this.#columns) as (Column | undefined)[]) {
      if (column === undefined) continue;
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
      flagsHigh: columns.flagsHigh?.slice(from, to) ?? new Uint32Array(Math.max(0, to - from)),
      modSeqs: new Float64Array(columns.modSeqs.subarray(from, to)),
      sizes: columns.sizes.slice(from, to),
      internalDates: new Float64Array(columns.internalDates.subarray(from, to)),
      saveDates: new Float64Array(columns.saveDates.subarray(from, to)),
      emailIds: new Float64Array(columns.emailIds.subarray(from, to)),
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
      picked.flagsHigh[at] = columns.flagsHigh?.[index] ?? 0;
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
    const columns = this.#columns;
    const length = this.#length;
    columns.uids = resized(columns.uids, length, capacity);
    columns.flagsLow = resized(columns.flagsLow, length, capacity);
    if (columns.flagsHigh !== undefined) columns.flagsHigh = resized(columns.flagsHigh, length, capacity);
    columns.sizes = resized(columns.sizes, length, capacity);
    columns.modSeqs = resized(columns.modSeqs, length, capacity);
    columns.internalDates = resized(columns.internalDates, length, capacity);
    columns.saveDates = resized(columns.saveDates, length, capacity);
    columns.emailIds = resized(columns.emailIds, length, capacity);
  }
}
