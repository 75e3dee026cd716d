// The embedded engine: LMDB, read on the event loop. A thread decides commits and makes them durable in the journal
// (lmdb-writer.ts, journal.ts); another brings LMDB's file after it, many groups at a time (lmdb-follower.ts), and what the file
// lacks is kept in memory and lies over what readers read from it (unflushed-rows.ts).
//
// Invariants: a commit resolves after its group is on disk and after this thread's reads can see it; readers hold one state of
// the file and go to the next when the writer says so, so that file and overlay always fit; a directory is
// open in one process at a time; a store newer than this program does not open. When there is no room, the commits
// that need it reject with MailError('storageFull') before anything is written, and the next ones are tried afresh: so
// the engine recovers by itself. When a write fails all the same, or the writer thread dies (a bug), its group and every
// commit from then on reject until the process is started again; nothing of them is on disk, and reads go on.

import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { siblingModule } from '../../base/module-url.ts';
import { MailError } from '../../mail/mail-error.ts';
import { outcomeCodes, settleCommit } from '../commit-outcomes.ts';
import { type DirectoryLock, lockDirectory } from '../directory-lock.ts';
import type {
  Batch,
  Bytes,
  CommitResult,
  EngineStatistics,
  Page,
  PageLimits,
  Range,
  Snapshot,
} from '../engine.ts';
import { countBatches, packGroup } from '../group-codec.ts';
import { addBatch, GroupCommit, type PendingCommit, type PendingWork } from '../group-commit.ts';
import { reserveFor } from '../reserve.ts';
import { checkStoreMarker } from '../store-marker.ts';
import { Topics } from '../topics.ts';
import type { EmbeddedEngine, GroupOutcome, PackedGroup } from './embedded-engine.ts';
import { syncDirectory } from './journal.ts';
import {
  type LmdbDatabase,
  type LmdbEnvironmentOptions,
  mapBytesThatFit,
  openLmdbEnvironment,
} from './lmdb-environment.ts';
import { type LmdbMoment, newestTransaction, readPage, readValue, unslicedKeysMax } from './lmdb-reads.ts';
import { LmdbSnapshot } from './lmdb-snapshot.ts';
import type { WriterData, WriterFailure, WriterReply, WriterRequest } from './lmdb-writer-protocol.ts';
import { UnflushedRows } from './unflushed-rows.ts';

/** A reader keeps every page that was freed since from being used again, so the file grows while it lives. */
const snapshotAgeMsDefault = 5 * 60 * 1000;

