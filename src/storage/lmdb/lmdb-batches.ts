// What groups of batches ask and do: how each batch ends is decided against the newest state, in the thread that writes the
// journal; what it changes is done in LMDB's file by the thread that follows it.
//
// Invariant: a batch whose fence or condition fails changes nothing and leaves its neighbours alone; a later batch
// sees what earlier ones of it and of other groups did.

import { outcomeCodes } from '../commit-outcomes.ts';
import type { Batch } from '../engine.ts';
import { decodeEpoch } from '../fence.ts';
import { GroupReader } from '../group-codec.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';
import { type LmdbView, readValue } from './lmdb-reads.ts';

/** `committed` when fence and conditions hold. */
export function checkBatch(view: LmdbView, { fence, conditions }: Batch): number {
  if (fence !== undefined && decodeEpoch(readValue(view, fence.key)) !== fence.epoch)
    return outcomeCodes.fenced;
  for (const [index, { key, expected }] of (conditions ?? []).entries()) {
    const value = readValue(view, key);
    const holds = value === undefined || expected === undefined ? value === expected : value.equals(expected);
    if (!holds) return index;
  }
  return outcomeCodes.committed;
}

function skipChecks(batch: GroupReader): void {
  if (batch.bytes().length > 0) batch.bytes();
  for (let left = batch.number(); left > 0; left--) {
    batch.bytes();
    batch.expected();
  }
}

function deleteRange(database: LmdbDatabase, start: Buffer, end: Buffer): void {
  if (Buffer.compare(start, end) >= 0) return;
  // The keys are gathered first: a cursor does not survive changes under it.
  const keys = [...database.getKeys({ start, end })];
  for (const key of keys) database.remove(key);
}

function change(database: LmdbDatabase, batch: GroupReader): void {
  for (let left = batch.number(); left > 0; left--) deleteRange(database, batch.bytes(), batch.bytes());
  for (let left = batch.number(); left > 0; left--) database.remove(batch.bytes());
  for (let left = batch.number(); left > 0; left--) database.put(batch.bytes(), batch.bytes());
}

/** Does what a group does when its outcomes are these. */
export function doGroup(database: LmdbDatabase, group: Buffer, outcomes: readonly number[]): void {
  const reader = new GroupReader(group);
  for (let left = reader.number(), index = 0; left > 0; left--, index++) {
    const batch = reader.batch();
    if (outcomes[index] !== outcomeCodes.committed) continue;
    batch.number();
    batch.number();
    skipChecks(batch);
    change(database, batch);
  }
}
