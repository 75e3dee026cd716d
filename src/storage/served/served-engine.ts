// An engine that another process of this machine owns, reached over its socket (engine-server.ts, served-connection.ts): what
// the worker processes of one machine share. Reads are sent as they come and answered as they are done; the commits of a turn go as
// one group. Signals of all workers come over the same connection, a commit's own before its answer.
//
// Invariant: the contract of engine.ts, as of the engine behind it. A commit that was sent and not answered when the connection
// is lost rejects with UnknownOutcomeFault; everything else rejects with a temporary Fault. There is no way back: a new
// connection would be a new process's (`onLost`), whose accounts were loaded from what is on disk.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { outcomeCodes, settleCommit } from '../commit-outcomes.ts';
import type {
  Batch,
  Bytes,
  CommitResult,
  Engine,
  EngineStatistics,
  Page,
  PageLimits,
  Range,
  Snapshot,
} from '../engine.ts';
import { packGroup } from '../group-codec.ts';
import { addBatch, GroupCommit, type PendingCommit } from '../group-commit.ts';
import type { FileReads } from '../lmdb/file-reads.ts';
import { Topics } from '../topics.ts';
import { ServedConnection } from './served-connection.ts';
import type { FramePayload } from './served-frames.ts';
import {
  limitNumber,
  newestReader,
  type OwnerNote,
  packSignals,
  parseOutcome,
  protocolVersion,
  rangeBytes,
  readPage,
  requestTypes,
  writeRange,
} from './served-protocol.ts';
import { ServedSnapshot, type SnapshotReads } from './served-snapshot.ts';

export interface ServedEngineOptions {
  /** The owner's socket. */
  readonly path: string;
  /** What is read without the owner; closed with the engine. */
  readonly file?: FileReads | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told once when the connection is lost: end the process, so that it is started again. Not told of `close`. */
  readonly onLost?: (failure: Error) => void;
}

