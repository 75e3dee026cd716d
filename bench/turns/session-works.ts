// Works of many sessions at once: they come, idle, are told of deliveries, and leave.

import { setTimeout } from 'node:timers/promises';
import type { LineClient } from '../line-client.ts';
import { login, openMailbox } from '../mailbox.ts';
import { messages } from '../message-mix.ts';
import { deliverAll } from '../workloads/lmtp.ts';
import type { Work, WorkPlace } from './work.ts';

/** Accounts that the sessions are spread over. */
export const sessionUsers = 100;
const sessionCount = 5000;
const openAtOnce = 2000;
const drainPollMs = 100;

async function sessions({ target, scale }: WorkPlace, secure = false): Promise<LineClient[]> {
  const open: LineClient[] = [];
  let next = 0;
  const count = Math.ceil(sessionCount * scale * (secure ? 0.3 : 1));
  await Promise.all(
    Array.from({ length: openAtOnce }, async () => {
      while (next < count) {
        const client = await login(target, `user${next++ % sessionUsers}`, { secure });
        await client.command('b SELECT INBOX\r\n', 'b OK');
        await client.command('c IDLE\r\n', '+');
        open.push(client);
      }
    }),
  );
  return open;
}

/** Its shards go to another one, which takes its sessions over. */
export const nodeDrainWork: Work = {
  name: 'a node is drained beside idle sessions',
  layouts: /^postgres-[2-9]$/,
  run: async (place, watch) => {
    const { admin } = place;
    const open = await sessions(place);
    const node = '/api/cluster/nodes/node1';
    await watch();
    await admin.call({ method: 'POST', path: `${node}/drain` });
    for (let shards = 1; shards > 0; ) {
      const { nodes } = await admin.call<{ nodes: { node: string; shards: number }[] }>({
        path: '/api/cluster',
      });
      shards = nodes.find(({ node: name }) => name === 'node1')!.shards;
      await setTimeout(drainPollMs);
    }
    for (const client of open) client.end();
    await admin.call({ method: 'POST', path: `${node}/undrain` });
  },
};

/** The server drains because it was told to end. */
export const drainWork: Work = {
  name: 'the server drains beside idle sessions',
  ends: true,
  run: async (place, watch) => {
    const open = [...(await sessions(place)), ...(await sessions(place, true))];
    await watch();
    const stopped = Promise.all(place.target.servers.map(async (server) => server.end()));
    await Promise.all(open.map((client) => client.dismissed()));
    await stopped;
  },
};

export const sessionWorks: readonly Work[] = [
  {
    name: 'logins, many at once',
    run: async (place, watch) => {
      await watch();
      for (const client of await sessions(place)) client.end();
    },
  },
  {
    name: 'logins over TLS, many at once',
    run: async (place, watch) => {
      await watch();
      for (const client of await sessions(place, true)) client.end();
    },
  },
  {
    name: 'deliveries to idle sessions',
    run: async (place, watch) => {
      const open = await sessions(place);
      await watch();
      await deliverAll(place.target.ports.lmtp, messages('small', 500, 5), {
        greeting: 'LHLO',
        recipient: (index) => `user${index % sessionUsers}@${place.target.domain}`,
      });
      for (const client of open) client.end();
    },
  },
  {
    name: 'one account with all idle sessions',
    run: async (place, watch) => {
      const open: LineClient[] = [];
      for (let made = 0; made < Math.ceil(1000 * place.scale); made++) {
        const client = await openMailbox(place.target, 'user0');
        await client.command('c IDLE\r\n', '+');
        open.push(client);
      }
      await watch();
      await deliverAll(place.target.ports.lmtp, messages('small', 50, 6), {
        greeting: 'LHLO',
        connections: 1,
        recipient: () => `user0@${place.target.domain}`,
      });
      for (const client of open) client.end();
    },
  },
  {
    name: 'reload, metrics beside idle sessions',
    run: async (place, watch) => {
      const open = await sessions(place);
      const secure = await sessions(place, true);
      await watch();
      for (let round = 0; round < 3; round++) {
        await place.admin.call({ method: 'POST', path: '/api/reload' });
        await (await fetch(`http://127.0.0.1:${place.target.adminPort}/metrics`)).text();
      }
      for (const client of [...open, ...secure]) client.end();
    },
  },
  {
    name: 'all sessions leave at once',
    run: async (place, watch) => {
      const open = await sessions(place);
      await watch();
      await Promise.all(open.map((client) => client.leave()));
    },
  },
  {
    name: 'all sessions over TLS leave at once',
    run: async (place, watch) => {
      const open = await sessions(place, true);
      await watch();
      await Promise.all(open.map((client) => client.leave()));
    },
  },
];
