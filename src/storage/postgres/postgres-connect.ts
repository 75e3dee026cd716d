// Opens connections to the server that takes writes. A connection string may name several hosts, as libpq's may: they are
// tried in order; a standby (a server in recovery) is passed over, and so is a server whose transactions are read-only by
// default, so after a failover the new primary is found.
//
// Invariant: a session that was opened here spoke to a writable server, with the settings below. When no host will do, it
// rejects with a temporary Fault that says why for each; passwords are in no message.

import { Socket } from 'node:net';
import { Client } from 'pg';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { ReadBuffer } from '../../base/read-buffer.ts';
import { PostgresSession, type Silence } from './postgres-session.ts';

const connectTimeoutMs = 5_000;
const defaultPort = '5432';
/** As much as the system gives in one read, mostly. */
const readBufferBytes = 256 * 1024;

export interface ConnectOptions {
  /** postgres://user:password@host1:5432,host2:5432/database?sslmode=…, as libpq's. A host may be a socket's folder, encoded. */
  readonly url: string;
  readonly clock: Clock;
}

export interface SessionSettings {
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** The server gives up a statement after so long, and a wait for another's row after `lockTimeoutMs`. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** The connection is given up without any answer for so long. */
  readonly answerTimeoutMs: number;
  /** An open transaction without a statement for so long is ended by the server: its node has stopped. 0: never. */
  readonly idleTransactionTimeoutMs: number;
  /** The server ends a transaction of so long (from PostgreSQL 17 on): its node stopped between two messages. 0: never. */
  readonly transactionTimeoutMs: number;
  /** For what no answer comes on; `pid`: the process of the server that is to answer. */
  readonly silence?: (pid: number) => Silence;
}

export interface HostUrl {
  readonly address: string;
  readonly url: string;
}

/** One URL for each host, in order. Throws Fault when it is no PostgreSQL URL. */
export function hostUrls(url: string): HostUrl[] {
  const match = /^(postgres(?:ql)?:\/\/)([^/?#]*@)?([^/?#@]*)(\/[^?#]*)?(\?[^#]*)?$/.exec(url);
  if (match === null) {
    throw new Fault('not a PostgreSQL URL: postgres://user@host:port/database is one', { temporary: false });
  }
  const [, scheme, credentials = '', hosts, path = '/', query = ''] = match;
  const parameters = new URLSearchParams(query);
  const wanted = parameters.get('target_session_attrs') ?? 'read-write';
  if (wanted !== 'read-write' && wanted !== 'primary') {
    throw new Fault(`target_session_attrs=${wanted}: Rookery needs read-write`, { temporary: false });
  }
  parameters.delete('target_session_attrs');
  const rest = parameters.size === 0 ? '' : `?${parameters.toString()}`;
  return hosts!.split(',').map((host) => {
    const hasPort = /:\d+$/.test(host);
    const address = hasPort ? host : `${host}:${defaultPort}`;
    return { address: decodeURIComponent(address), url: `${scheme}${credentials}${address}${path}${rest}` };
  });
}

export async function connectPostgres(
  { url, clock }: ConnectOptions,
  settings: SessionSettings,
): Promise<PostgresSession> {
  const failures: string[] = [];
  let cause: unknown;
  for (const host of hostUrls(url)) {
    try {
      return await connectHost(host, settings, clock);
    } catch (error) {
      failures.push(`${host.address}: ${error instanceof Error ? error.message : String(error)}`);
      cause = error;
    }
  }
  throw new Fault(`no PostgreSQL server takes writes: ${failures.join('; ')}`, { temporary: true, cause });
}

async function connectHost(host: HostUrl, settings: SessionSettings, clock: Clock): Promise<PostgresSession> {
  const readBuffer = new ReadBuffer({
    bytes: readBufferBytes,
    // `pg` opens the connection, and listens to the socket; what it hears may last longer than the turn.
    unheard: (piece) => socket.emit('data', Buffer.from(piece)),
  });
  const socket = new Socket({ onread: readBuffer.onread });
  const client = new Client({
    connectionString: host.url,
    stream: () => socket,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    application_name: settings.applicationName,
    // A server that accepts and then says nothing is as gone as one that does not accept.
    query_timeout: connectTimeoutMs,
  });
  // Told by the rejection; without a listener it would end the process.
  client.on('error', () => {});
  let isReady = false;
  try {
    await client.connect();
    const { rows } = await client.query({
      text: `SELECT pg_is_in_recovery() AS recovery, pg_postmaster_start_time()::text AS started, pg_backend_pid() AS pid,
current_setting('default_transaction_read_only') AS reads`,
    });
    if (rows[0].recovery === true) throw new Error('a standby, which takes no writes');
    if (rows[0].reads === 'on') throw new Error('it takes no writes: default_transaction_read_only is on');
    await client.query(sessionSettings(settings));
    isReady = true;
    const { answerTimeoutMs, silence } = settings;
    // Over TLS `pg` has another one on top, which reads the socket by itself.
    const isPlain = client.connection.stream === socket;
    return new PostgresSession({
      client,
      address: host.address,
      server: rows[0].started,
      clock,
      answerTimeoutMs,
      ...(silence === undefined ? {} : { silence: silence(rows[0].pid) }),
      ...(isPlain ? { listen: (listener) => readBuffer.listen(listener) } : {}),
    });
  } finally {
    if (!isReady) client.connection.stream.destroy();
  }
}

/**
 * The plans: every statement of the engine is a walk along the primary key, and a plan that was made when the tables were empty
 * must not be a scan of all of them.
 */
function sessionSettings(settings: SessionSettings): string {
  return [
    `SET statement_timeout = ${settings.statementTimeoutMs}`,
    `SET lock_timeout = ${settings.lockTimeoutMs}`,
    `SET idle_in_transaction_session_timeout = ${settings.idleTransactionTimeoutMs}`,
    `SELECT set_config(name, '${settings.transactionTimeoutMs}', false) FROM pg_settings WHERE name = 'transaction_timeout'`,
    "SET default_transaction_isolation = 'read committed'",
    'SET enable_seqscan = off',
    'SET enable_bitmapscan = off',
    'SET enable_hashjoin = off',
    'SET enable_mergejoin = off',
    'SET plan_cache_mode = force_generic_plan',
    'SET jit = off',
    'SET client_min_messages = warning',
  ].join('; ');
}
