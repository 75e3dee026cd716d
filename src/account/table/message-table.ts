// The columns of one mailbox in memory, ascending by uid. They mirror the committed message rows and change only after a
// commit (STYLE 9); what a mutation has decided but not committed is in the draft.
// Invariants: uids ascend strictly; `length` rows are valid, what lies behind is room to grow; a column is four bytes a
// message wide until a value needs eight, and `flagsHigh` is not there until a message has one of those flags; `places` says
// where each message is stored. So a message takes 29 bytes, nearly always.

import type { MessageColumns, MessageFlags } from '../port.ts';
import type { MessageRow } from '../records/message-row.ts';
import { ChangeBlocks } from './change-blocks.ts';
import {
  allocateColumns,
  type Column,
  type FlagColumns,
  hasAny,
  resized,
  rowOf,
  type TableColumns,
  withValue,
  withValues,
} from './message-columns.ts';
import { inPage, inRow, type MessagePage, pageUids, type StoredPage } from './message-page.ts';
import { indexFrom } from './uid-lists.ts';

/** Smaller steps would copy all columns for every other append. */
const growthMin = 32;

export class MessageTable {
  readonly #columns: TableColumns;
  #length = 0;
  /** Others hold the uids: what is valid of this array stays as it is. */
  #uidsShared = false;
  readonly #changes = new ChangeBlocks();

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
      places: new Uint8Array(capacity),
    };
  }

  get length(): number {
    return this.#length;
  }

  /** All uids as they are now, and stay, whatever becomes of the table: to be read only. Sessions share them. */
  get uids(): Uint32Array {
    this.#uidsShared = true;
    return this.#columns.uids.subarray(0, this.#length);
  }

  /** Valid up to `length`, until the next change; not to be kept or handed out. */
  get columns(): Readonly<TableColumns> {
    return this.#columns;
  }

  get bytes(): number {
    let bytes = 0;
    for (const column of Object.values(this.#columns) as (Column | Uint8Array | undefined)[])
      bytes += column?.byteLength ?? 0;
    return bytes;
  }

  /** The index of the first message with this uid or a higher one; `length` when there is none. */
  lowerBound(uid: number): number {
    return indexFrom(this.#columns.uids, uid, this.#length);
  }

  /** The messages of a page: from one index to before another. */
  indexesOf(page: number): { readonly from: number; readonly to: number } {
    return { from: this.lowerBound(page * pageUids), to: this.lowerBound((page + 1) * pageUids) };
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
    return rowOf(this.#columns, index);
  }

  /** The row's uid is higher than all there are. */
  push(row: MessageRow, place = inRow): void {
    if (this.#length === this.#columns.uids.length) this.#grow(1);
    this.#columns.places[this.#length] = place;
    this.set(this.#length++, row);
  }

  /** Behind all there are: the rows of a page that are stored in it. */
  append(page: StoredPage): void {
    const start = this.#length;
    const { length } = page.uids;
    if (start + length > this.#columns.uids.length) this.#grow(length);
    const columns = this.#columns;
    columns.uids.set(page.uids, start);
    withValues(columns.flagsLow, start, page.flagsLow, length);
    if (page.flagsHigh !== 0) columns.flagsHigh ??= new Uint32Array(columns.uids.length);
    if (columns.flagsHigh !== undefined) withValues(columns.flagsHigh, start, page.flagsHigh, length);
    columns.modSeqs = withValues(columns.modSeqs, start, page.modSeqs, length);
    withValues(columns.sizes, start, page.sizes, length);
    columns.internalDates = withValues(columns.internalDates, start, page.internalDates, length);
    columns.saveDates = withValues(columns.saveDates, start, page.saveDates, length);
    columns.emailIds = withValues(columns.emailIds, start, page.emailIds, length);
    columns.places.fill(inPage, start, start + length);
    this.#length += length;
  }

  /** Behind all there are: all of another table, as they are stored. */
  appendTable(other: MessageTable): void {
    const { length } = other;
    const start = this.#length;
    if (start + length > this.#columns.uids.length) this.#grow(length);
    const columns = this.#columns;
    const valid = <T extends Column | Uint8Array>(column: T): T => column.subarray(0, length) as T;
    const { flagsHigh, ...from } = other.columns;
    columns.uids.set(valid(from.uids), start);
    columns.flagsLow.set(valid(from.flagsLow), start);
    if (flagsHigh !== undefined) columns.flagsHigh ??= new Uint32Array(columns.uids.length);
    // Where messages were taken away theirs still stand.
    if (flagsHigh === undefined) columns.flagsHigh?.fill(0, start, start + length);
    else columns.flagsHigh!.set(valid(flagsHigh), start);
    columns.sizes.set(valid(from.sizes), start);
    columns.modSeqs = withValues(columns.modSeqs, start, valid(from.modSeqs), length);
    columns.internalDates = withValues(columns.internalDates, start, valid(from.internalDates), length);
    columns.saveDates = withValues(columns.saveDates, start, valid(from.saveDates), length);
    columns.emailIds = withValues(columns.emailIds, start, valid(from.emailIds), length);
    columns.places.set(valid(from.places), start);
    this.#length += length;
  }

  /** The messages from this index on get other flags. */
  setFlags(index: number, { flagsLow, flagsHigh, modSeqs }: FlagColumns): void {
    const columns = this.#columns;
    columns.flagsLow.set(flagsLow, index);
    if (columns.flagsHigh === undefined && hasAny(flagsHigh))
      columns.flagsHigh = new Uint32Array(columns.uids.length);
    columns.flagsHigh?.set(flagsHigh, index);
    columns.modSeqs = withValues(columns.modSeqs, index, modSeqs, modSeqs.length);
    this.#changes.changed(index, modSeqs);
  }

  /** The message has a row now, whatever else there is of it. */
  setInRow(index: number): void {
    this.#columns.places[index]! |= inRow;
  }

  /** The messages of this page are in it and nowhere else. */
  setInPage(page: number): void {
    const { from, to } = this.indexesOf(page);
    this.#columns.places.fill(inPage, from, to);
  }

  /** Adds the rows from one index to another, of one page, to those of `page`. */
  copyTo(page: MessagePage, from: number, to: number): void {
    const columns = this.#columns;
    const at = page.length;
    page.uids.set(columns.uids.subarray(from, to), at);
    page.flagsLow.set(columns.flagsLow.subarray(from, to), at);
    if (columns.flagsHigh === undefined) page.flagsHigh.fill(0, at, at + to - from);
    else page.flagsHigh.set(columns.flagsHigh.subarray(from, to), at);
    page.modSeqs.set(columns.modSeqs.subarray(from, to), at);
    page.sizes.set(columns.sizes.subarray(from, to), at);
    page.internalDates.set(columns.internalDates.subarray(from, to), at);
    page.saveDates.set(columns.saveDates.subarray(from, to), at);
    page.emailIds.set(columns.emailIds.subarray(from, to), at);
    page.length += to - from;
  }

  set(index: number, row: MessageRow): void {
    const columns = this.#columns;
    columns.uids[index] = row.uid;
    columns.flagsLow[index] = row.flagsLow;
    columns.sizes[index] = row.size;
    if (row.flagsHigh !== 0) columns.flagsHigh ??= new Uint32Array(columns.uids.length);
    if (columns.flagsHigh !== undefined) columns.flagsHigh[index] = row.flagsHigh;
    columns.modSeqs = withValue(columns.modSeqs, index, row.modSeq);
    this.#changes.changedOne(index, row.modSeq);
    columns.internalDates = withValue(columns.internalDates, index, row.internalDate);
    columns.saveDates = withValue(columns.saveDates, index, row.saveDate);
    columns.emailIds = withValue(columns.emailIds, index, row.emailId);
  }

  /** Removes the rows at `indexes` (ascending) and closes the gaps. */
  remove(indexes: readonly number[]): void {
    if (indexes.length === 0) return;
    this.#changes.forgetFrom(indexes[0]!);
    if (this.#uidsShared) this.#columns.uids = this.#columns.uids.slice();
    this.#uidsShared = false;
    for (const column of Object.values(this.#columns) as (Column | Uint8Array | undefined)[]) {
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

  /** A copy of the messages whose mod-sequence is above `since`. */
  changedSince(since: number): MessageColumns {
    const indexes = this.#changes.above(since, this.#columns.modSeqs, this.#length);
    return indexes.length === this.#length ? this.all() : this.pick(indexes);
  }

  /** A copy of the rows from one index to another; the caller's to keep. */
  slice(from: number, to: number): MessageColumns {
    const columns = this.#columns;
    return {
      uids: columns.uids.slice(from, to),
      ...this.flags(from, to),
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
    const picked = allocateColumns(indexes.length);
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
    const { from, to } = this.runOf(uids);
    if (to - from === uids.length) return this.slice(from, to);
    const indexes: number[] = [];
    let guess = 0;
    for (const uid of uids) {
      const index = this.indexNear(uid, guess);
      if (index < 0) continue;
      indexes.push(index);
      guess = index + 1;
    }
    return this.pick(indexes);
  }

  /** The same of their flags alone. */
  selectFlags(uids: Uint32Array): MessageFlags {
    const { from, to } = this.runOf(uids);
    if (to - from !== uids.length) return this.select(uids);
    return { uids, ...this.flags(from, to) };
  }

  /** A copy of the flags from one index to another. */
  flags(from: number, to: number): FlagColumns {
    const { flagsLow, flagsHigh, modSeqs } = this.#columns;
    return {
      flagsLow: flagsLow.slice(from, to),
      flagsHigh: flagsHigh?.slice(from, to) ?? new Uint32Array(Math.max(0, to - from)),
      modSeqs: new Float64Array(modSeqs.subarray(from, to)),
    };
  }

  /** Where these messages are when they follow each other without a gap, up to the first that does not. */
  runOf(uids: Uint32Array): { readonly from: number; readonly to: number } {
    const stored = this.#columns.uids;
    const from = uids.length === 0 ? 0 : this.lowerBound(uids[0]!);
    const end = Math.min(uids.length, this.#length - from);
    let at = 0;
    while (at < end && stored[from + at] === uids[at]) at++;
    return { from, to: from + at };
  }

  #grow(room: number): void {
    this.#resize(this.#length + Math.max(room, growthMin, this.#length >>> 2));
  }

  #resize(capacity: number): void {
    const columns = this.#columns;
    const length = this.#length;
    columns.uids = resized(columns.uids, length, capacity);
    this.#uidsShared = false;
    columns.flagsLow = resized(columns.flagsLow, length, capacity);
    if (columns.flagsHigh !== undefined) columns.flagsHigh = resized(columns.flagsHigh, length, capacity);
    columns.sizes = resized(columns.sizes, length, capacity);
    columns.modSeqs = resized(columns.modSeqs, length, capacity);
    columns.internalDates = resized(columns.internalDates, length, capacity);
    columns.saveDates = resized(columns.saveDates, length, capacity);
    columns.emailIds = resized(columns.emailIds, length, capacity);
    columns.places = resized(columns.places, length, capacity);
  }
}
