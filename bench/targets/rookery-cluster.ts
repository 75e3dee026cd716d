// Rookery as a cluster on PostgreSQL, everything on this machine: `postgres-N` is N nodes with all roles, of which clients
// talk to the first; `frontend` is one node that hosts nothing, and one that hosts everything behind it; `frontend-outer` the
// same with the frontend in the outer zone, without a way to the database. Shards are where they stay before anybody measures.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { freePort } from '../../test/free-port.ts';
import { PostgresServer } from '../../test/postgres-server.ts';
import { type Apart, domain, idleUsers } from '../target.ts';
import { orStopped } from './processes.ts';
import {
  addAccounts,
  main,
  makeData,
  type RookeryOptions,
  type RookeryProcess,
  type RookeryTarget,
  startProcess,
  targetOf,
} from './rookery.ts';

const settleLimitMs = 120_000;
const pollMs = 200;

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

async function asked<T>(data: string, ask: (client: AdminClient) => Promise<T>): Promise<T> {
  const client = new AdminClient({ data });
  try {
    return await ask(client);
  } finally {
    client.close();
  }
}

async function makeToken(data: string, layout: string): Promise<string> {
  const outer = layout === 'frontend-outer' ? { roles: ['frontend'], zone: 'outer' } : {};
  const body = { uses: 1, ...outer };
  const { token } = await asked(data, (client) =>
    client.call<{ token: string }>({ method: 'POST', path: '/api/cluster/tokens', body }),
  );
  return token;
}

/** Every shard has a host, and nothing moves or is about to. */
async function settled(data: string): Promise<void> {
  const until = performance.now() + settleLimitMs;
  const isSettled = async (client: AdminClient): Promise<boolean> => {
    const { shards } = await client.call<{ shards: { unhosted: number; moving: number } }>({
      path: '/api/cluster',
    });
    if (shards.unhosted > 0 || shards.moving > 0) return false;
    const plan = { method: 'POST', path: '/api/cluster/rebalance', body: { dryRun: true } } as const;
    return (await client.call<{ moves: unknown[] }>(plan)).moves.length === 0;
  };
  await asked(data, async (client) => {
    while (!(await isSettled(client))) {
      if (performance.now() > until) throw new Error('the cluster moves shards and does not come to rest');
      await sleep(pollMs);
    }
  });
}

/** A user whom the second node of those in `order` hosts, and deliveries at the last: at the third when there are three. */
async function apart(data: string, order: readonly RookeryProcess[], host: string): Promise<Apart> {
  const user = await asked(data, async (client) => {
    for (const candidate of idleUsers) {
      const path = `/api/cluster/who/${encodeURIComponent(`${candidate}@${domain}`)}`;
      const { node } = await client.call<{ node: string | null }>({ path });
      if (node === host) return candidate;
    }
    throw new Error(`${host} hosts none of the users`);
  });
  return { user, lmtp: order.at(-1)!.ports.lmtp };
}

/** `layout`: postgres-1, postgres-2 …, frontend or frontend-outer. */
export async function startCluster(
  directory: string,
  { layout, accounts, nodeOptions }: RookeryOptions & { readonly layout: string },
): Promise<RookeryTarget> {
  const isFrontend = layout.startsWith('frontend');
  const count = isFrontend ? 2 : Number(layout.slice('postgres-'.length));
  const postgres = await PostgresServer.start();
  const data = makeData(directory);
  const servers: RookeryProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const server of servers.toReversed()) await server.stop();
    await postgres[Symbol.asyncDispose]();
    rmSync(data, { recursive: true, force: true });
  };
  await orStopped(async () => {
    const store = ['storage.engine=postgres', `storage.url=${await postgres.makeDatabase()}`];
    const first = await linkSettings();
    makeCluster(data, store);
    servers.push(await startProcess(data, { nodeOptions, settings: [...store, ...first.settings] }));
    await addAccounts(data, accounts);
    for (let index = 2; index <= count; index++) {
      const join = `${await makeToken(data, layout)}@127.0.0.1:${first.joinPort}`;
      const roles = isFrontend ? ['cluster.roles=["frontend"]'] : [];
      const settings = [...(await linkSettings()).settings, ...roles];
      const args = ['--join', join, '--node', `node${index}`];
      servers.push(await startProcess(makeData(directory), { nodeOptions, settings, args }));
    }
    await settled(data);
  }, stop);
  // Clients talk to the frontend; otherwise to any, as it does not matter.
  const order = isFrontend ? servers.toReversed() : servers;
  const host = isFrontend ? 'node1' : 'node2';
  return {
    ...targetOf(`rookery ${layout}`, order),
    apart: async () => (count === 1 ? undefined : await apart(data, order, host)),
    restart: async () => {
      for (const server of servers) await server.restart();
      await settled(data);
    },
    stop,
  };
}
