// The envelope of every value Rookery stores in an engine: one byte format version, one byte record kind, four bytes
// CRC-32 of the payload, the payload. A value that does not check is damaged: the reader throws RecordDamaged and
// `store check` sets it aside. A version newer than this program knows refuses to open (ARCHITECTURE 5).

import { crc32 } from 'node:zlib';
import { Fault } from '../base/fault.ts';
import { asBuffer } from '../mail/bytes.ts';

export const recordHeaderBytes = 6;

/** Every kind of record there is; numbers are on disk and never reused. */
export const recordKinds = {
  account: 1,
  mailbox: 2,
  message: 3,
  email: 4,
  content: 5,
  tombstone: 6,
  subscription: 7,
  thread: 8,
  operation: 9,
  summary: 10,
  annotations: 11,
  acl: 12,
  sharedWith: 13,
  sentSize: 14,
  messagePage: 15,
  blob: 16,
  blobLink: 17,
  blobChunk: 18,
  blobDirectory: 19,
  domain: 32,
  directoryAccount: 33,
  alias: 34,
  secret: 35,
  address: 36,
  token: 48,
  idempotency: 49,
  store: 64,
  quarantine: 65,
  storeCopy: 66,
  clusterNode: 80,
  clusterController: 81,
  clusterShard: 82,
  clusterAuthority: 84,
  joinToken: 85,
  enrolledNode: 86,
  clusterConfiguration: 88,
  grantKeys: 89,
} as const;
export type RecordKind = keyof typeof recordKinds;

export class RecordDamaged extends Fault {
  constructor(message: string) {
    super(message, { temporary: false });
    this.name = 'RecordDamaged';
  }
}

/** Wraps a payload (given in pieces, so that a large one is copied once). */
export function encodeRecord(kind: RecordKind, version: number, ...pieces: readonly Uint8Array[]): Buffer {
  let length = recordHeaderBytes;
  let checksum = 0;
  for (const piece of pieces) {
    length += piece.length;
    checksum = crc32(piece, checksum);
  }
  const record = Buffer.allocUnsafe(length);
  record[0] = version;
  record[1] = recordKinds[kind];
  record.writeUInt32BE(checksum, 2);
  let position = recordHeaderBytes;
  for (const piece of pieces) {
    record.set(piece, position);
    position += piece.length;
  }
  return record;
}

export interface DecodedRecord {
  readonly version: number;
  /** A view into the value that was passed. */
  readonly payload: Buffer;
}

/** Checks kind, version and checksum. Throws RecordDamaged (not temporary). */
export function decodeRecord(kind: RecordKind, versionMax: number, value: Uint8Array): DecodedRecord {
  const record = asBuffer(value);
  if (record.length < recordHeaderBytes) throw new RecordDamaged(`${kind} record is cut short`);
  if (record[1] !== recordKinds[kind])
    throw new RecordDamaged(`expected a ${kind} record, found kind ${record[1]}`);
  const version = record[0]!;
  if (version > versionMax) {
    throw new RecordDamaged(
      `${kind} record has format ${version}; this Rookery knows up to ${versionMax}: start a newer one`,
    );
  }
  const payload = record.subarray(recordHeaderBytes);
  if (crc32(payload) !== record.readUInt32BE(2)) throw new RecordDamaged(`${kind} record fails its checksum`);
  return { version, payload };
}

/** A record whose payload is JSON. */
export function encodeJsonRecord(kind: RecordKind, version: number, value: object): Buffer {
  return encodeRecord(kind, version, Buffer.from(JSON.stringify(value), 'utf8'));
}

/** The checksum held, so the value's shape is what encodeJsonRecord was given. Throws RecordDamaged. */
export function decodeJsonRecord<T>(kind: RecordKind, versionMax: number, value: Uint8Array): T {
  const { payload } = decodeRecord(kind, versionMax, value);
  try {
    return JSON.parse(payload.toString('utf8')) as T;
  } catch {
    throw new RecordDamaged(`${kind} record is not what was written`);
  }
}

/** What `decode` gives, undefined when the record is damaged: for readers that must go on without it. */
export function unlessDamaged<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof RecordDamaged) return undefined;
    throw error;
  }
}
