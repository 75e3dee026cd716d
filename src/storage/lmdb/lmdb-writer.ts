// The thread that commits. How the batches of a request end is decided against the newest state: LMDB's file, and over it
// what it does not have yet. The groups go into the journal as one, flushed; then they are answered. Another thread brings
// the file after the journal (lmdb-follower.ts), so that writing the tree holds up no commit.
//
// Invariant: a group is in the journal, and on disk, before it is answered and before LMDB's readers can see it. When the
// journal fails all the same (an I/O error, a quota; for a full disk see lmdb-room.ts) the group fails as a whole and is taken
// back from the journal, and the thread ends: its memory cannot be trusted any more. When even that fails it ends without an
// answer; the next opening then finds the group or not. When the file fails, what was answered is in the journal, nothing
// more is answered, and the thread ends too.

import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { Fault } from '../../base/fault.ts';
import { siblingModule } from '../../base/module-url.ts';
import { asBuffer } from '../../mail/bytes.ts';
import { outcomeCodes } from '../commit-outcomes.ts';
import { unpackGroup } from '../group-codec.ts';
import { Journal, type JournalPlace } from './journal.ts';
import { encodePayload } from './journal-payload.ts';
import { checkBatch } from './lmdb-batches.ts';
import { openLmdbEnvironment } from './lmdb-environment.ts';
import { type LmdbMoment, newestTransaction } from './lmdb-reads.ts';
import { LmdbRoom } from './lmdb-room.ts';
import { LmdbTransactions } from './lmdb-transactions.ts';
import {
  type FollowerReply,
  type FollowerRequest,
  type WriterData,
  type WriterFailure,
  type WriterReply,
  type WriterRequest,
  writerFailure,
} from './lmdb-writer-protocol.ts';
import { recordedSequence } from './recorded-sequence.ts';
import { UnflushedRows } from './unflushed-rows.ts';

const port = parentPort;
assert(port !== null, 'the LMDB writer runs as a thread');
const { environment, groupsMax } = workerData as WriterData;
const database = openLmdbEnvironment(environment);
const journal = new Journal(environment.directory);
const room = new LmdbRoom(environment);
const unflushed = new UnflushedRows();
const follower = new Worker(siblingModule(import.meta.url, './lmdb-follower'), { workerData: environment });
const transactions = new LmdbTransactions({ groupsMax, finish: finishTransaction });
const waiting: (readonly Buffer[])[] = [];
/** From when the file is complete, before the first request. */
let moment: LmdbMoment;
let isRunning = false;
let isEnding = false;

function say(reply: WriterReply): void {
  port!.postMessage(reply);
}

function tellFollower(request: FollowerRequest): void {
  follower.postMessage(request);
}

function finishTransaction(): void {
  tellFollower({ finish: journal.sequence });
  room.finished();
  journal.turn();
}

function lookAgain(): void {
  moment = { database, options: { transaction: newestTransaction(database) }, unflushed };
}

function transactionFinished(): void {
  const transaction = transactions.flushed();
  moment.options.transaction.done();
  lookAgain();
  unflushed.flushed(transaction);
  room.flushed();
  say({ flushed: transaction });
}

function end(failure: WriterFailure): void {
  if (isEnding) return;
  isEnding = true;
  say({ failure });
  transactions.stop();
  tellFollower({ end: true });
  port!.close();
}

const endFor = (error: unknown): void => end(writerFailure(error));

/** Does the journal again as far as the file lacks it, in one transaction; gives how many groups that were. */
async function recover(): Promise<number> {
  let redone = 0;
  journal.recover(recordedSequence(database), (place) => {
    tellFollower({ do: place });
    redone++;
  });
  if (redone > 0) {
    tellFollower({ finish: journal.sequence });
    const [reply] = (await once(follower, 'message')) as [FollowerReply];
    if ('failure' in reply) throw new Fault(reply.failure.message, { temporary: false });
  }
  journal.startOver();
  return redone;
}

function follow(place: JournalPlace): void {
  tellFollower({ do: place });
  transactions.added(place.length);
}

/** How the batches end; what they change is seen by the next ones. */
function decide(group: Buffer): number[] {
  return unpackGroup(group).map((batch) => {
    let outcome = checkBatch(moment, batch);
    if (outcome === outcomeCodes.committed && !room.take(batch.putBytes, batch.fromReserve))
      outcome = outcomeCodes.noRoom;
    if (outcome === outcomeCodes.committed) unflushed.add(transactions.number, batch);
    return outcome;
  });
}

function append(payload: Buffer[]): JournalPlace {
  try {
    return journal.append(payload);
  } catch (error) {
    journal.cancel();
    throw error;
  }
}

/** All of the groups is durable, or an error and nothing of it. */
function commit(groups: readonly Buffer[]): void {
  const outcomes = groups.flatMap(decide);
  const place = outcomes.includes(outcomeCodes.committed)
    ? append(encodePayload(outcomes, groups))
    : undefined;
  say({ outcomes, transaction: transactions.number, sequence: journal.sequence });
  if (place !== undefined) follow(place);
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
    commit(groups);
  }
  isRunning = false;
}

async function close(): Promise<void> {
  transactions.readersGone();
  await runWaiting();
  await transactions.flush();
  isEnding = true;
  tellFollower({ end: true });
  await new Promise((resolve) => follower.once('exit', resolve));
  port!.close();
  journal.close();
  moment.options.transaction.done();
  await database.close();
}

function heardFollower(reply: FollowerReply): void {
  if ('failure' in reply) end(reply.failure);
  else if (!isEnding) transactionFinished();
}

function heard(request: WriterRequest): void {
  // Closing the port does not keep back what has come already.
  if (isEnding) return;
  if ('seen' in request) {
    transactions.seen(request.seen);
  } else if ('close' in request) {
    close().catch(endFor);
  } else {
    waiting.push(request.groups.map(asBuffer));
    runWaiting().catch(endFor);
  }
}

follower.on('error', endFor);
follower.on('exit', () => endFor(new Fault('the thread that writes the file ended', { temporary: true })));
try {
  const redone = await recover();
  lookAgain();
  follower.on('message', heardFollower);
  port.on('message', heard);
  say({ ready: { redone } });
} catch (error) {
  // Not left to the thread's own end: the follower is to throw away what it has.
  endFor(error);
}