export interface LmdbEngineOptions {
  /** Made when missing. Nothing else may be kept in it. */
  readonly directory: string;
  /** Address space to map at once. lmdb-js maps more by itself when the file outgrows it, so this is no limit of the file. */
  readonly mapBytes?: number;
  /** Room that is left free on the file system; commits that would use it are refused as storageFull. See reserve.ts. */
  readonly reserveBytes?: number;
  readonly snapshotAgeMsMax?: number;
  /** How many groups go to LMDB's file at once, at the most; for tests. See lmdb-transactions.ts. */
  readonly groupsPerTransaction?: number;
  /** Told once when the store can no longer write: end the node, so that its lease lapses and it is started again. */
  readonly onWriterFailure?: (failure: Error) => void;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Rejects with Fault when the directory is in use, or cannot be opened, or is from a newer Rookery. */
export async function openLmdbEngine(options: LmdbEngineOptions): Promise<EmbeddedEngine> {
  const { directory } = options;
  mkdirSync(directory, { recursive: true });
  const lock = lockDirectory(directory);
  let engine: LmdbEngine | undefined;
  try {
    const { database, environment } = openDatabase(options);
    const workerData: WriterData = { environment, groupsMax: options.groupsPerTransaction };
    const worker = new Worker(siblingModule(import.meta.url, './lmdb-writer'), { workerData });
    engine = new LmdbEngine({ ...options, database, worker, lock });
    const redone = await engine.whenReady();
    if (redone > 0) options.log.info({ groups: redone }, 'did the journal again after an unclean stop');
    syncDirectory(directory);
    syncDirectory(dirname(directory));
    await checkStoreMarker(engine, directory);
    return engine;
  } catch (cause) {
    if (engine === undefined) lock.release();
    else await engine.close();
    if (cause instanceof Fault || cause instanceof MailError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(`cannot open the store in ${directory}: ${reason}`, { temporary: false, cause });
  }
}

function openDatabase(options: LmdbEngineOptions): {
  database: LmdbDatabase;
  environment: LmdbEnvironmentOptions;
} {
  const { directory, reserveBytes = reserveFor(options.directory) } = options;
  const environment = { directory, mapBytes: options.mapBytes ?? mapBytesThatFit(), reserveBytes };
  return { database: openLmdbEnvironment(environment), environment };
}

function writeFailure({ noRoom, message }: WriterFailure): Error {
  if (noRoom) return new MailError('storageFull', `no room for a commit: ${message}`);
  return new Fault(`a commit failed: ${message}`, { temporary: true });
}

/** A group that another process packed. */
interface PendingGroup extends PendingWork {
  readonly packed: PackedGroup;
  readonly resolve: (outcome: GroupOutcome) => void;
}

type Pending = PendingCommit | PendingGroup;

/** In their order; batches that follow each other are packed as one group, which is the writer's alone (`ours`). */
function packPending(pending: readonly Pending[]): { groups: Buffer[]; ours: ArrayBuffer[] } {
  const groups: Buffer[] = [];
  const ours: ArrayBuffer[] = [];
  let batches: Batch[] = [];
  const pack = (): void => {
    if (batches.length === 0) return;
    const group = packGroup(batches);
    groups.push(group);
    ours.push(group.buffer as ArrayBuffer);
    batches = [];
  };
  for (const one of pending) {
    if ('batch' in one) {
      batches.push(one.batch);
      continue;
    }
    pack();
    groups.push(one.packed.bytes);
  }
  pack();
  return { groups, ours };
}

interface LmdbEngineParts extends LmdbEngineOptions {
  readonly database: LmdbDatabase;
  readonly worker: Worker;
  readonly lock: DirectoryLock;
}

class LmdbEngine implements EmbeddedEngine {
  readonly name = 'lmdb';
  readonly #parts: LmdbEngineParts;
  readonly #topics: Topics;
  readonly #commits: GroupCommit<Pending>;
  readonly #snapshots = new Set<LmdbSnapshot>();
  readonly #unflushed = new UnflushedRows();
  /** Undefined until the writer is ready, and after closing. */
  #moment: LmdbMoment | undefined;
  /** Groups at the writer, in its order. */
  #inFlight: { readonly group: readonly Pending[]; readonly done: () => void }[] = [];
  #writerFailure: Error | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;
  #commitCount = 0;
  #batchCount = 0;
  #bytesWritten = 0;

  constructor(parts: LmdbEngineParts) {
    this.#parts = parts;
    this.#topics = new Topics(parts.log);
    this.#commits = new GroupCommit({
      nextTurn: () => parts.clock.nextTurn(),
      eager: true,
      write: (group) => this.#write(group),
    });
    parts.worker.on('error', (cause) => {
      this.#writerDied(new Fault('the writer thread failed', { temporary: true, cause }));
    });
    parts.worker.on('exit', () =>
      this.#writerDied(new Fault('the writer thread ended', { temporary: true })),
    );
  }

