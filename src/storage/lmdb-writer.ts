// The thread that writes. The groups of batches of a request go into the LMDB transaction that is open and, flushed, into the
// journal, as one; then they are answered. The transaction goes to disk now and then (lmdb-transactions.ts).
//
// Invariant: a group is in the journal, and on disk, before it is answered and before LMDB's readers can see it. When the
// journal or LMDB fails all the same (an I/O error, a quota; for a full disk see lmdb-room.ts) the group fails as a
// whole and is taken back from the journal, and the thread ends: its memory cannot be trusted any more. When even that
// fails it ends without an answer; the next opening then finds the group or not.
// Transactions are synchronous because lmdb-js's asynchronous ones never resolve on Node 26.

import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { asBuffer } from '../mail/bytes.ts';
import { outcomeCodes } from './commit-outcomes.ts';
import { joinGroups } from './group-codec.ts';
import { Journal } from './journal.ts';
import { redoGroup, runGroups } from './lmdb-batches.ts';
import { openLmdbEnvironment } from './lmdb-environment.ts';
import { LmdbRoom } from './lmdb-room.ts';
import { LmdbTransactions, recordedSequence } from './lmdb-transactions.ts';
import type { WriterData, WriterReply, WriterRequest } from './lmdb-writer-protocol.ts';

const noRoomCodes: readonly unknown[] = [
  -30792, // MDB_MAP_FULL
  28, // ENOSPC of LMDB, and of Node
  'ENOSPC',
  122, // EDQUOT
  'EDQUOT',
];

function encodeOutcomes(outcomes: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 + 4 * outcomes.length);
  bytes.writeUInt32LE(outcomes.length, 0);
  for (const [index, outcome] of outcomes.entries()) bytes.writeInt32LE(outcome, 4 + 4 * index);
  return bytes;
}

function decodeOutcomes(payload: Buffer): { readonly outcomes: number[]; readonly group: Buffer } {
  const count = payload.readUInt32LE(0);
  const outcomes = Array.from({ length: count }, (_, index) => payload.readInt32LE(4 + 4 * index));
  return { outcomes, group: payload.subarray(4 + 4 * count) };
}

const port = parentPort;
assert(port !== null, 'the LMDB writer runs as a thread');
const { environment, groupsMax } = workerData as WriterData;
const database = openLmdbEnvironment(environment);
const journal = new Journal(join(environment.directory, 'journal'));
const room = new LmdbRoom(environment);
const transactions = new LmdbTransactions({
  database,
  journal,
  groupsMax,
  flushed: (transaction) => {
    room.flushed();
    if (isReady) say({ flushed: transaction });
  },
  failed: end,
});
const waiting: (readonly Buffer[])[] = [];
let isReady = false;
let isRunning = false;

function say(reply: WriterReply): void {
  port!.postMessage(reply);
}

function end(error: unknown): void {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const text = error instanceof Error ? error.message : String(error);
  const message = code === undefined ? text : `${text} (${String(code)})`;
  say({ failure: { noRoom: noRoomCodes.includes(code), message } });
  transactions.abort();
  port!.close();
}

/** Does the journal again as far as the file lacks it; gives how many groups that were. */
async function recover(): Promise<number> {
  transactions.begin();
  let redone = 0;
  journal.recover(recordedSequence(database), (payload) => {
    const { outcomes, group } = decodeOutcomes(payload);
    redoGroup(database, group, outcomes);
    redone++;
  });
  if (redone > 0) await transactions.flush();
  else transactions.abort();
  // Readers begin with this state.
  transactions.seen(transactions.number - 1);
  isReady = true;
  return redone;
}

/** All of the groups is durable, or an error and nothing of it. */
function commit(groups: readonly Buffer[]): readonly number[] {
  const outcomes = runGroups(database, room, groups);
  if (!outcomes.includes(outcomeCodes.committed)) return outcomes;
  try {
    journal.append([encodeOutcomes(outcomes), ...joinGroups(groups)]);
  } catch (error) {
    journal.cancel();
    throw error;
  }
  return outcomes;
}

async function runWaiting(): Promise<void> {
  if (isRunning) return;
  isRunning = true;
  for (let groups = waiting.shift(); groups !== undefined; groups = waiting.shift()) {
    room.measure();
    if (!room.suffices(groups) || !transactions.mayGrow) {
      await transactions.flush();
      room.measure();
    }
    transactions.begin();
    const outcomes = commit(groups);
    say({ outcomes, transaction: transactions.number, sequence: journal.sequence });
    transactions.added(groups.reduce((bytes, group) => bytes + group.length, 0));
  }
  isRunning = false;
}

async function close(): Promise<void> {
  transactions.readersGone();
  await runWaiting();
  await transactions.flush();
  port!.close();
  journal.close();
  await database.close();
}

port.on('message', (request: WriterRequest) => {
  if ('seen' in request) {
    transactions.seen(request.seen);
  } else if ('close' in request) {
    close().catch(end);
  } else {
    waiting.push(request.groups.map(asBuffer));
    runWaiting().catch(end);
  }
});
try {
  say({ ready: { redone: await recover() } });
} catch (error) {
  // Not left to the thread's own end: the open transaction would keep the file from being closed.
  end(error);
}
