// What a group of batches does to the LMDB file, inside the transaction that the writer thread has open.
//
// Invariant: a batch whose fence or condition fails changes nothing and leaves its neighbours alone; a later batch
// sees what earlier ones of it and of other groups did.

import { outcomeCodes } from './commit-outcomes.ts';
import { decodeEpoch } from './fence.ts';
import { GroupReader } from './group-codec.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';
import type { LmdbRoom } from './lmdb-room.ts';

/** `committed` when fence and conditions hold against the transaction's state. */
function check(database: LmdbDatabase, batch: GroupReader): number {
  const fenceKey = batch.bytes();
  if (fenceKey.length > 0) {
    const epoch = decodeEpoch(batch.bytes());
    if (decodeEpoch(database.get(fenceKey)) !== epoch) return outcomeCodes.fenced;
  }
  const conditions = batch.number();
  for (let condition = 0; condition < conditions; condition++) {
    const value = database.get(batch.bytes());
    const expected = batch.expected();
    const holds = value === undefined || expected === undefined ? value === expected : value.equals(expected);
    if (!holds) return condition;
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

/** Runs groups one after the other; gives one outcome a batch. */
export function runGroups(database: LmdbDatabase, room: LmdbRoom, groups: readonly Buffer[]): number[] {
  return groups.flatMap((group) => runGroup(database, room, group));
}

function runGroup(database: LmdbDatabase, room: LmdbRoom, group: Buffer): number[] {
  const reader = new GroupReader(group);
  const outcomes: number[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const batch = reader.batch();
    const putBytes = batch.number();
    const fromReserve = batch.number() === 1;
    let outcome = check(database, batch);
    if (outcome === outcomeCodes.committed && !room.take(putBytes, fromReserve))
      outcome = outcomeCodes.noRoom;
    if (outcome === outcomeCodes.committed) change(database, batch);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** Does again what a group did when its outcomes were these. */
export function redoGroup(database: LmdbDatabase, group: Buffer, outcomes: readonly number[]): void {
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