  /** The thread has opened the store; gives how many groups it did again. */
  async whenReady(): Promise<number> {
    const { worker } = this.#parts;
    const [reply] = (await once(worker, 'message')) as [WriterReply];
    if ('failure' in reply) {
      this.#writerFailure = new Fault(reply.failure.message, { temporary: false });
      throw new Error(reply.failure.message);
    }
    assert('ready' in reply, 'the writer began with another message');
    worker.on('message', (next: WriterReply) => this.#heard(next));
    this.#lookAgain();
    return reply.ready.redone;
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    return readValue(this.#now(), key);
  }

  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    if (keys.length <= unslicedKeysMax) {
      const moment = this.#now();
      return keys.map((key) => readValue(moment, key));
    }
    await using snapshot = await this.snapshot();
    return await snapshot.getMany(keys);
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    return readPage(this.#now(), range, limits);
  }

  async snapshot(): Promise<Snapshot> {
    const { database, options } = this.#now();
    options.transaction.use();
    const snapshot = new LmdbSnapshot({
      moment: { database, options, unflushed: this.#unflushed.freeze() },
      clock: this.#parts.clock,
      ageMsMax: this.#parts.snapshotAgeMsMax ?? snapshotAgeMsDefault,
      log: this.#parts.log,
      ended: (ended) => this.#snapshots.delete(ended),
    });
    this.#snapshots.add(snapshot);
    return snapshot;
  }

  commit(batch: Batch): Promise<CommitResult> {
    if (this.#writerFailure !== undefined) return Promise.reject(this.#writerFailure);
    return addBatch(this.#commits, batch);
  }

  commitPacked(packed: PackedGroup): Promise<GroupOutcome> {
    if (this.#writerFailure !== undefined) return Promise.reject(this.#writerFailure);
    return new Promise((resolve, reject) => {
      this.#commits.add({ packed, bytes: packed.bytes.length, resolve, reject });
    });
  }

  subscribe(topic: string, listener: () => void): () => void {
    return this.#topics.subscribe(topic, listener);
  }

  statistics(): EngineStatistics {
    const file = statSync(join(this.#parts.directory, 'data.mdb'), { throwIfNoEntry: false });
    return {
      commits: this.#commitCount,
      batches: this.#batchCount,
      bytesWritten: this.#bytesWritten,
      bytesOnDisk: (file?.blocks ?? 0) * 512,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { worker, database, lock } = this.#parts;
    await this.#commits.close();
    this.#closed = true;
    for (const snapshot of this.#snapshots) snapshot.end('the store is closed');
    this.#moment?.options.transaction.done();
    this.#moment = undefined;
    if (this.#writerFailure === undefined) {
      const exited = once(worker, 'exit');
      worker.postMessage({ close: true } satisfies WriterRequest);
      await exited;
    }
    await database.close();
    lock.release();
  }

  #now(): LmdbMoment {
    if (this.#moment === undefined) throw new Fault('the store is closed', { temporary: true });
    return this.#moment;
  }

  /** From here on reads see the newest state of the file. */
  #lookAgain(): void {
    const { database } = this.#parts;
    const transaction = newestTransaction(database);
    this.#moment?.options.transaction.done();
    this.#moment = { database, options: { transaction }, unflushed: this.#unflushed };
  }

  #write(group: readonly Pending[]): Promise<void> {
    const failure = this.#writerFailure;
    if (failure !== undefined) {
      for (const pending of group) pending.reject(failure);
      return Promise.resolve();
    }
    const { groups, ours } = packPending(group);
    return new Promise((done) => {
      this.#inFlight.push({ group, done });
      this.#parts.worker.postMessage({ groups } satisfies WriterRequest, ours);
    });
  }

  #heard(reply: WriterReply): void {
    // After its death everything was answered already.
    if (this.#writerFailure !== undefined) return;
    if ('outcomes' in reply) this.#settle(reply);
    else if ('flushed' in reply) this.#flushed(reply.flushed);
    else if ('failure' in reply) this.#failed(reply.failure);
  }

  #flushed(transaction: number): void {
    if (this.#moment === undefined) return;
    this.#lookAgain();
    this.#unflushed.flushed(transaction);
    this.#parts.worker.postMessage({ seen: transaction } satisfies WriterRequest);
  }

  #settle({ outcomes, transaction, sequence }: GroupOutcome): void {
    const flight = this.#inFlight.shift();
    assert(flight !== undefined, 'the writer answered what it was not asked');
    this.#commitCount++;
    let next = 0;
    for (const pending of flight.group) {
      if ('batch' in pending) {
        if (outcomes[next++] === outcomeCodes.committed) this.#unflushed.add(transaction, pending.batch);
        continue;
      }
      const { bytes } = pending.packed;
      const first = next;
      next += countBatches([bytes]);
      this.#unflushed.addPacked(transaction, bytes, outcomes.slice(first, next));
    }
    // Now: whoever hears of one finds all.
    next = 0;
    for (const pending of flight.group) {
      if ('batch' in pending) {
        this.#settleBatch(pending, outcomes[next++]!);
        continue;
      }
      const first = next;
      next += countBatches([pending.packed.bytes]);
      this.#settleGroup(pending, { outcomes: outcomes.slice(first, next), transaction, sequence });
    }
    flight.done();
  }

  /** Its group, if one was under way, failed as a whole; and nothing can be written any more. */
  #failed(failure: WriterFailure): void {
    const cause = writeFailure(failure);
    const flight = this.#inFlight.shift();
    for (const pending of flight?.group ?? []) pending.reject(cause);
    flight?.done();
    this.#writerDied(
      new Fault('the store cannot write until it is opened again', { temporary: true, cause }),
    );
  }

  #settleBatch(pending: PendingCommit, outcome: number): void {
    settleCommit(pending, outcome);
    if (outcome !== outcomeCodes.committed) return;
    this.#batchCount++;
    this.#bytesWritten += pending.bytes;
    this.#topics.signal(pending.batch.signals);
  }

  #settleGroup({ packed, bytes, resolve }: PendingGroup, outcome: GroupOutcome): void {
    resolve(outcome);
    this.#bytesWritten += bytes;
    for (const [index, one] of outcome.outcomes.entries()) {
      if (one !== outcomeCodes.committed) continue;
      this.#batchCount++;
      this.#topics.signal(packed.signals[index]);
    }
  }

  #writerDied(failure: Error): void {
    if (this.#writerFailure !== undefined || this.#closed) return;
    this.#writerFailure = failure;
    this.#parts.log.fatal({ err: failure }, 'the store can no longer write');
    this.#parts.onWriterFailure?.(failure);
    const flights = this.#inFlight;
    this.#inFlight = [];
    for (const flight of flights) {
      for (const pending of flight.group) pending.reject(failure);
      flight.done();
    }
  }
}
