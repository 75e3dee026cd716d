// The thread that brings LMDB's file after the journal: it does the groups that the writer has put there (lmdb-writer.ts), in
// order, in a transaction that goes to disk when the writer says so.
//
// Invariant: the file goes from the state after one transaction to that after the next, as a whole, with the row that says
// how far in the journal it is. When a group cannot be done or the file cannot be written, the transaction is thrown away and
// the thread ends: its groups are in the journal, and the next opening does them.
// Transactions are synchronous because lmdb-js's asynchronous ones never resolve on Node 26.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import { type JournalPlace, JournalReader } from './journal.ts';
import { decodePayload } from './journal-payload.ts';
import { doGroup } from './lmdb-batches.ts';
import { type LmdbEnvironmentOptions, openLmdbEnvironment } from './lmdb-environment.ts';
import { type FollowerReply, type FollowerRequest, writerFailure } from './lmdb-writer-protocol.ts';
import { recordSequence } from './recorded-sequence.ts';

interface OpenTransaction {
  readonly finish: () => void;
  readonly abort: (error: Error) => void;
  readonly ended: Promise<void>;
}

const port = parentPort;
assert(port !== null, 'the follower runs as a thread');
const environment = workerData as LmdbEnvironmentOptions;
const database = openLmdbEnvironment(environment);
const journal = new JournalReader(environment.directory);
let transaction: OpenTransaction | undefined;
let isEnding = false;

function say(reply: FollowerReply): void {
  port!.postMessage(reply);
}

/** Reads and writes of the database are in it from here on. */
function begin(): OpenTransaction {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const ended = database.transactionSync(() => promise) as unknown as Promise<void>;
  // Whoever ends it looks at the outcome.
  ended.catch(() => undefined);
  return { finish: resolve, abort: reject, ended };
}

function follow(place: JournalPlace): void {
  transaction ??= begin();
  const { outcomes, group } = decodePayload(journal.read(place));
  doGroup(database, group, outcomes);
}

async function finish(sequence: number): Promise<void> {
  const open = transaction ?? begin();
  recordSequence(database, sequence);
  transaction = undefined;
  open.finish();
  // It is committed in the microtasks that follow: no group comes between.
  await open.ended;
  say({ finished: true });
}

/** Before the thread ends: lmdb-js waits for ever for a transaction that is left open. */
function throwAway(): void {
  isEnding = true;
  port!.close();
  transaction?.abort(new Error('the transaction is thrown away'));
}

async function end(): Promise<void> {
  throwAway();
  await transaction?.ended.catch(() => undefined);
  journal.close();
  await database.close();
}

function fail(error: unknown): void {
  say({ failure: writerFailure(error) });
  throwAway();
}

port.on('message', (request: FollowerRequest) => {
  // Closing the port does not keep back what has come already.
  if (isEnding) return;
  try {
    if ('do' in request) follow(request.do);
    else if ('finish' in request) finish(request.finish).catch(fail);
    else void end();
  } catch (error) {
    fail(error);
  }
});
