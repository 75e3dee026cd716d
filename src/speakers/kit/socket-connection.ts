// Connection over a node socket. Owns the socket: nothing else touches it. Invariants: input is bounded (reading stops
// when nobody waits for more and the buffer is full), output is bounded when the session honours `congested`, every
// wait has a deadline. When the peer fails or goes, waiting calls reject with ConnectionClosed and the owner is told once.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { assert } from '../../base/assert.ts';
import type { Logger } from '../../base/log.ts';
import { clientHelloKind } from '../../wire/tls/client-hello.ts';
import { type RecordReader, TlsAlert, type TlsRecords } from '../../wire/tls/records.ts';
import { type Connection, ConnectionClosed, IdleTimeout, type TlsInfo } from './connection.ts';
import type { ConnectionEnvironment, Endpoints } from './connection-environment.ts';
import { InputBuffer } from './input-buffer.ts';
import type { SessionUser } from './open-sessions.ts';
import { OutputBuffer } from './output-buffer.ts';
import { attach, attachSecure, awaitHello, detach, readOn, type SocketOwner } from './socket-listeners.ts';
import { Tls13Handshake, type TlsPolicy, TlsServer } from './tls-handshake.ts';
import type { TlsSession } from './tls-session.ts';

function flushConnection(connection: SocketConnection): void {
  connection.flush();
}

export class SocketConnection implements Connection, SocketOwner, RecordReader {
  readonly traceId: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Milliseconds since 1970 UTC. */
  readonly connectedAt: number;
  user: SessionUser | undefined = undefined;
  isDismissed = false;
  readonly #environment: ConnectionEnvironment;
  readonly #input = new InputBuffer();
  readonly #output = new OutputBuffer();
  #socket: Socket;
  #log: Logger | undefined;
  #tls: TlsSession | undefined;
  /** What TLS 1.3 leaves to us; without it the socket is in the clear, or OpenSSL's. */
  #records: TlsRecords | undefined;
  #state: 'open' | 'ending' | 'closed' = 'open';
  /** Something came that no take has looked at. */
  #arrived = false;
  #peerEnded = false;
  #paused = false;
  #flushScheduled = false;
  #fillWaiter: PromiseWithResolvers<boolean> | undefined;
  #fillMidCommand = false;
  #drainWaiter: PromiseWithResolvers<void> | undefined;
  /** For the ClientHello, then for the end of the handshake. */
  #secureWaiter: PromiseWithResolvers<Buffer | undefined> | undefined;
  #readDeadline = Number.POSITIVE_INFINITY;
  #writeDeadline = Number.POSITIVE_INFINITY;

  constructor(socket: Socket, traceId: string, endpoints: Endpoints, environment: ConnectionEnvironment) {
    this.#socket = socket;
    this.#environment = environment;
    this.traceId = traceId;
    this.remoteAddress = endpoints.remoteAddress;
    this.remotePort = endpoints.remotePort;
    this.localAddress = endpoints.localAddress;
    this.localPort = endpoints.localPort;
    this.connectedAt = environment.clock.now();
    environment.ticker.add(this);
    attach(socket, this);
  }

  get tls(): TlsInfo | undefined {
    return this.#tls;
  }

  get log(): Logger {
    this.#log ??= this.#environment.log.child({ traceId: this.traceId });
    return this.#log;
  }

  get closing(): AbortSignal {
    return this.#environment.closing;
  }

  /** False: the last word is said, and the peer may have to take it still. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get bufferedBytes(): number {
    return this.#input.length;
  }

  takeLine(bytesMax: number): Buffer | undefined {
    const line = this.#input.takeLine(bytesMax);
    if (line === undefined) this.#arrived = false;
    return line;
  }

  takeBytes(bytesMax: number): Buffer | undefined {
    const bytes = this.#input.takeBytes(bytesMax);
    if (bytes === undefined) this.#arrived = false;
    return bytes;
  }

  putBack(bytes: Buffer): void {
    this.#input.putBack(bytes);
    this.#arrived = true;
  }

  fill(idleTimeoutMs: number, midCommand = false): Promise<boolean> {
    if (this.#fillWaiter !== undefined) return this.#fillWaiter.promise;
    if (this.#arrived) {
      this.#arrived = false;
      return Promise.resolve(true);
    }
    if (this.#state !== 'open') return Promise.reject(new ConnectionClosed());
    if (this.#peerEnded) return Promise.resolve(false);
    const mustEnd = this.#environment.closing.aborted || this.isDismissed;
    if (mustEnd && !midCommand) return Promise.reject(new ConnectionClosed());
    this.#fillMidCommand = midCommand;
    this.#readDeadline = this.#environment.ticker.deadlineIn(idleTimeoutMs);
    this.#fillWaiter = Promise.withResolvers<boolean>();
    if (this.#paused) {
      this.#paused = false;
      this.#socket.resume();
    }
    return this.#fillWaiter.promise;
  }

  write(data: string | Uint8Array): void {
    if (this.#state !== 'open' || data.length === 0) return;
    this.#output.push(data);
    if (this.#output.length >= this.#environment.limits.outputBytesHighWater) {
      this.flush();
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      // Runs when the microtasks of this turn are done: all answers to a pipelined batch leave in one write.
      process.nextTick(flushConnection, this);
    }
  }

  flush(): void {
    this.#flushScheduled = false;
    const bytes = this.#output.length;
    if (bytes === 0) return;
    if (this.#state === 'closed') this.#output.clear();
    else if (this.#records === undefined) this.#output.writeTo(this.#socket);
    else this.#records.seal(this.#output.take(), bytes, this);
  }

  /** Also when the peer is gone: `drain` then says so, and nobody goes on working for it. */
  get congested(): boolean {
    return this.#state === 'closed' || this.#socket.writableNeedDrain;
  }

