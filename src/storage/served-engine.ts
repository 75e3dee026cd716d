// An engine that another process of this machine owns, reached over its socket (engine-server.ts): what the worker
// processes of one machine share. Reads are sent as they come and answered as they are done; the commits of a turn go as
// one group. Signals of all workers come over the same connection, a commit's own before its answer.
//
// Invariant: the contract of engine.ts, as of the engine behind it. A commit that was sent and not answered when the connection
// is lost rejects with UnknownOutcomeFault; everything else rejects with a temporary Fault. There is no way back: a new
// connection would be a new process's (`onLost`), whose accounts were loaded from what is on disk.

import { connect, type Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Logger } from '../base/log.ts';
import { outcomeCodes, settleCommit } from './commit-outcomes.ts';
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
} from './engine.ts';
import type { FileReads } from './file-reads.ts';
import { packGroup } from './group-codec.ts';
import { addBatch, GroupCommit, type PendingCommit } from './group-commit.ts';
import { type Frame, type FramePayload, IncomingFrames, OutgoingFrames } from './served-frames.ts';
import {
  limitNumber,
  newestReader,
  type OwnerNote,
  packSignals,
  parseOutcome,
  protocolVersion,
  rangeBytes,
  readPage,
  replyTypes,
  requestTypes,
  unpackFailure,
  writeRange,
} from './served-protocol.ts';
import { ServedSnapshot, type SnapshotReads } from './served-snapshot.ts';
import { Topics } from './topics.ts';
import { UnknownOutcomeFault } from './unknown-outcome.ts';

/** Read into again and again: a body of a megabyte takes few system calls and leaves no garbage. */
const readBufferBytes = 256 * 1024;
const idMax = 0xffffffff;

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

interface Request {
  readonly answered: (payload: FramePayload) => void;
  readonly failed: (error: Error) => void;
  readonly isCommit: boolean;
}

