// The connection to the process that owns an embedded engine: what is asked goes out by the turn, each answer finds who asked.
//
// Invariant: everything that is asked is answered once, or fails: with UnknownOutcomeFault a commit that was sent when the
// connection is lost, all else with the temporary Fault of the loss. There is no way back from it.

import { connect, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { ReadBuffer } from '../../base/read-buffer.ts';
import { UnknownOutcomeFault } from '../unknown-outcome.ts';
import { type Frame, type FramePayload, IncomingFrames, OutgoingFrames } from './served-frames.ts';
import { replyTypes, unpackFailure } from './served-protocol.ts';

/** Read into again and again: a body of a megabyte takes few system calls and leaves no garbage. */
const readBufferBytes = 256 * 1024;
const idMax = 0xffffffff;

export interface ServedConnectionOptions {
  /** The owner's socket. */
  readonly path: string;
  readonly clock: Clock;
  readonly signal: (topic: string) => void;
  /** Told once when the connection is lost; not of `fail` and `close`. */
  readonly lost: (failure: Fault) => void;
}

/** Puts a frame of this id among those that go out. */
type WriteFrame = (outgoing: OutgoingFrames, id: number) => void;

interface Request {
  readonly answered: (payload: FramePayload, id: number) => void;
  readonly failed: (error: Error) => void;
  readonly isCommit: boolean;
}

export class ServedConnection {
  readonly #options: ServedConnectionOptions;
  readonly #socket: Socket;
  readonly #outgoing = new OutgoingFrames();
  readonly #incoming = new IncomingFrames();
  readonly #requests = new Map<number, Request>();
  #lastId = 0;
  #flushing = false;
  #isConnected = false;
  #failure: Fault | undefined;

  constructor(options: ServedConnectionOptions) {
    this.#options = options;
    const readBuffer = new ReadBuffer({ bytes: readBufferBytes });
    readBuffer.listen((piece) => this.#take(piece));
    this.#socket = connect({ path: options.path, onread: readBuffer.onread });
  }

  /** Why nothing can be asked any more. */
  get failure(): Fault | undefined {
    return this.#failure;
  }

  /** Rejects with Fault when nobody serves there. */
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
  }

  ask<T>(write: WriteFrame, read: (payload: FramePayload, id: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const answered = (payload: FramePayload, id: number): void => resolve(read(payload, id));
      this.send(write, { answered, failed: reject, isCommit: false });
    });
  }

  send(write: WriteFrame, request: Request): void {
    if (this.#failure !== undefined) {
      request.failed(this.#failure);
      return;
    }
    const id = this.#nextId();
    write(this.#outgoing, id);
    this.#requests.set(id, request);
    this.#flushSoon();
  }

  /** Without an answer; when the connection is gone there is nobody to be told. */
  tell(write: (outgoing: OutgoingFrames) => void): void {
    if (this.#failure !== undefined) return;
    write(this.#outgoing);
    this.#flushSoon();
  }

  /** Everything that was asked fails, and whatever is asked from now on. */
  fail(failure: Fault): void {
    this.#failure = failure;
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { failed, isCommit } of requests) {
      failed(isCommit ? new UnknownOutcomeFault(`a commit was not answered: ${failure.message}`) : failure);
    }
  }

  /** After `fail`. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      this.#socket.destroy();
    });
  }

  #nextId(): number {
    // 0 is the newest state's; one that waits for 4 billion others is a snapshot's, whose use is limited in time.
    this.#lastId = this.#lastId >= idMax ? 1 : this.#lastId + 1;
    return this.#lastId;
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
      this.#options.signal(payload.text());
      return;
    }
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    if (type === replyTypes.answer) request.answered(payload, id);
    else request.failed(unpackFailure(payload.text()));
  }

  #lost(cause: Error | undefined): void {
    if (this.#failure !== undefined || !this.#isConnected) return;
    const failure = new Fault('the connection to the store was lost', { temporary: true, cause });
    this.fail(failure);
    this.#options.lost(failure);
  }
}
