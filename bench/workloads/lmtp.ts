// LMTP deliveries over ten connections to twenty users, pipelined as Postfix does it: envelope and DATA in one write.

import { LineClient } from '../line-client.ts';
import { type MixName, messages } from '../message-mix.ts';
import { throughputOf } from '../statistics.ts';
import { type TargetPlace, userCount } from '../target.ts';
import type { Figure, Workload } from './workload.ts';

const connectionCount = 10;
const end = Buffer.from('.\r\n');

/** Sends every message once, spread over the connections; gives the seconds it took. `greeting` is LHLO or EHLO. */
export async function deliverAll(
  port: number,
  bodies: readonly Buffer[],
  options: {
    readonly greeting: 'LHLO' | 'EHLO';
    readonly connections?: number;
    readonly recipient: (index: number) => string;
  },
): Promise<number> {
  let next = 0;
  const clients = await Promise.all(
    Array.from({ length: options.connections ?? connectionCount }, () => LineClient.open(port)),
  );
  for (const client of clients) {
    await client.lastLine('220 ');
    await client.command(`${options.greeting} bench.example\r\n`, '250 ');
  }
  const startedAt = performance.now();
  await Promise.all(
    clients.map(async (client) => {
      while (next < bodies.length) {
        const index = next++;
        const envelope = `MAIL FROM:<sender@example.org>\r\nRCPT TO:<${options.recipient(index)}>\r\nDATA\r\n`;
        await client.command(envelope, '354');
        const done = client.lastLine('250 ');
        client.writeTogether(bodies[index]!, end);
        await done;
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const client of clients) client.end();
  return seconds;
}

/** Messages a second. */
async function throughput(
  target: TargetPlace,
  { mix, count, round }: { mix: MixName; count: number; round: number },
): Promise<number> {
  const bodies = messages(mix, count, (mix === 'small' ? 11 : 12) + 100 * round);
  const recipient = (index: number): string => `user${index % userCount}@${target.domain}`;
  return count / (await deliverAll(target.ports.lmtp, bodies, { greeting: 'LHLO', recipient }));
}

async function measure(target: TargetPlace, mix: MixName, count: number): Promise<Figure> {
  const value = await throughputOf((round) => throughput(target, { mix, count, round }));
  const name = mix === 'small' ? 'lmtp 4 KB, 10 connections' : 'lmtp mix, 10 connections';
  return { name, value, unit: '/s', better: 'higher' };
}

export const lmtp: Workload = async (target, { scale }) => [
  await measure(target, 'small', Math.ceil(10_000 * scale)),
  await measure(target, 'mix', Math.ceil(3000 * scale)),
];
