// A page: the message rows of up to 128 uids of a mailbox in one record, so that opening a mailbox and changing the flags of
// many of its messages cost a record for each page and not one for each message. Packed as columns, each as wide as its
// largest value needs, or one value when all are the same; each begins at a multiple of eight, so that a whole column is
// copied at once. Little-endian, as all machines Rookery runs on have their numbers.
//
// Invariants: page n is about the uids from n * 128 on, 128 of them. A message's place is its own row when it has one, else
// its entry in the page; a page has no entry of a message that is gone, and is not there without entries. So whoever writes
// a page writes all of its messages and takes their rows away, and an expunge rewrites the page that has an entry of it
// (draft-rows.ts).
// Damage: decode throws RecordDamaged; store check makes the messages again from the emails that are in the mailbox.

import { endianness } from 'node:os';
import { assert } from '../../base/assert.ts';
import { decodeRecord, encodeRecord, RecordDamaged, unlessDamaged } from '../../storage/record.ts';
import type { MessageColumns } from '../port.ts';
import { type MessageRow, setRow } from '../records/message-row.ts';

/** The uids of one page: large enough that a record's cost is shared, small enough to be rewritten by an expunge. */
export const pageUids = 128;

/**
 * Pages that one commit rewrites for the sake of a few messages in each: half a megabyte, so that a full disk still takes what
 * makes room (storage/lmdb/lmdb-room.ts).
 */
export const pagesRewrittenMax = 128;

/** Where a message is stored, as bits: it has a row of its own; its page has an entry of it, an older one if both. */
export const inRow = 1;
export const inPage = 2;

export function pageOf(uid: number): number {
  return Math.floor(uid / pageUids);
}

/** Everything in the page is from this uid on. */
export function firstUidOf(page: number): number {
  return Math.max(1, page * pageUids);
}

/** The first page of which everything is from this uid on. */
export function firstPageFrom(uid: number): number {
  return uid <= 1 ? 0 : Math.ceil(uid / pageUids);
}

assert(endianness() === 'LE', 'message pages are written little-endian');

const version = 1;
/** How many messages, then how wide each column is. */
const headBytes = 16;
const columnCount = 8;

/** A number: all are that. */
export type StoredColumn = number | Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** A page as it is stored: what is no number is a view, of as many values as there are uids. */
export interface StoredPage {
  readonly uids: Uint32Array;
  readonly flagsLow: StoredColumn;
  readonly flagsHigh: StoredColumn;
  readonly modSeqs: StoredColumn;
  readonly sizes: StoredColumn;
  readonly internalDates: StoredColumn;
  readonly saveDates: StoredColumn;
  readonly emailIds: StoredColumn;
}

type Column = Uint32Array | Float64Array;

/** The rows of a page as columns; the first `length` of each are valid. Used again for one page after the other. */
export class MessagePage implements MessageColumns {
  length = 0;
  readonly uids = new Uint32Array(pageUids);
  readonly flagsLow = new Uint32Array(pageUids);
  readonly flagsHigh = new Uint32Array(pageUids);
  readonly modSeqs = new Float64Array(pageUids);
  readonly sizes = new Uint32Array(pageUids);
  readonly internalDates = new Float64Array(pageUids);
  readonly saveDates = new Float64Array(pageUids);
  readonly emailIds = new Float64Array(pageUids);

  /** Its uid is higher than all there are. */
  push(row: MessageRow): void {
    setRow(this, this.length++, row);
  }

  /** Takes away the rows that are not to be kept. */
  filter(keeps: (uid: number) => boolean): void {
    const columns = columnsOf(this);
    let kept = 0;
    for (let at = 0; at < this.length; at++) {
      if (!keeps(this.uids[at]!)) continue;
      if (kept !== at) for (const column of columns) column[kept] = column[at]!;
      kept++;
    }
    this.length = kept;
  }

  /** Becomes what is stored under this number. Throws RecordDamaged, and is then as it was. */
  load(number: number, value: Uint8Array): void {
    const stored = decodeMessagePage(number, value);
    this.length = stored.uids.length;
    const { uids, flagsLow, flagsHigh, modSeqs, sizes, internalDates, saveDates, emailIds } = stored;
    const all = [uids, flagsLow, flagsHigh, modSeqs, sizes, internalDates, saveDates, emailIds];
    for (const [index, column] of columnsOf(this).entries()) {
      const from = all[index]!;
      if (typeof from === 'number') column.fill(from, 0, this.length);
      else column.set(from);
    }
  }

  /** The same, for who goes on without what is damaged: whether it was sound. */
  loadSound(number: number, value: Uint8Array): boolean {
    return unlessDamaged(() => this.load(number, value) ?? true) === true;
  }
}

/** In the order in which they are stored. */
function columnsOf(page: MessagePage): readonly Column[] {
  const { uids, flagsLow, flagsHigh, modSeqs, sizes, internalDates, saveDates, emailIds } = page;
  return [uids, flagsLow, flagsHigh, modSeqs, sizes, internalDates, saveDates, emailIds];
}

