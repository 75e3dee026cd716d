// Serves an engine that this process owns to the worker processes of this machine, over a socket in the data directory
// that only its owner may use (mode 0600). What each of them asks is done by the engine itself, so that commits of all
// of them share a flush; a signal reaches whoever subscribed to its topic, wherever the commit came from.
//
// Invariants: a connection that goes takes its snapshots and subscriptions with it, and nothing else: commits that were read
// whole are carried out. Memory is bounded: of a worker that does not take its answers, or asks for more than is done yet,
// nothing more is read. Closing cuts the connections; close the engine after it.

import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Bytes, Page, Reader, Snapshot } from '../engine.ts';
import type { EmbeddedEngine } from '../lmdb/embedded-engine.ts';
import {
  type Frame,
  type FramePayload,
  IncomingFrames,
  OutgoingFrames,
  optionalBytes,
} from './served-frames.ts';
import {
  formatOutcome,
  newestReader,
  type OwnerNote,
  packFailure,
  protocolVersion,
  readRange,
  replyTypes,
  requestTypes,
  unpackSignals,
} from './served-protocol.ts';

/** Answers that wait for a worker that does not read them. */
const waitingBytesMax = 8 * 1024 * 1024;
/** Asked and not answered: answers may be large. */
const underWayMax = 128;
/** A worker holds a few; each keeps pages of the store from being used again. */
const snapshotsMax = 1000;

export interface EngineServerOptions {
  readonly engine: EmbeddedEngine;
  /** Where to listen; a socket that an earlier process left is replaced. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface EngineServer extends AsyncDisposable {
  readonly connections: number;
  /** Cuts all connections. Twice is fine. */
  close(): Promise<void>;
}

/** Whoever calls owns the engine's directory, so that no living process has the socket. Rejects with Fault. */
export async function openEngineServer(options: EngineServerOptions): Promise<EngineServer> {
  const { path } = options;
  const connections = new Set<EngineConnection>();
  const server = createServer((socket) => {
    const connection = new EngineConnection(socket, options);
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  });
  await listen(server, path);
  const close = async (): Promise<void> => {
    for (const connection of connections) connection.cut();
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    rmSync(path, { force: true });
  };
  return {
    get connections() {
      return connections.size;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listen(server: Server, path: string): Promise<void> {
  rmSync(path, { force: true });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ path }, resolve);
    });
    chmodSync(path, 0o600);
  } catch (cause) {
    throw new Fault(`cannot serve the store at ${path}`, { temporary: false, cause });
  }
}

