// What a protocol session sees of its socket: pull lines and bytes, push bytes, go secure, close. The kit keeps
// the limits: what is buffered in either direction is bounded, an idle peer is cut off, a reader that does not
// pull stops the socket (back-pressure), a peer that does not read stops the writer.

import type { Logger } from '../../base/log.ts';
import type { SessionUser } from './open-sessions.ts';

export interface TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  /** The name the client asked for (SNI). */
  readonly serverName: string | undefined;
  /** Whom the client's verified certificate names; none without one. For EXTERNAL. */
  readonly clientNames: readonly string[];
  /** RFC 9266 tls-exporter, RFC 5929 tls-server-end-point: undefined when there is none. For SCRAM -PLUS. */
  channelBinding(type: 'tls-exporter' | 'tls-server-end-point' | 'tls-unique'): Uint8Array | undefined;
}

export class LineTooLong extends Error {
  constructor() {
    super('line too long');
    this.name = 'LineTooLong';
  }
}
export class IdleTimeout extends Error {
  constructor() {
    super('idle timeout');
    this.name = 'IdleTimeout';
  }
}
/** The peer is gone, or the server is closing the connection. */
export class ConnectionClosed extends Error {
  constructor() {
    super('connection closed');
    this.name = 'ConnectionClosed';
  }
}

export interface Connection {
  /** Follows this session through every module and log line. */
  readonly traceId: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Undefined while in the clear. */
  readonly tls: TlsInfo | undefined;
  readonly log: Logger;
  /** Set by the session when somebody has logged in. */
  user: SessionUser | undefined;
  /** An administrator ends this session: as `closing`, for it alone. */
  readonly isDismissed: boolean;

  /**
   * The next line with its terminator, when it is buffered already; undefined: `await fill()` and try again.
   * A line ends with LF; the caller judges CRLF. Throws LineTooLong when more than `bytesMax` came without LF
   * (what came of it is dropped up to its LF by the next calls, so a session can answer and go on).
   * The result is a view that stays valid.
   */
  takeLine(bytesMax: number): Buffer | undefined;
  /** Up to `bytesMax` buffered bytes, undefined when nothing is buffered. A view that stays valid. */
  takeBytes(bytesMax: number): Buffer | undefined;
  /** Gives back the end of what the last takeBytes returned: the next take sees it first. */
  putBack(bytes: Buffer): void;
  /** Bytes buffered now: a STARTTLS with something behind it is refused (RFC 3207, CVE-2011-0411). */
  readonly bufferedBytes: number;
  /**
   * Waits for more input than the last take saw; returns at once when it came meanwhile. False at the peer's end of
   * stream. Throws IdleTimeout, ConnectionClosed. While the server drains (`closing`, `isDismissed`) it throws ConnectionClosed, also
   * out of a wait under way, unless `midCommand`: then the rest of a command (a literal, DATA) may still come.
   * After that the session may still write its goodbye. Called again during a wait it returns the same promise.
   */
  fill(idleTimeoutMs: number, midCommand?: boolean): Promise<boolean>;

  /** Queues output; strings are latin1 (one char a byte). Sent at the end of this turn of the event loop, in one write. */
  write(data: string | Uint8Array): void;
  /** True when so much is waiting, or the peer is gone, that the writer should `await drain()` before the next write. */
  readonly congested: boolean;
  /** Resolves when the peer has taken enough. Throws ConnectionClosed, IdleTimeout (a peer that does not read for too long). */
  drain(): Promise<void>;
  /** Sends what is queued now rather than at the end of the turn. */
  flush(): void;

  /** After the STARTTLS answer was written: the handshake. Throws ConnectionClosed when it fails. */
  startTls(): Promise<void>;
  /** Sends what is queued, then ends. */
  end(): Promise<void>;
  /** Cuts it off. */
  destroy(): void;
  /** Resolves or fires when the server drains: finish the running command, say goodbye, end. */
  readonly closing: AbortSignal;
}

/** Why a listener turns a connection away before there is a session. */
export type RefusalReason = 'tooManyConnections' | 'tooManyConnectionsFromAddress' | 'shuttingDown';

/** A protocol as the listener sees it. */
export interface SessionProtocol {
  readonly name: string;
  /** Speaks on one connection until it ends. What it throws ends that connection only, and is logged. */
  run(connection: Connection): Promise<void>;
  /** What to say (with its CRLF) to a connection that is turned away in the clear; nothing when absent. */
  refuse?(reason: RefusalReason): string;
}
