// A listening socket and the sessions behind it. Owns every socket it accepted: each is counted, limited, given to the
// protocol, and gone when `close` resolves. What a session throws ends that session only and is logged here.
// A port that is taken is a Fault that names address, port and the way out.

import { setMaxListeners } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { Slicer } from '../../base/slicer.ts';
import { AddressRanges, ConnectionCounts, canonicalAddress, plainAddress } from './address-table.ts';
import { ConnectionClosed, IdleTimeout, type RefusalReason, type SessionProtocol } from './connection.ts';
import type { ConnectionEnvironment, Endpoints } from './connection-environment.ts';
import { type ConnectionLimits, connectionLimitsDefault } from './connection-limits.ts';
import { DeadlineTicker } from './deadline-ticker.ts';
import type { ListenerMetrics } from './listener-metrics.ts';
import type { OpenSession } from './open-sessions.ts';
import { pacedBy } from './pace.ts';
import { parseProxyHeader, proxyHeaderBytesMax } from './proxy-protocol.ts';
import { RateWindow } from './rate-window.ts';
import { SocketConnection } from './socket-connection.ts';
import type { TlsContexts } from './tls-contexts.ts';

export interface ListenerLimits {
  readonly connectionsMax: number;
  /** Of one client: an IPv4 address or an IPv6 /64. */
  readonly connectionsPerAddressMax: number;
}

export interface ListenerOptions {
  /** For logs, metrics and errors: "imap", "submissions". */
  readonly name: string;
  readonly address: string;
  /** 0: the system chooses; see Listener.port. */
  readonly port: number;
  /** Other processes listen there too: the system gives each connection to one of them. */
  readonly sharesPort?: boolean;
  readonly tls: 'none' | 'starttls' | 'implicit';
  /** Required unless tls is none. */
  readonly tlsContexts?: TlsContexts | undefined;
  /** Default: clients are not asked for one. */
  readonly asksForCertificate?: boolean;
  readonly protocol: SessionProtocol;
  /** Addresses and ranges whose connections must begin with a PROXY header. */
  readonly proxyProtocolFrom?: readonly string[];
  readonly limits: ListenerLimits;
  readonly connectionLimits?: Partial<ConnectionLimits>;
  readonly clock: Clock;
  readonly random?: Random;
  readonly log: Logger;
  readonly metrics?: ListenerMetrics | undefined;
  /** Shared by all listeners of a process when given. */
  readonly ticker?: DeadlineTicker;
}

export interface Listener extends AsyncDisposable {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly connections: number;
  openSessions(): Iterable<OpenSession>;
  /** As OpenSessions.end. */
  endSessions(isWanted: (session: OpenSession) => boolean): number;
  /** For a reload of the configuration. */
  setLimits(limits: ListenerLimits): void;
  /** New connections speak it; those open go on with theirs. For a reload of the configuration. */
  setProtocol(protocol: SessionProtocol): void;
  /** Accepts no more, asks sessions to end, waits up to `limitMs`, cuts off the rest. Twice is fine. */
  close(limitMs: number): Promise<void>;
}

/** A connection that waits to be accepted costs nothing; a short queue refuses bursts of logins. */
const backlog = 2048;
/** A proxy writes its header at once. */
const proxyHeaderTimeoutMs = 5_000;
/** A balancer that is not known as one is told of once in this time, however many clients it sends. */
const strangeProxyMs = 60_000;
/** A session that an administrator ends finishes its command in this time, or is cut off. */
const dismissedMsMax = 10_000;
/** Peers that vanished without a word are found by the kernel. */
const keepAliveDelayMs = 300_000;

/** Listens; resolves when connections are accepted. Rejects with a Fault when the port cannot be had. */
export async function openListener(options: ListenerOptions): Promise<Listener> {
  const listener = new SocketListener(options);
  await listener.listen();
  return listener;
}

