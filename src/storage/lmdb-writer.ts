// The thread that writes: one LMDB transaction, so one flush, for each group of batches it is sent.
//
// Invariant: a batch whose fence or condition fails changes nothing and leaves its neighbours alone; a later batch of a
// group sees what earlier ones of it did. A batch for which there is no room is refused before LMDB hears of it: this
// build of LMDB damages its heap when a write fails half-way (seen: ENOSPC in a flush, then an abort by malloc), so it
// must not come to that. If it does all the same (an I/O error, a quota), the group fails as a whole, nothing of it is
// on disk, and the thread ends: its memory cannot be trusted any more.
// A thread's transactions are synchronous because lmdb-js's asynchronous ones never resolve on Node 26.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { decodeEpoch } from './fence.ts';
import { GroupReader } from './group-codec.ts';
import { type LmdbDatabase, type LmdbEnvironmentOptions, openLmdbEnvironment } from './lmdb-environment.ts';
import { outcomeCodes, type WriterReply, type WriterRequest } from './lmdb-writer-protocol.ts';
import { roomBytes } from './reserve.ts';

const noRoomCodes: readonly unknown[] = [
  -30792, // MDB_MAP_FULL
  28, // ENOSPC
  122, // EDQUOT
];
/** A batch may rewrite that much of the tree beside its own rows: some leaves and the way down to each. */
const treeBytesPerBatch = 64 * 1024;
/** What makes room is small beside what it frees; a larger batch is no such thing, whatever it says. */
const reservePutBytesMax = 1024 * 1024;
/** LMDB rounds large values up to pages, and a leaf that is split is written twice. */
const growthFactor = 2;

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

function deleteRange(database: LmdbDatabase, start: Buffer, end: Buffer): void {
  if (Buffer.compare(start, end) >= 0) return;
  // The keys are gathered first: a cursor does not survive changes under it.
  const keys = [...database.getKeys({ start, end })];
  for (const key of keys) database.remove(key);
}

/** What the file system has left for a group, less what its batches have taken. */
class Room {
  readonly #reserve: number;
  #left: number;

  constructor({ directory, reserveBytes }: LmdbEnvironmentOptions) {
    this.#reserve = reserveBytes;
    this.#left = roomBytes(directory, reserveBytes);
  }

  /** A batch that only deletes, or is small and makes room, lives from the reserve: so users can make room. */
  take(putBytes: number, fromReserve: boolean): boolean {
    const needed = putBytes * growthFactor + treeBytesPerBatch;
    const mayUseReserve = putBytes === 0 || (fromReserve && putBytes <= reservePutBytesMax);
    if (needed > this.#left + (mayUseReserve ? this.#reserve / 2 : 0)) return false;
    this.#left -= needed;
    return true;
  }
}

/** Runs one batch in the transaction that is open. */
function runBatch(database: LmdbDatabase, batch: GroupReader, room: Room): number {
  const putBytes = batch.number();
  const fromReserve = batch.number() === 1;
  const outcome = check(database, batch);
  if (outcome !== outcomeCodes.committed) return outcome;
  if (!room.take(putBytes, fromReserve)) return outcomeCodes.noRoom;
  for (let left = batch.number(); left > 0; left--) deleteRange(database, batch.bytes(), batch.bytes());
  for (let left = batch.number(); left > 0; left--) database.remove(batch.bytes());
  for (let left = batch.number(); left > 0; left--) database.put(batch.bytes(), batch.bytes());
  return outcome;
}

/** All of it in one transaction and on disk, or an error and nothing of it. */
function runGroup(database: LmdbDatabase, group: Buffer): WriterReply {
  const reader = new GroupReader(group);
  const room = new Room(environment);
  const outcomes: number[] = [];
  database.transactionSync(() => {
    for (let left = reader.number(); left > 0; left--)
      outcomes.push(runBatch(database, reader.batch(), room));
  });
  return { outcomes };
}

function failureOf(error: unknown): WriterReply {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return {
    outcomes: [],
    failure: { noRoom: noRoomCodes.includes(code), message: `${message} (${String(code)})` },
  };
}

const port = parentPort;
assert(port !== null, 'the LMDB writer runs as a thread');
const environment = workerData as LmdbEnvironmentOptions;
const database = openLmdbEnvironment(environment);
port.on('message', (request: WriterRequest) => {
  if ('close' in request) {
    port.close();
    void database.close();
    return;
  }
  try {
    port.postMessage(runGroup(database, Buffer.from(request.group)));
  } catch (error) {
    port.postMessage(failureOf(error));
    port.close();
  }
});
port.postMessage({ outcomes: [] } satisfies WriterReply);