class ServedEngine implements Engine, SnapshotReads {
  readonly #options: ServedEngineOptions;
  readonly #socket: Socket;
  readonly #outgoing = new OutgoingFrames();
  readonly #incoming = new IncomingFrames();
  readonly #requests = new Map<number, Request>();
  readonly #commits: GroupCommit;
  readonly #topics: Topics;
  /** How many listen to each topic. */
  readonly #subscriptions = new Map<string, number>();
  /** The owner's engine's. */
  #name = '';
  #lastId = 0;
  #flushing = false;
  #isConnected = false;
  #failure: Fault | undefined;
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
    const buffer = Buffer.allocUnsafeSlow(readBufferBytes);
    this.#socket = connect({
      path: options.path,
      onread: {
        buffer,
        callback: (length) => {
          this.#take(buffer.subarray(0, length));
          return true;
        },
      },
    });
  }

  get name(): string {
    return this.#name;
  }

  get #file(): FileReads | undefined {
    return this.#failure === undefined ? this.#options.file : undefined;
  }

  async whenConnected(): Promise<void> {
    const { path } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('connect', resolve);
      this.#socket.once('error', (cause) =>
        reject(new Fault(`nobody serves the store at ${path}`, { temporary: true, cause })),
      );
    });
    this.#isConnected = true;
    this.#socket.on('error', (cause) => this.#lost(cause));
    this.#socket.on('close', () => this.#lost(undefined));
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
    const reader = await this.#ask(
      (id) => this.#outgoing.begin(requestTypes.snapshot, id, 0),
      (_payload, id) => id,
    );
    return new ServedSnapshot(this, reader);
  }

  async commit(batch: Batch): Promise<CommitResult> {
    if (this.#failure !== undefined) throw this.#failure;
    return await addBatch(this.#commits, batch);
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
    if (this.#failure === undefined)
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
    return this.#ask(
      (id) => {
        this.#outgoing.begin(requestTypes.get, id, 8 + key.length);
        this.#outgoing.number(reader);
        this.#outgoing.sized(key);
      },
      (payload) => payload.ownOptional(),
    );
  }

  readMany(reader: number, keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return this.#ask(
      (id) => {
        const bytes = keys.reduce((sum, key) => sum + 4 + key.length, 8);
        this.#outgoing.begin(requestTypes.getMany, id, bytes);
        this.#outgoing.number(reader);
        this.#outgoing.number(keys.length);
        for (const key of keys) this.#outgoing.sized(key);
      },
      (payload) => keys.map(() => payload.ownOptional()),
    );
  }

  readPage(reader: number, range: Range, limits: PageLimits): Promise<Page> {
    return this.#ask((id) => {
      this.#outgoing.begin(requestTypes.page, id, 12 + rangeBytes(range));
      this.#outgoing.number(reader);
      this.#outgoing.number(limitNumber(limits.entriesMax));
      this.#outgoing.number(limitNumber(limits.bytesMax));
      writeRange(this.#outgoing, range);
    }, readPage);
  }

  /** Nothing is to be released when the connection is gone. */
  release(reader: number): void {
    if (this.#failure !== undefined) return;
    this.#outgoing.begin(requestTypes.release, reader, 0);
    this.#flushSoon();
  }

  #ask<T>(write: (id: number) => void, read: (payload: FramePayload, id: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      const id = this.#nextId();
      write(id);
      const answered = (payload: FramePayload): void => resolve(read(payload, id));
      this.#requests.set(id, { answered, failed: reject, isCommit: false });
      this.#flushSoon();
    });
  }

  #nextId(): number {
    // 0 is the newest state's; one that waits for 4 billion others is a snapshot's, whose use is limited in time.
    this.#lastId = this.#lastId >= idMax ? 1 : this.#lastId + 1;
    return this.#lastId;
  }

  /** Sends a group and settles every commit in it. */
  #write(group: readonly PendingCommit[]): Promise<void> {
    return new Promise((done) => {
      const failed = (error: Error): void => {
        for (const pending of group) pending.reject(error);
        done();
      };
      if (this.#failure !== undefined) return failed(this.#failure);
      const batches = group.map(({ batch }) => batch);
      const packed = packGroup(batches);
      const signals = packSignals(batches);
      const id = this.#nextId();
      this.#outgoing.begin(requestTypes.commit, id, 8 + packed.length + signals.length);
      this.#outgoing.sized(signals);
      this.#outgoing.sized(packed);
      const answered = (payload: FramePayload): void => {
        this.#settle(group, payload);
        done();
      };
      this.#requests.set(id, { answered, failed, isCommit: true });
      this.#flushSoon();
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
    if ((before === 0) === (now === 0) || this.#failure !== undefined) return;
    const type = now > 0 ? requestTypes.subscribe : requestTypes.unsubscribe;
    const name = Buffer.from(topic, 'utf8');
    this.#outgoing.begin(type, 0, 4 + name.length);
    this.#outgoing.sized(name);
    this.#flushSoon();
  }

  async #askOwner(): Promise<void> {
    const { protocol, name, bytesOnDisk } = await this.#ask(
      (id) => this.#outgoing.begin(requestTypes.owner, id, 0),
      (payload) => JSON.parse(payload.text()) as OwnerNote,
    );
    if (protocol !== protocolVersion)
      throw new Fault('the process that has the store is of another version: restart the server', {
        temporary: false,
      });
    this.#name = name;
    this.#bytesOnDisk = bytesOnDisk;
  }

  /** What is asked in one turn goes out in one piece. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    void this.#options.clock.nextTurn().then(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const pieces = this.#outgoing.take();
    if (this.#failure !== undefined) return;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  #take(chunk: Buffer): void {
    this.#incoming.push(chunk);
    for (;;) {
      const frame = this.#incoming.next();
      if (frame === undefined) return;
      this.#hear(frame);
    }
  }

  #hear({ type, id, payload }: Frame): void {
    if (type === replyTypes.signal) {
      this.#topics.signal([payload.text()]);
      return;
    }
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    if (type === replyTypes.answer) request.answered(payload);
    else request.failed(unpackFailure(payload.text()));
  }

  #lost(cause: Error | undefined): void {
    if (this.#failure !== undefined || !this.#isConnected) return;
    const failure = new Fault('the connection to the store was lost', { temporary: true, cause });
    this.#failure = failure;
    this.#failAll(failure);
    this.#options.log.fatal({ err: failure }, 'this worker has lost the store');
    this.#options.onLost?.(failure);
  }

  #failAll(failure: Fault): void {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { failed, isCommit } of requests) {
      failed(isCommit ? new UnknownOutcomeFault(`a commit was not answered: ${failure.message}`) : failure);
    }
  }

  async #close(): Promise<void> {
    await this.#commits.close();
    const closed = new Fault('the store is closed', { temporary: true });
    const wasLost = this.#failure !== undefined;
    this.#failure = closed;
    this.#failAll(closed);
    await this.#options.file?.[Symbol.asyncDispose]();
    if (wasLost || this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }
}