type Width = 0 | 1 | 2 | 4 | 8;

const aligned = (bytes: number): number => (bytes + 7) & ~7;

function columnBytes(width: number, length: number): number {
  return width === 0 ? 8 : aligned(width * length);
}

/** Its uids are of one page, ascending; at least one. */
export function encodeMessagePage(page: MessagePage): Buffer {
  const { length } = page;
  const columns = columnsOf(page);
  const widths = columns.map((column) => widthOf(column, length));
  // Uids without a gap are told by the first of them.
  widths[0] = page.uids[length - 1]! - page.uids[0]! === length - 1 ? 0 : 4;
  let bytes = headBytes;
  for (const width of widths) bytes += columnBytes(width, length);
  const target = new Uint8Array(bytes);
  target[0] = length;
  target.set(widths, 1);
  let position = headBytes;
  for (const [index, column] of columns.entries()) {
    const width = widths[index]!;
    const values = width === 0 ? column.subarray(0, 1) : column.subarray(0, length);
    viewOf(target.buffer, position, width === 0 ? 8 : width, values.length).set(values);
    position += columnBytes(width, length);
  }
  return encodeRecord('messagePage', version, target);
}

/** Bytes of each value: 0 when all are the same, 8 when one is no whole number or does not fit in fewer. */
function widthOf(column: Column, length: number): Width {
  const first = column[0]!;
  let areSame = true;
  let areWhole = true;
  let bits = 0;
  for (let at = 0; at < length; at++) {
    const value = column[at]!;
    areSame &&= value === first;
    areWhole &&= value >>> 0 === value;
    bits |= value;
  }
  if (areSame) return 0;
  if (!areWhole) return 8;
  const largest = bits >>> 0;
  if (largest < 0x1_0000) return largest < 0x100 ? 1 : 2;
  return 4;
}

function viewOf(buffer: ArrayBuffer, start: number, width: Exclude<Width, 0>, length: number) {
  if (width === 1) return new Uint8Array(buffer, start, length);
  if (width === 2) return new Uint16Array(buffer, start, length);
  if (width === 4) return new Uint32Array(buffer, start, length);
  return new Float64Array(buffer, start, length);
}

/**
 * Every page that is read is copied here first, because behind the record's head nothing begins where it must. Full pages have
 * their columns at the same few places, so there the views are kept, by width and by place.
 */
const read = new ArrayBuffer(headBytes + columnCount * columnBytes(8, pageUids));
const readBytes = new Uint8Array(read);
const readNumbers = new Float64Array(read);
const readViews: Exclude<StoredColumn, number>[][] = [[], [], [], [], [], [], [], [], []];
const readUids = new Uint32Array(pageUids);

function readView(position: number, width: Exclude<Width, 0>, length: number): Exclude<StoredColumn, number> {
  if (length !== pageUids) return viewOf(read, position, width, length);
  const kept = readViews[width]!;
  let view = kept[position >>> 3];
  if (view === undefined) {
    view = viewOf(read, position, width, length);
    kept[position >>> 3] = view;
  }
  return view;
}

/** What is stored under this number; its columns are valid until the next page is read. Throws RecordDamaged. */
export function decodeMessagePage(number: number, value: Uint8Array): StoredPage {
  const { payload } = decodeRecord('messagePage', version, value);
  if (payload.length > read.byteLength) throw new RecordDamaged('messagePage record is too long');
  readBytes.set(payload);
  const length = payload[0] ?? 0;
  let position = headBytes;
  const next = (index: number): StoredColumn => {
    const width = readBytes[index]!;
    const start = position;
    position += columnBytes(width, length);
    if (!isWidth(width) || position > payload.length)
      throw new RecordDamaged('messagePage record is cut short');
    return width === 0 ? readNumbers[start >>> 3]! : readView(start, width, length);
  };
  return {
    uids: uidsOf(next(1), length, number),
    flagsLow: next(2),
    flagsHigh: next(3),
    modSeqs: next(4),
    sizes: next(5),
    internalDates: next(6),
    saveDates: next(7),
    emailIds: next(8),
  };
}

function isWidth(width: number): width is Width {
  return width === 0 || width === 1 || width === 2 || width === 4 || width === 8;
}

function uidsOf(column: StoredColumn, length: number, number: number): Uint32Array {
  let uids: Uint32Array;
  if (typeof column === 'number') {
    uids = length === pageUids ? readUids : new Uint32Array(length);
    for (let at = 0; at < length; at++) uids[at] = column + at;
  } else uids = column instanceof Uint32Array ? column : Uint32Array.from(column);
  if (length === 0 || pageOf(uids[0]!) !== number || pageOf(uids[length - 1]!) !== number) {
    throw new RecordDamaged(`messagePage record has other uids than those of page ${number}`);
  }
  return uids;
}
