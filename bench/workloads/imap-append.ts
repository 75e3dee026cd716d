// APPEND of 4 KB messages on one connection and on ten (ten users), literal synchronising as most clients do.

import { login } from '../mailbox.ts';
import { messages } from '../message-mix.ts';
import { throughputOf } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import type { Figure, Workload } from './workload.ts';

/** Messages a second. */
async function throughput(
  target: TargetPlace,
  { connections, count, round }: { connections: number; count: number; round: number },
): Promise<number> {
  const bodies = messages('small', count, 20 + connections + 100 * round);
  const clients = await Promise.all(
    Array.from({ length: connections }, (_, index) => login(target, `user${index}`)),
  );
  let next = 0;
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (next < bodies.length) {
        const body = bodies[next++]!;
        await client.command(`a APPEND INBOX {${body.length}}\r\n`, '+');
        const done = client.lastLine('a OK');
        client.writeTogether(body, '\r\n');
        await done;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) client.end();
  return count / seconds;
}

async function measure(target: TargetPlace, connections: number, count: number): Promise<Figure> {
  const value = await throughputOf((round) => throughput(target, { connections, count, round }));
  const name = `imap APPEND 4 KB, ${connections} connection${connections === 1 ? '' : 's'}`;
  return { name, value, unit: '/s', better: 'higher' };
}

export const imapAppend: Workload = async (target, { scale }) => {
  const ten = await measure(target, 10, Math.ceil(8000 * scale));
  const one = await measure(target, 1, Math.ceil(2000 * scale));
  return [one, ten];
};
