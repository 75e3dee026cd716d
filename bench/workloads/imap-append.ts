// APPEND of 4 KB messages on one connection and on ten (ten users), literal synchronising as most clients do.

import { LineClient } from '../line-client.ts';
import { messages } from '../message-mix.ts';
import type { TargetPlace } from '../target.ts';
import type { Figure, Workload } from './workload.ts';

async function append(target: TargetPlace, connections: number, count: number): Promise<Figure> {
  const bodies = messages('small', count, 20 + connections);
  const clients = await Promise.all(
    Array.from({ length: connections }, () => LineClient.open(target.ports.imap)),
  );
  for (const [index, client] of clients.entries()) {
    await client.lastLine('* OK');
    await client.command(`a LOGIN user${index}@${target.domain} ${target.password}\r\n`, 'a OK');
  }
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
  return {
    name: `imap APPEND 4 KB, ${connections} connection${connections === 1 ? '' : 's'}`,
    value: count / seconds,
    unit: '/s',
    better: 'higher',
  };
}

export const imapAppend: Workload = async (target, { scale }) => {
  await append(target, 10, Math.ceil(3000 * scale));
  const one = await append(target, 1, Math.ceil(2000 * scale));
  const ten = await append(target, 10, Math.ceil(10_000 * scale));
  return [one, ten];
};
