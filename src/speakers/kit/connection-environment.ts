// What a listener gives to each of its connections: what they share, and between whom each one is.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { DeadlineTicker } from './deadline-ticker.ts';
import type { Pace } from './pace.ts';
import type { SocketConnection } from './socket-connection.ts';
import type { TlsPolicy } from './tls-handshake.ts';

/** What all connections of a listener share. */
export interface ConnectionEnvironment {
  readonly ticker: DeadlineTicker;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Logger;
  readonly closing: AbortSignal;
  readonly tls: TlsPolicy | undefined;
  readonly limits: ConnectionLimits;
  readonly pace: Pace;
  /** With what the client sent first where TLS was awaited: it may be something else. Undefined: nobody looks. */
  readonly beforeTls: ((connection: SocketConnection, bytes: Buffer) => void) | undefined;
  /** Called once, when the socket is gone. */
  closed(connection: SocketConnection): void;
}

export interface Endpoints {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}