class SocketListener implements Listener {
  readonly name: string;
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #closing = new AbortController();
  readonly #sessions = new Set<SocketConnection>();
  /** From proxies that have not said whom they speak for. */
  readonly #nameless = new Set<Socket>();
  readonly #counts = new ConnectionCounts();
  readonly #trustedProxies: AddressRanges;
  readonly #strangeProxies: RateWindow;
  readonly #environment: ConnectionEnvironment;
  readonly #tracePrefix: string;
  #traceCount = 0;
  #limits: ListenerLimits;
  #protocol: SessionProtocol;
  #emptied: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    assert(
      options.tls === 'none' || options.tlsContexts !== undefined,
      `${options.name}: TLS without certificates`,
    );
    this.name = options.name;
    this.#options = options;
    this.#limits = options.limits;
    this.#protocol = options.protocol;
    this.#trustedProxies = new AddressRanges(options.proxyProtocolFrom ?? []);
    this.#strangeProxies = new RateWindow(options.clock, strangeProxyMs);
    this.#tracePrefix = (options.random ?? systemRandom).identifier(8);
    setMaxListeners(0, this.#closing.signal);
    const pace = pacedBy(options.clock);
    const { tlsContexts, asksForCertificate = false } = options;
    this.#environment = {
      ticker: options.ticker ?? new DeadlineTicker(options.clock),
      clock: options.clock,
      log: options.log.child({ listener: options.name }),
      closing: this.#closing.signal,
      tls: options.tls === 'none' ? undefined : { contexts: tlsContexts!, asksForCertificate, pace },
      limits: { ...connectionLimitsDefault, ...options.connectionLimits },
      pace,
      beforeTls:
        options.tls === 'implicit'
          ? ({ remoteAddress }, bytes) => this.#lookForProxy(remoteAddress, bytes)
          : undefined,
      closed: (connection) => this.#sessionGone(connection),
    };
    // allowHalfOpen: a peer that ends after its last command still gets our answers.
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs },
      (socket) => this.#accept(socket),
    );
  }

  get address(): string {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.address : this.#options.address;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : this.#options.port;
  }

  get connections(): number {
    return this.#sessions.size;
  }

  *openSessions(): Generator<OpenSession> {
    for (const session of this.#sessions) if (session.isOpen) yield this.#shown(session);
  }

  endSessions(isWanted: (session: OpenSession) => boolean): number {
    const ending = [...this.#sessions].filter((session) => session.isOpen && isWanted(this.#shown(session)));
    for (const session of ending) {
      this.#environment.pace(() => session.dismiss());
      this.#options.clock.after(dismissedMsMax, () => {
        if (this.#sessions.has(session)) session.destroy();
      });
    }
    return ending.length;
  }

  #shown(session: SocketConnection): OpenSession {
    const { traceId: id, remoteAddress, remotePort, connectedAt, tls, user } = session;
    const common = { id, listener: this.name, remoteAddress, remotePort, user };
    return { ...common, connectedAt: Math.floor(connectedAt / 1000), tls: tls?.protocol };
  }

  setLimits(limits: ListenerLimits): void {
    this.#limits = limits;
  }

  setProtocol(protocol: SessionProtocol): void {
    this.#protocol = protocol;
  }

  async listen(): Promise<void> {
    const { name, address, port, sharesPort = false } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(listenFault(name, address, port, cause)),
      );
      this.#server.listen({ host: address, port, backlog, reusePort: sharesPort }, resolve);
    });
    this.#server.removeAllListeners('error');
    // EMFILE and the like: the connection is lost, the listener stays.
    this.#server.on('error', (error) => this.#environment.log.error({ err: error }, 'cannot accept'));
  }

  close(limitMs: number): Promise<void> {
    this.#closed ??= this.#close(limitMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #close(limitMs: number): Promise<void> {
    this.#server.close();
    this.#closing.abort();
    for (const socket of this.#nameless) socket.destroy();
    if (this.#sessions.size === 0) return;
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    void this.#forEachSession((session) => session.wakeForClosing());
    const timer = this.#options.clock.after(limitMs, () => {
      void this.#forEachSession((session) => session.destroy());
    });
    await emptied;
    timer.cancel();
  }

  async #forEachSession(act: (session: SocketConnection) => void): Promise<void> {
    const slicer = new Slicer(this.#options.clock);
    for (const session of this.#sessions) {
      this.#environment.pace(() => act(session));
      if (slicer.due()) await slicer.rest();
    }
  }

  #accept(socket: Socket): void {
    const remoteAddress = plainAddress(socket.remoteAddress ?? '');
    if (remoteAddress === '') {
      // Gone before we looked.
      socket.destroy();
      return;
    }
    const endpoints = {
      remoteAddress,
      remotePort: socket.remotePort ?? 0,
      localAddress: plainAddress(socket.localAddress ?? ''),
      localPort: socket.localPort ?? 0,
    };
    const proxied = this.#trustedProxies.contains(remoteAddress);
    void (proxied ? this.#serveProxied(socket, endpoints) : this.#serve(socket, endpoints));
  }

  /** Resolves the real endpoints first, then serves; a bad header cuts the connection. */
  async #serveProxied(socket: Socket, proxy: Endpoints): Promise<void> {
    let timedOut = false;
    const timer = this.#options.clock.after(proxyHeaderTimeoutMs, () => {
      timedOut = true;
      socket.destroy();
    });
    this.#nameless.add(socket);
    const found = await readProxyHeader(socket, proxy);
    this.#nameless.delete(socket);
    timer.cancel();
    if (typeof found === 'string') {
      const reason = timedOut ? 'timeout' : found;
      this.#environment.log.warn({ remoteAddress: proxy.remoteAddress, reason }, 'bad PROXY header');
      socket.destroy();
      return;
    }
    await this.#serve(socket, found);
  }

  /** The handshake fails of it, and neither end says why. */
  #lookForProxy(remoteAddress: string, bytes: Buffer): void {
    if (parseProxyHeader(bytes).outcome !== 'header') return;
    if (!this.#strangeProxies.take(remoteAddress, 1)) return;
    this.#environment.log.warn(
      { remoteAddress },
      'a PROXY header where TLS begins: a balancer at this address has to be in proxy_protocol_from',
    );
  }

  async #serve(socket: Socket, endpoints: Endpoints): Promise<void> {
    const refusal = this.#admit(endpoints.remoteAddress);
    if (refusal !== undefined) {
      this.#refuse(socket, endpoints, refusal);
      return;
    }
    const { log } = this.#environment;
    // A child keeps the level it was made with; a reload changes the root's.
    if (log.level !== this.#options.log.level) log.level = this.#options.log.level;
    const traceId = `${this.#tracePrefix}-${(this.#traceCount++).toString(36)}`;
    const connection = new SocketConnection(socket, traceId, endpoints, this.#environment);
    this.#sessions.add(connection);
    this.#options.metrics?.opened(this.name);
    try {
      if (this.#options.tls === 'implicit') await connection.startTls();
      await this.#protocol.run(connection);
      await connection.end();
    } catch (error) {
      this.#sessionFailed(connection, error);
    }
  }

  #sessionFailed(connection: SocketConnection, error: unknown): void {
    if (error instanceof ConnectionClosed || error instanceof IdleTimeout) {
      connection.log.debug({ reason: error.message }, 'session ended');
    } else {
      connection.log.error({ err: error }, 'session failed');
      this.#options.metrics?.failed(this.name);
    }
    // Not cut off: what the session said last shall arrive.
    void connection.end();
  }

  #admit(remoteAddress: string): RefusalReason | undefined {
    if (this.#closing.signal.aborted) return 'shuttingDown';
    if (this.#sessions.size >= this.#limits.connectionsMax) return 'tooManyConnections';
    if (this.#counts.acquire(remoteAddress, this.#limits.connectionsPerAddressMax)) return undefined;
    return 'tooManyConnectionsFromAddress';
  }

  #refuse(socket: Socket, endpoints: Endpoints, reason: RefusalReason): void {
    this.#options.metrics?.refused(this.name, reason);
    this.#environment.log.info({ remoteAddress: endpoints.remoteAddress, reason }, 'connection refused');
    socket.on('error', () => socket.destroy());
    const words = this.#options.tls === 'implicit' ? undefined : this.#protocol.refuse?.(reason);
    if (words === undefined) socket.destroy();
    else socket.end(words, 'latin1', () => socket.destroySoon());
  }

  #sessionGone(connection: SocketConnection): void {
    if (!this.#sessions.delete(connection)) return;
    this.#counts.release(connection.remoteAddress);
    this.#options.metrics?.closed(this.name);
    if (this.#sessions.size === 0) this.#emptied?.();
  }
}

function listenFault(name: string, address: string, port: number, cause: NodeJS.ErrnoException): Fault {
  const place = `${address}:${port}`;
  const key = `--set listen.${name}=${address}:PORT`;
  if (cause.code === 'EADDRINUSE') {
    const message = `${name}: ${place} is taken by another program; stop it or choose another port with ${key}`;
    return new Fault(message, { temporary: true, cause });
  }
  if (cause.code === 'EACCES') {
    const message = `${name}: no permission for ${place}; ports below 1024 need CAP_NET_BIND_SERVICE, or choose another port with ${key}`;
    return new Fault(message, { temporary: false, cause });
  }
  if (cause.code === 'EADDRNOTAVAIL') {
    const message = `${name}: this machine has no address ${address}; choose one it has with ${key}`;
    return new Fault(message, { temporary: false, cause });
  }
  return new Fault(`${name}: cannot listen on ${place}: ${cause.message}`, { temporary: false, cause });
}

/** The endpoints a PROXY header names, or why there is none. Bytes behind the header stay with the socket. */
function readProxyHeader(socket: Socket, proxy: Endpoints): Promise<Endpoints | string> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const finish = (result: Endpoints | string): void => {
      socket.removeAllListeners('data');
      socket.removeAllListeners('close');
      socket.pause();
      resolve(result);
    };
    socket.on('error', () => socket.destroy());
    socket.on('close', () => finish('closed'));
    socket.on('data', (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      const header = parseProxyHeader(bytes);
      if (header.outcome === 'incomplete' && bytes.length < proxyHeaderBytesMax) return;
      if (header.outcome !== 'header') {
        finish(header.outcome === 'invalid' ? header.reason : 'header too long');
        return;
      }
      const rest = bytes.subarray(header.length);
      finish(header.endpoints === undefined ? proxy : endpointsOf(header.endpoints));
      if (rest.length > 0) socket.unshift(rest);
    });
  });
}

function endpointsOf(proxied: {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}): Endpoints {
  return {
    remoteAddress: canonicalAddress(proxied.sourceAddress),
    remotePort: proxied.sourcePort,
    localAddress: canonicalAddress(proxied.destinationAddress),
    localPort: proxied.destinationPort,
  };
}
