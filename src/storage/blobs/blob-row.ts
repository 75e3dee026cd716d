// The rows that a blob store keeps in the engine: one for each blob, under ('blob', digest), and one for each link,
// under ('blobLink', digest, holder). Every write of a blob's row carries a fresh token, so that a condition on the
// row's value tells whether anybody touched it since.

import { assert } from '../../base/assert.ts';
import { type Bytes, keyBytesMax } from '../engine.ts';
import { decodeRecord, encodeRecord, RecordDamaged } from '../record.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../tuple.ts';
import type { BlobDigest } from './blob-store.ts';

const rowVersion = 1;
const payloadBytes = 2 + 8 + 8 + 3 * 8;

/**
 * Numbers are on disk. `writing`: not all of its chunks are there yet. `kept`: raw for good, compressing did not pay.
 * `chunked`: in rows of the engine (engine-blob-store.ts), else in a file.
 */
const states = ['live', 'dying', 'writing'] as const;
const forms = ['raw', 'zstd', 'kept', 'chunked'] as const;
export type BlobForm = (typeof forms)[number];

export interface BlobRow {
  readonly state: (typeof states)[number];
  readonly form: BlobForm;
  /** 16 hexadecimal digits: which file holds it, as a digest may come, go and come again. */
  readonly generation: string;
  /** 8 bytes, new with every write of the row. */
  readonly token: Bytes;
  /** Of the bytes as they came. */
  readonly bytes: number;
  /** Of the file. */
  readonly bytesStored: number;
  /** Wall-clock milliseconds. */
  readonly createdAt: number;
}

export function blobKey(digest: BlobDigest): Bytes {
  assert(digest.length === 32, `blob digest of ${digest.length} bytes`);
  return encodeTuple(['blob', digest]);
}

export function blobKeyRange(): { start: Bytes; end: Bytes } {
  return tuplePrefixRange(['blob']);
}

export function digestOfBlobKey(key: Bytes): BlobDigest {
  const digest = decodeTuple(key)[1];
  assert(digest instanceof Uint8Array, 'not the key of a blob row');
  return digest;
}

export function linkKey(digest: BlobDigest, holder: string): Bytes {
  const key = encodeTuple(['blobLink', digest, holder]);
  assert(key.length <= keyBytesMax, 'the name of a blob holder is too long');
  return key;
}

export function linkKeyRange(digest: BlobDigest): { start: Bytes; end: Bytes } {
  return tuplePrefixRange(['blobLink', digest]);
}

export function allLinksRange(): { start: Bytes; end: Bytes } {
  return tuplePrefixRange(['blobLink']);
}

export function encodeLink(): Bytes {
  return encodeRecord('blobLink', rowVersion);
}

export function encodeBlobRow(row: BlobRow): Bytes {
  const payload = Buffer.alloc(payloadBytes);
  payload[0] = states.indexOf(row.state);
  payload[1] = forms.indexOf(row.form);
  payload.write(row.generation, 2, 8, 'hex');
  payload.set(row.token, 10);
  payload.writeDoubleBE(row.bytes, 18);
  payload.writeDoubleBE(row.bytesStored, 26);
  payload.writeDoubleBE(row.createdAt, 34);
  return encodeRecord('blob', rowVersion, payload);
}

/** Throws RecordDamaged. */
export function decodeBlobRow(value: Bytes): BlobRow {
  const { payload } = decodeRecord('blob', rowVersion, value);
  const state = states[payload[0]!];
  const form = forms[payload[1]!];
  if (state === undefined || form === undefined || payload.length !== payloadBytes)
    throw new RecordDamaged('blob row of an unknown shape');
  return {
    state,
    form,
    generation: payload.toString('hex', 2, 10),
    token: payload.subarray(10, 18),
    bytes: payload.readDoubleBE(18),
    bytesStored: payload.readDoubleBE(26),
    createdAt: payload.readDoubleBE(34),
  };
}
