// A message's place in one mailbox: a fixed 44 bytes that hold exactly what the columns in memory hold, so that a
// flag change writes the row without reading it. Big-endian; numbers that may pass 32 bits are doubles (exact to 2^53).
// Damage: decode throws RecordDamaged; store check rebuilds what can be.

import { decodeRecord, encodeRecord, RecordDamaged } from '../../storage/record.ts';
import type { MessageColumns } from '../port.ts';

export interface MessageRow {
  readonly uid: number;
  readonly flagsLow: number;
  readonly flagsHigh: number;
  readonly modSeq: number;
  readonly size: number;
  /** Seconds since 1970 UTC, as are save dates. */
  readonly internalDate: number;
  readonly saveDate: number;
  readonly emailId: number;
}

/** Puts a message into columns. */
export function setRow(columns: MessageColumns, index: number, row: MessageRow): void {
  columns.uids[index] = row.uid;
  columns.flagsLow[index] = row.flagsLow;
  columns.flagsHigh[index] = row.flagsHigh;
  columns.modSeqs[index] = row.modSeq;
  columns.sizes[index] = row.size;
  columns.internalDates[index] = row.internalDate;
  columns.saveDates[index] = row.saveDate;
  columns.emailIds[index] = row.emailId;
}

const version = 1;
const rowBytes = 44;

export function encodeMessageRow(row: MessageRow): Buffer {
  const bytes = Buffer.allocUnsafe(rowBytes);
  bytes.writeDoubleBE(row.emailId, 0);
  bytes.writeUInt32BE(row.flagsLow, 8);
  bytes.writeUInt32BE(row.flagsHigh, 12);
  bytes.writeDoubleBE(row.modSeq, 16);
  bytes.writeUInt32BE(row.size, 24);
  bytes.writeDoubleBE(row.internalDate, 28);
  bytes.writeDoubleBE(row.saveDate, 36);
  return encodeRecord('message', version, bytes);
}

/** Throws RecordDamaged. */
export function decodeMessageRow(uid: number, value: Uint8Array): MessageRow {
  const { payload } = decodeRecord('message', version, value);
  if (payload.length < rowBytes) throw new RecordDamaged('message record is cut short');
  return {
    uid,
    emailId: payload.readDoubleBE(0),
    flagsLow: payload.readUInt32BE(8),
    flagsHigh: payload.readUInt32BE(12),
    modSeq: payload.readDoubleBE(16),
    size: payload.readUInt32BE(24),
    internalDate: payload.readDoubleBE(28),
    saveDate: payload.readDoubleBE(36),
  };
}
