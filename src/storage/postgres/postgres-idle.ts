// Whether anybody uses a store in PostgreSQL: servers hold connections to its database, named after what they are for
// (postgres-engine.ts). A server that ended in good order or was killed is gone within moments, one whose machine is away as
// soon as PostgreSQL gives its connections up; so this waits a little before it says that the store is in use.
// Rejects with Fault when PostgreSQL cannot be asked.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { connectPostgres } from './postgres-connect.ts';
import type { PostgresSession } from './postgres-session.ts';

const waitMs = 3_000;
const lookIntervalMs = 100;
const timeoutMs = 10_000;

const sessionsStatement = {
  name: 'sessions',
  text: `SELECT DISTINCT coalesce(host(client_addr), 'this machine') FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'rookery %'`,
};

/** To be asked before this process opens an engine on it. Rejects with Fault when somebody uses it. */
export async function checkPostgresIdle({ url, clock }: { url: string; clock: Clock }): Promise<void> {
  const session = await connectPostgres(
    { url, clock },
    {
      applicationName: 'rookery look',
      statementTimeoutMs: timeoutMs,
      lockTimeoutMs: timeoutMs,
      answerTimeoutMs: timeoutMs,
      idleTransactionTimeoutMs: 0,
      transactionTimeoutMs: 0,
    },
  );
  try {
    const deadline = clock.monotonic() + waitMs;
    let users = await usersOf(session);
    while (users.length > 0 && clock.monotonic() < deadline) {
      await clock.sleep(lookIntervalMs);
      users = await usersOf(session);
    }
    if (users.length === 0) return;
    const message = `the store at ${session.address} is in use from ${users.join(', ')}: stop the servers first`;
    throw new Fault(message, { temporary: false });
  } finally {
    await session.close();
  }
}

async function usersOf(session: PostgresSession): Promise<string[]> {
  const { rows } = await session.run(sessionsStatement);
  return rows.map(([address]) => address!.toString('utf8'));
}