class EngineConnection {
  readonly #socket: Socket;
  readonly #options: EngineServerOptions;
  readonly #handlers: ReadonlyMap<number, (id: number, payload: FramePayload) => void> = new Map([
    [requestTypes.get, (id, payload) => this.#get(id, payload)],
    [requestTypes.getMany, (id, payload) => this.#getMany(id, payload)],
    [requestTypes.page, (id, payload) => this.#page(id, payload)],
    [requestTypes.snapshot, (id) => this.#answer(id, this.#takeSnapshot(id), () => this.#send(id, []))],
    [requestTypes.release, (id) => this.#release(id)],
    [requestTypes.subscribe, (_id, payload) => this.#subscribe(payload.text())],
    [requestTypes.unsubscribe, (_id, payload) => this.#unsubscribe(payload.text())],
    [requestTypes.commit, (id, payload) => this.#commit(id, payload)],
    [requestTypes.owner, (id) => this.#owner(id)],
  ]);
  readonly #incoming = new IncomingFrames();
  readonly #outgoing = new OutgoingFrames();
  readonly #snapshots = new Map<number, Snapshot>();
  readonly #subscriptions = new Map<string, () => void>();
  /** Signals that wait because its answers do. */
  readonly #heldSignals = new Set<string>();
  #underWay = 0;
  #flushing = false;
  #isHeld = false;
  #isGone = false;

  constructor(socket: Socket, options: EngineServerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => {
      this.#incoming.push(chunk);
      this.#read();
    });
    socket.on('drain', () => this.#goOn());
    socket.on('error', (error) => options.log.debug({ err: error }, 'the connection of a worker failed'));
    socket.on('close', () => this.#gone());
  }

  cut(): void {
    this.#socket.destroy();
  }

  get #isFull(): boolean {
    return (
      this.#underWay >= underWayMax || this.#outgoing.bytes + this.#socket.writableLength > waitingBytesMax
    );
  }

  /** Does what was asked, until it was all or too much of it is not answered yet. */
  #read(): void {
    try {
      for (;;) {
        if (this.#isFull) {
          this.#isHeld = true;
          this.#socket.pause();
          return;
        }
        const frame = this.#incoming.next();
        if (frame === undefined) return;
        this.#handle(frame);
      }
    } catch (error) {
      // A bug of ours or the worker's; its connection is worth nothing any more.
      this.#options.log.error({ err: error }, 'a worker asked what cannot be understood');
      this.cut();
    }
  }

  #goOn(): void {
    if (this.#isGone || this.#isFull) return;
    for (const topic of this.#heldSignals) this.#sendSignal(topic);
    this.#heldSignals.clear();
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#read();
    if (!this.#isHeld) this.#socket.resume();
  }

  #handle(frame: Frame): void {
    const { type, id, payload } = frame;
    const handler = this.#handlers.get(type);
    if (handler === undefined) throw new Fault(`a request of type ${type}`, { temporary: false });
    handler(id, payload);
  }

  #get(id: number, payload: FramePayload): void {
    const reader = this.#reader(payload.number());
    this.#answer(id, reader?.get(payload.bytes()), (value) => this.#sendValues(id, [value]));
  }

  #getMany(id: number, payload: FramePayload): void {
    const reader = this.#reader(payload.number());
    const keys: Bytes[] = [];
    for (let left = payload.number(); left > 0; left--) keys.push(payload.bytes());
    this.#answer(id, reader?.getMany(keys), (values) => this.#sendValues(id, values));
  }

  #page(id: number, payload: FramePayload): void {
    const reader = this.#reader(payload.number());
    const limits = { entriesMax: payload.number(), bytesMax: payload.number() };
    this.#answer(id, reader?.page(readRange(payload), limits), (page) => this.#sendPage(id, page));
  }

  #owner(id: number): void {
    const { name } = this.#options.engine;
    const { bytesOnDisk } = this.#options.engine.statistics();
    const note: OwnerNote = { protocol: protocolVersion, name, bytesOnDisk };
    this.#send(id, [Buffer.from(JSON.stringify(note))]);
  }

  /** Undefined: a snapshot that was ended. */
  #reader(id: number): Reader | undefined {
    return id === newestReader ? this.#options.engine : this.#snapshots.get(id);
  }

  #answer<T>(id: number, result: Promise<T> | undefined, send: (result: T) => void): void {
    if (result === undefined) {
      this.#sendFailure(id, new Fault('there is no such snapshot', { temporary: true }));
      return;
    }
    this.#underWay++;
    void result
      .then(
        (value) => this.#isGone || send(value),
        (error: unknown) => this.#isGone || this.#sendFailure(id, error),
      )
      .finally(() => {
        this.#underWay--;
        this.#goOn();
      });
  }

  async #takeSnapshot(id: number): Promise<void> {
    if (this.#snapshots.size >= snapshotsMax)
      throw new Fault(`a worker holds ${snapshotsMax} snapshots`, { temporary: true });
    const snapshot = await this.#options.engine.snapshot();
    if (this.#isGone) await snapshot.release();
    else this.#snapshots.set(id, snapshot);
  }

  #release(id: number): void {
    const snapshot = this.#snapshots.get(id);
    this.#snapshots.delete(id);
    void snapshot?.release().catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'a snapshot could not be released');
    });
  }

  /** As the worker packed it. */
  #commit(id: number, payload: FramePayload): void {
    const signals = unpackSignals(payload.text());
    const bytes = payload.ownMemory();
    const committed = this.#options.engine.commitPacked({ bytes, signals });
    this.#answer(id, committed, (outcome) => this.#send(id, [formatOutcome(outcome)]));
  }

  #subscribe(topic: string): void {
    if (this.#subscriptions.has(topic)) return;
    this.#subscriptions.set(
      topic,
      this.#options.engine.subscribe(topic, () => {
        if (this.#isFull) this.#heldSignals.add(topic);
        else this.#sendSignal(topic);
      }),
    );
  }

  #unsubscribe(topic: string): void {
    this.#subscriptions.get(topic)?.();
    this.#subscriptions.delete(topic);
    this.#heldSignals.delete(topic);
  }

  #sendSignal(topic: string): void {
    const name = Buffer.from(topic, 'utf8');
    this.#outgoing.begin(replyTypes.signal, 0, 4 + name.length);
    this.#outgoing.sized(name);
    this.#flushSoon();
  }

  #sendValues(id: number, values: readonly (Bytes | undefined)[]): void {
    let bytes = 0;
    for (const value of values) bytes += optionalBytes(value);
    this.#outgoing.begin(replyTypes.answer, id, bytes);
    for (const value of values) this.#outgoing.optional(value);
    this.#flushSoon();
  }

  #sendPage(id: number, { entries, next }: Page): void {
    let bytes = optionalBytes(next) + 4;
    for (const { key, value } of entries) bytes += 8 + key.length + value.length;
    this.#outgoing.begin(replyTypes.answer, id, bytes);
    this.#outgoing.optional(next);
    this.#outgoing.number(entries.length);
    for (const { key, value } of entries) {
      this.#outgoing.sized(key);
      this.#outgoing.sized(value);
    }
    this.#flushSoon();
  }

  #sendFailure(id: number, error: unknown): void {
    this.#send(id, [packFailure(error)], replyTypes.failure);
  }

  #send(id: number, parts: readonly Buffer[], type: number = replyTypes.answer): void {
    let bytes = 0;
    for (const part of parts) bytes += 4 + part.length;
    this.#outgoing.begin(type, id, bytes);
    for (const part of parts) this.#outgoing.sized(part);
    this.#flushSoon();
  }

  /** Answers of one turn go out in one piece. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    void this.#options.clock.nextTurn().then(() => {
      this.#flushing = false;
      const pieces = this.#outgoing.take();
      if (this.#isGone) return;
      this.#socket.cork();
      for (const piece of pieces) this.#socket.write(piece);
      this.#socket.uncork();
    });
  }

  #gone(): void {
    this.#isGone = true;
    for (const stop of this.#subscriptions.values()) stop();
    this.#subscriptions.clear();
    for (const id of [...this.#snapshots.keys()]) this.#release(id);
  }
}
