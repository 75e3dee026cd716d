// A listener on loopback for tests of sessions: what it runs is the test's. Not part of the program; a test may import it,
// nothing else does.

import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Connection } from './connection.ts';
import { type Listener, type ListenerOptions, openListener } from './listener.ts';

export type Run = (connection: Connection) => Promise<void>;

export async function openTestListener(run: Run, options: Partial<ListenerOptions> = {}): Promise<Listener> {
  return await openListener({
    name: 'test',
    address: '127.0.0.1',
    port: 0,
    tls: 'none',
    protocol: { name: 'test', run, refuse: (reason) => `no: ${reason}\r\n` },
    limits: { connectionsMax: 10, connectionsPerAddressMax: 10 },
    clock: systemClock,
    log: silentLog,
    ...options,
  });
}

export async function nextLine(connection: Connection, bytesMax = 100): Promise<string | undefined> {
  for (;;) {
    const line = connection.takeLine(bytesMax);
    if (line !== undefined) return line.toString('latin1');
    if (!(await connection.fill(60_000))) return undefined;
  }
}

/** Answers every line with itself. */
export const echo: Run = async (connection) => {
  for (;;) {
    const line = await nextLine(connection);
    if (line === undefined) return;
    connection.write(line);
    if (connection.congested) await connection.drain();
  }
};