/** Rejects with Fault when nobody serves there. */
export async function openServedEngine(options: ServedEngineOptions): Promise<Engine> {
  const engine = new ServedEngine(options);
  try {
    await engine.whenConnected();
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

class ServedEngine implements Engine, SnapshotReads {
  readonly #options: ServedEngineOptions;
  readonly #connection: ServedConnection;
  readonly #commits: GroupCommit;
  readonly #topics: Topics;
  /** How many listen to each topic. */
  readonly #subscriptions = new Map<string, number>();
  /** The owner's engine's. */
  #name = '';
  #closing: Promise<void> | undefined;
  #commitCount = 0;
  #batchCount = 0;
  #bytesWritten = 0;
  #bytesOnDisk = 0;

  constructor(options: ServedEngineOptions) {
    this.#options = options;
    this.#topics = new Topics(options.log);
    this.#commits = new GroupCommit({
      nextTurn: () => options.clock.nextTurn(),
      write: (group) => this.#write(group),
    });
    this.#connection = new ServedConnection({
      ...options,
      signal: (topic) => this.#topics.signal([topic]),
      lost: (failure) => {
        options.log.fatal({ err: failure }, 'this worker has lost the store');
        options.onLost?.(failure);
      },
    });
  }

  get name(): string {
    return this.#name;
  }

  get #file(): FileReads | undefined {
    return this.#connection.failure === undefined ? this.#options.file : undefined;
  }

  async whenConnected(): Promise<void> {
    await this.#connection.whenConnected();
    await this.#askOwner();
  }

  get(key: Bytes): Promise<Bytes | undefined> {
    const ask = () => this.readOne(newestReader, key);
    return this.#file?.get(key, ask) ?? ask();
  }

  getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    const ask = (missing: readonly Bytes[]) => this.readMany(newestReader, missing);
    return this.#file?.getMany(keys, ask) ?? ask(keys);
  }

  page(range: Range, limits: PageLimits): Promise<Page> {
    const ask = () => this.readPage(newestReader, range, limits);
    return this.#file?.page(range, limits, ask) ?? ask();
  }

  async snapshot(): Promise<Snapshot> {
    const reader = await this.#connection.ask(
      (outgoing, id) => outgoing.begin(requestTypes.snapshot, id, 0),
      (_payload, id) => id,
    );
    return new ServedSnapshot(this, reader);
  }

  commit(batch: Batch): Promise<CommitResult> {
    const { failure } = this.#connection;
    return failure === undefined ? addBatch(this.#commits, batch) : Promise.reject(failure);
  }

  subscribe(topic: string, listener: () => void): () => void {
    const stop = this.#topics.subscribe(topic, listener);
    this.#countListeners(topic, 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      stop();
      this.#countListeners(topic, -1);
    };
  }

  /** What this process has committed; of the disk, what the owner said when it was asked last. */
  statistics(): EngineStatistics {
    if (this.#connection.failure === undefined)
      void this.#askOwner().catch((error: unknown) =>
        this.#options.log.debug({ err: error }, 'the statistics of the store are old'),
      );
    return {
      commits: this.#commitCount,
      batches: this.#batchCount,
      bytesWritten: this.#bytesWritten,
      bytesOnDisk: this.#bytesOnDisk,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readOne(reader: number, key: Bytes): Promise<Bytes | undefined> {
    return this.#connection.ask(
      (outgoing, id) => {
        outgoing.begin(requestTypes.get, id, 8 + key.length);
        outgoing.number(reader);
        outgoing.sized(key);
      },
      (payload) => payload.ownOptional(),
    );
  }

  readMany(reader: number, keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return this.#connection.ask(
      (outgoing, id) => {
        const bytes = keys.reduce((sum, key) => sum + 4 + key.length, 8);
        outgoing.begin(requestTypes.getMany, id, bytes);
        outgoing.number(reader);
        outgoing.number(keys.length);
        for (const key of keys) outgoing.sized(key);
      },
      (payload) => keys.map(() => payload.ownOptional()),
    );
  }

  readPage(reader: number, range: Range, limits: PageLimits): Promise<Page> {
    return this.#connection.ask((outgoing, id) => {
      outgoing.begin(requestTypes.page, id, 12 + rangeBytes(range));
      outgoing.number(reader);
      outgoing.number(limitNumber(limits.entriesMax));
      outgoing.number(limitNumber(limits.bytesMax));
      writeRange(outgoing, range);
    }, readPage);
  }

  release(reader: number): void {
    this.#connection.tell((outgoing) => outgoing.begin(requestTypes.release, reader, 0));
  }

  /** Sends a group and settles every commit in it. */
  #write(group: readonly PendingCommit[]): Promise<void> {
    return new Promise((done) => {
      const failed = (error: Error): void => {
        for (const pending of group) pending.reject(error);
        done();
      };
      const batches = group.map(({ batch }) => batch);
      const packed = packGroup(batches);
      const signals = packSignals(batches);
      const answered = (payload: FramePayload): void => {
        this.#settle(group, payload);
        done();
      };
      this.#connection.send(
        (outgoing, id) => {
          outgoing.begin(requestTypes.commit, id, 8 + packed.length + signals.length);
          outgoing.sized(signals);
          outgoing.sized(packed);
        },
        { answered, failed, isCommit: true },
      );
    });
  }

  #settle(group: readonly PendingCommit[], payload: FramePayload): void {
    const outcome = parseOutcome(payload.bytes());
    this.#commitCount++;
    for (const [index, { batch, bytes }] of group.entries()) {
      if (outcome.outcomes[index] !== outcomeCodes.committed) continue;
      this.#batchCount++;
      this.#bytesWritten += bytes;
      this.#options.file?.committed(batch, outcome);
    }
    // Whoever hears of one finds all.
    for (const [index, pending] of group.entries()) settleCommit(pending, outcome.outcomes[index]!);
  }

  #countListeners(topic: string, change: 1 | -1): void {
    const before = this.#subscriptions.get(topic) ?? 0;
    const now = before + change;
    if (now === 0) this.#subscriptions.delete(topic);
    else this.#subscriptions.set(topic, now);
    if ((before === 0) === (now === 0)) return;
    const type = now > 0 ? requestTypes.subscribe : requestTypes.unsubscribe;
    const name = Buffer.from(topic, 'utf8');
    this.#connection.tell((outgoing) => {
      outgoing.begin(type, 0, 4 + name.length);
      outgoing.sized(name);
    });
  }

  async #askOwner(): Promise<void> {
    const { protocol, name, bytesOnDisk } = await this.#connection.ask(
      (outgoing, id) => outgoing.begin(requestTypes.owner, id, 0),
      (payload) => JSON.parse(payload.text()) as OwnerNote,
    );
    if (protocol !== protocolVersion)
      throw new Fault('the process that has the store is of another version: restart the server', {
        temporary: false,
      });
    this.#name = name;
    this.#bytesOnDisk = bytesOnDisk;
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    this.#connection.fail(new Fault('the store is closed', { temporary: true }));
    await this.#options.file?.[Symbol.asyncDispose]();
    await this.#connection.close();
  }
}
