// Columns of messages: those of a mailbox in memory (message-table.ts), and those that are answered and decided on. One value
// a message, all of one length.
// Invariant: a column of a mailbox is four bytes a message wide until a value needs eight. Nothing here fails.

import type { MessageColumns, MessageFlags } from '../port.ts';
import { type MessageRow, setRow } from '../records/message-row.ts';
import type { StoredColumn } from './message-page.ts';

export type Column = Uint32Array | Float64Array;

/** Flags of messages that follow each other. */
export type FlagColumns = Omit<MessageFlags, 'uids'>;

/** Of a mailbox in memory. */
export interface TableColumns {
  uids: Uint32Array;
  flagsLow: Uint32Array;
  /** Undefined: all are 0. */
  flagsHigh: Uint32Array | undefined;
  modSeqs: Column;
  sizes: Uint32Array;
  internalDates: Column;
  saveDates: Column;
  emailIds: Column;
  /** Where each is stored. Bits: inRow, inPage. */
  places: Uint8Array;
}

/** All zeros. */
export function allocateColumns(length: number): MessageColumns {
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

/** As wide as before, with room for `capacity` values. */
export function resized<T extends Column | Uint8Array>(column: T, length: number, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity);
  larger.set(column.subarray(0, length));
  return larger;
}

export const emptyColumns: MessageColumns = allocateColumns(0);

/** Columns of rows, in their order. */
export function columnsOfRows(rows: readonly MessageRow[]): MessageColumns {
  const columns = allocateColumns(rows.length);
  for (const [index, row] of rows.entries()) setRow(columns, index, row);
  return columns;
}

/** One message of columns. */
export function rowOf(columns: Readonly<Omit<TableColumns, 'places'>>, index: number): MessageRow {
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

/** The column with the value in it: another one, eight bytes wide, when four are not enough. */
export function withValue(column: Column, index: number, value: number): Column {
  const fits = column instanceof Float64Array || value >>> 0 === value;
  const wide = fits ? column : new Float64Array(column);
  wide[index] = value;
  return wide;
}

/** The same with `length` values, from `index` on. */
export function withValues(column: Column, index: number, values: StoredColumn, length: number): Column {
  const wide = column instanceof Float64Array || fitsNarrow(values) ? column : new Float64Array(column);
  if (typeof values === 'number') wide.fill(values, index, index + length);
  else wide.set(values, index);
  return wide;
}

function fitsNarrow(values: StoredColumn): boolean {
  if (typeof values === 'number') return values >>> 0 === values;
  if (!(values instanceof Float64Array)) return true;
  for (let at = 0; at < values.length; at++) if (values[at]! >>> 0 !== values[at]) return false;
  return true;
}

/** A loop, because a function called for each of ten thousand costs more than all the rest. */
export function hasAny(bits: Uint32Array): boolean {
  for (let at = 0; at < bits.length; at++) if (bits[at] !== 0) return true;
  return false;
}