  drain(): Promise<void> {
    this.flush();
    if (this.#state === 'closed') return Promise.reject(new ConnectionClosed());
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    if (this.#drainWaiter === undefined) {
      this.#writeDeadline = this.#environment.ticker.deadlineIn(this.#environment.limits.drainTimeoutMs);
      this.#drainWaiter = Promise.withResolvers<void>();
    }
    return this.#drainWaiter.promise;
  }

  async startTls(): Promise<void> {
    const policy = this.#environment.tls;
    assert(policy !== undefined, 'TLS is not set up on this listener');
    assert(this.#input.length === 0 && this.#tls === undefined, 'TLS must start on a clean connection');
    this.flush();
    if (this.#state !== 'open' || this.#peerEnded) throw new ConnectionClosed();
    this.#readDeadline = this.#environment.ticker.deadlineIn(this.#environment.limits.handshakeTimeoutMs);
    const hello = await this.#helloTurn();
    if (clientHelloKind(hello) === 'tls13') await this.#startTls13(policy, hello);
    else await this.#startOpenSsl(policy, hello);
  }

  /** When the client has begun the handshake and it is its turn: the answer takes as long as ten commands. */
  async #helloTurn(): Promise<Buffer> {
    this.#secureWaiter = Promise.withResolvers<Buffer | undefined>();
    awaitHello(this.#socket);
    const hello = await this.#secureWaiter.promise;
    // It may have failed or ended while it waited.
    const isGone = this.#state !== 'open' || this.#peerEnded || this.#socket.destroyed;
    if (hello === undefined || isGone) throw new ConnectionClosed();
    return hello;
  }

  async #startTls13(policy: TlsPolicy, hello: Buffer): Promise<void> {
    const secured = await new Tls13Handshake(this.#socket, policy).run(hello).catch((error: Error) => {
      if (error instanceof TlsAlert) this.failed(error);
      throw error instanceof TlsAlert ? new ConnectionClosed() : error;
    });
    this.secured();
    this.#tls = secured.session;
    this.#records = secured.records;
    // Then what came may stop it.
    readOn(this.#socket);
    this.#records.open(secured.more, this);
  }

  /** A client that stays with OpenSSL. */
  async #startOpenSsl(policy: TlsPolicy, hello: Buffer): Promise<void> {
    const clear = this.#socket;
    clear.unshift(hello);
    detach(clear);
    const server = new TlsServer(clear, policy);
    this.#socket = server.socket;
    this.#secureWaiter = Promise.withResolvers<Buffer | undefined>();
    attachSecure(server.socket, this);
    await this.#secureWaiter.promise;
    this.#tls = server.session();
  }

  end(): Promise<void> {
    const { ticker, limits } = this.#environment;
    if (this.#state === 'closed') return Promise.resolve();
    this.flush();
    if (this.#state === 'ending') return Promise.resolve();
    this.#state = 'ending';
    this.#readDeadline = Number.POSITIVE_INFINITY;
    this.#writeDeadline = ticker.deadlineIn(limits.drainTimeoutMs);
    this.#input.clear();
    this.#rejectFill(new ConnectionClosed());
    this.#drainWaiter?.reject(new ConnectionClosed());
    this.#drainWaiter = undefined;
    const socket = this.#socket;
    this.#records?.sealEnd(this);
    if (this.#peerEnded && !(socket instanceof TLSSocket) && socket.writableLength === 0) {
      // All is said and heard: the kernel sends what it has and ends, without a step for each direction.
      socket.destroy();
      return Promise.resolve();
    }
    // What the peer still sends is read and dropped until it ends too, so that no reset overtakes our last words.
    socket.resume();
    return new Promise((resolve) => {
      socket.once('close', resolve);
      socket.end(() => {
        this.#writeDeadline = Number.POSITIVE_INFINITY;
        if (this.#peerEnded) socket.destroy();
        else this.#readDeadline = ticker.deadlineIn(limits.lingerMs);
        resolve();
      });
    });
  }

  destroy(): void {
    this.#socket.destroy();
    this.gone();
  }

  /** The server drains: a session that waits for its next command is woken (Connection.fill rejects). */
  wakeForClosing(): void {
    if (this.#fillWaiter !== undefined && !this.#fillMidCommand) this.#rejectFill(new ConnectionClosed());
  }

  /** The same for this session alone. */
  dismiss(): void {
    this.isDismissed = true;
    this.wakeForClosing();
  }

  checkDeadlines(nowMs: number): void {
    if (nowMs >= this.#readDeadline) {
      this.#readDeadline = Number.POSITIVE_INFINITY;
      const waiter = this.#fillWaiter;
      this.#environment.pace(() => this.#readTimedOut(waiter));
    }
    if (nowMs >= this.#writeDeadline) {
      this.log.info({ unreadBytes: this.#socket.writableLength }, 'peer does not read, cut off');
      this.#rejectDrain(new IdleTimeout());
      // What is queued will never be read; without this, ending would wait for it.
      this.destroy();
    }
  }

  #readTimedOut(waiter: PromiseWithResolvers<boolean> | undefined): void {
    // It may have come while this waited.
    if (waiter !== this.#fillWaiter) return;
    if (waiter !== undefined) this.#rejectFill(new IdleTimeout());
    else if (this.#state !== 'open' || this.#secureWaiter !== undefined) this.destroy();
  }

  // What the socket tells (socket-listeners.ts).

  received(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    if (this.#records !== undefined) this.#records.open(chunk, this);
    else this.opened(chunk);
  }

  opened(data: Buffer): void {
    if (this.#state !== 'open') return;
    this.#input.push(data);
    const waiter = this.#fillWaiter;
    if (waiter === undefined) {
      this.#arrived = true;
      if (this.#input.length >= this.#environment.limits.inputBytesMax && !this.#paused) {
        this.#paused = true;
        this.#socket.pause();
      }
      return;
    }
    this.#fillWaiter = undefined;
    this.#readDeadline = Number.POSITIVE_INFINITY;
    waiter.resolve(true);
  }

  receivedEnd(): void {
    this.#peerEnded = true;
    this.#environment.pace(() => this.#heedEnd());
  }

  #heedEnd(): void {
    if (this.#state === 'ending') {
      this.#socket.destroySoon();
      return;
    }
    const waiter = this.#fillWaiter;
    this.#fillWaiter = undefined;
    this.#readDeadline = Number.POSITIVE_INFINITY;
    waiter?.resolve(false);
    this.#secureWaiter?.reject(new ConnectionClosed());
  }

  drained(): void {
    const waiter = this.#drainWaiter;
    this.#drainWaiter = undefined;
    this.#writeDeadline = Number.POSITIVE_INFINITY;
    waiter?.resolve();
  }

  failed(error: Error): void {
    this.log.debug({ error: error.message }, 'connection failed');
    this.#socket.destroy();
  }

  gone(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#environment.ticker.delete(this);
    // A session that waits for nothing has ended, or hears of it when it asks.
    if (this.#fillWaiter === undefined && this.#drainWaiter === undefined && this.#secureWaiter === undefined)
      this.#environment.closed(this);
    else
      this.#environment.pace(() => {
        this.#rejectWaiters(new ConnectionClosed());
        this.#environment.closed(this);
      });
  }

  helloCame(hello: Buffer | undefined): void {
    if (hello === undefined) {
      this.receivedEnd();
      return;
    }
    this.#environment.beforeTls?.(this, hello);
    const waiter = this.#secureWaiter;
    this.#environment.pace(() => waiter?.resolve(hello));
  }

  get isQueueing(): boolean {
    return this.#socket.writableLength > 0;
  }

  send(bytes: Buffer): boolean {
    this.#socket.write(bytes);
    return !this.isQueueing;
  }

  secured(): void {
    this.#readDeadline = Number.POSITIVE_INFINITY;
    const waiter = this.#secureWaiter;
    this.#secureWaiter = undefined;
    this.#environment.pace(() => waiter?.resolve(undefined));
  }

  #rejectWaiters(error: Error): void {
    this.#rejectFill(error);
    this.#rejectDrain(error);
    this.#secureWaiter?.reject(error);
    this.#secureWaiter = undefined;
  }

  #rejectFill(error: Error): void {
    const waiter = this.#fillWaiter;
    this.#fillWaiter = undefined;
    if (this.#state === 'open') this.#readDeadline = Number.POSITIVE_INFINITY;
    // A session that raced it against something else and went away does not look at it again.
    waiter?.promise.catch(() => {});
    waiter?.reject(error);
  }

  #rejectDrain(error: Error): void {
    const waiter = this.#drainWaiter;
    this.#drainWaiter = undefined;
    this.#writeDeadline = Number.POSITIVE_INFINITY;
    waiter?.reject(error);
  }
}
