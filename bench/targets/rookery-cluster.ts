// Rookery as a cluster on PostgreSQL, everything on this machine: `postgres-N` is N nodes with all roles, of which clients
// talk to the first; `frontend` is one node that hosts nothing and one that hosts everything behind it.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { freePort } from '../../test/free-port.ts';
import { PostgresServer } from '../../test/postgres-server.ts';
import {
  addAccounts,
  makeData,
  type RookeryProcess,
  type RookeryTarget,
  startProcess,
  targetOf,
} from './rookery.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

async function linkSettings(): Promise<{ readonly settings: string[]; readonly joinPort: number }> {
  const joinPort = await freePort();
  return {
    settings: [`listen.link=127.0.0.1:${await freePort()}`, `listen.join=127.0.0.1:${joinPort}`],
    joinPort,
  };
}

function makeCluster(data: string, settings: readonly string[]): void {
  const args = [main, 'cluster', 'init', '--node', 'node1', '--data', data];
  const made = spawnSync(process.execPath, [...args, ...settings.flatMap((setting) => ['--set', setting])]);
  if (made.status !== 0) throw new Error(made.stderr.toString());
}

async function makeToken(data: string, uses: number): Promise<string> {
  const client = new AdminClient({ data });
  const { token } = await client.call<{ token: string }>({
    method: 'POST',
    path: '/api/cluster/tokens',
    body: { uses },
  });
  client.close();
  return token;
}

/** `layout`: postgres-1, postgres-2 … or frontend. */
export async function startCluster(directory: string, layout: string): Promise<RookeryTarget> {
  const count = layout === 'frontend' ? 2 : Number(/^postgres-([1-9])$/.exec(layout)?.[1]);
  if (!Number.isInteger(count))
    throw new Error(`--layout ${layout}: lmdb, workers-1 to workers-9, postgres-1 to postgres-9 or frontend`);
  const postgres = await PostgresServer.start();
  const servers: RookeryProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers.toReversed()) await server.stop();
    await postgres[Symbol.asyncDispose]();
  };
  try {
    const store = ['storage.engine=postgres', `storage.url=${await postgres.makeDatabase()}`];
    const first = await linkSettings();
    const data = makeData(directory);
    makeCluster(data, store);
    servers.push(await startProcess(data, { settings: [...store, ...first.settings] }));
    await addAccounts(data);
    for (let index = 2; index <= count; index++) {
      const join = `${await makeToken(data, 1)}@127.0.0.1:${first.joinPort}`;
      const roles = layout === 'frontend' ? ['cluster.roles=["frontend"]'] : [];
      const settings = [...(await linkSettings()).settings, ...roles];
      const args = ['--join', join, '--node', `node${index}`];
      servers.push(await startProcess(makeData(directory), { settings, args }));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  // Clients talk to the frontend; otherwise to any, as it does not matter.
  const order = layout === 'frontend' ? servers.toReversed() : servers;
  return { ...targetOf(`rookery ${layout}`, order), stop };
}
