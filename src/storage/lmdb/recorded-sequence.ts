// The row that says up to which group of the journal LMDB's file is complete; written in the transaction that brings the file there.

import { encodeTuple } from '../tuple.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';

const journalKey = Buffer.from(encodeTuple(['store', 'journal']));

/** 0: no group of it. */
export function recordedSequence(database: LmdbDatabase): number {
  const value = database.get(journalKey);
  return value === undefined ? 0 : Number(value.readBigUInt64BE());
}

/** In the open transaction. */
export function recordSequence(database: LmdbDatabase, sequence: number): void {
  const value = Buffer.alloc(8);
  value.writeBigUInt64BE(BigInt(sequence));
  database.put(journalKey, value);
}
