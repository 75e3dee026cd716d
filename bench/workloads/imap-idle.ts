// Thousands of idle sessions: how much the server's memory grows for each, and how long after a delivery's 250 the client
// sees EXISTS. Memory is read by the runner, which knows the server's processes; this workload holds the sessions open
// meanwhile, so it is called in two steps.

import { LineClient } from '../line-client.ts';
import { messages } from '../message-mix.ts';
import { percentile } from '../statistics.ts';
import { idleUserCount, type TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure } from './workload.ts';

const openAtOnce = 50;
/** A server that polls (a peer without inotify) takes half a minute for each. */
const measureMs = 15_000;

export async function openIdleSessions(target: TargetPlace, count: number): Promise<LineClient[]> {
  const sessions: LineClient[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: openAtOnce }, async () => {
      while (next < count) {
        const user = `idle${next++ % idleUserCount}@${target.domain}`;
        const client = await LineClient.open(target.ports.imap);
        await client.lastLine('* OK');
        await client.command(`a LOGIN ${user} ${target.password}\r\n`, 'a OK');
        await client.command('b SELECT INBOX\r\n', 'b OK');
        await client.command('c IDLE\r\n', '+');
        sessions.push(client);
      }
    }),
  );
  return sessions;
}

/** Delivers to one idle user after another, and waits for every of its sessions' EXISTS. */
export async function measureNotification(target: TargetPlace, rounds: number): Promise<Figure[]> {
  const samples: number[] = [];
  const watcher = await LineClient.open(target.ports.imap);
  await watcher.lastLine('* OK');
  await watcher.command(`a LOGIN idle0@${target.domain} ${target.password}\r\n`, 'a OK');
  await watcher.command('b SELECT INBOX\r\n', 'b OK');
  await watcher.command('c IDLE\r\n', '+');
  const until = performance.now() + measureMs;
  for (const body of messages('small', rounds, 41)) {
    if (performance.now() > until) break;
    let seenAt: number | undefined;
    const seen = watcher
      .lineThat((line) => line.endsWith('EXISTS') || line.endsWith('RECENT'))
      .then(() => (seenAt = performance.now()));
    await deliverAll(target.ports.lmtp, [body], {
      greeting: 'LHLO',
      connections: 1,
      recipient: () => `idle0@${target.domain}`,
    });
    const answeredAt = performance.now();
    await seen;
    samples.push(Math.max(0, (seenAt ?? answeredAt) - answeredAt));
  }
  watcher.end();
  return [
    {
      name: 'imap IDLE, 250 to EXISTS, median',
      value: percentile(samples, 0.5),
      unit: 'ms',
      better: 'lower',
    },
    { name: 'imap IDLE, 250 to EXISTS, p99', value: percentile(samples, 0.99), unit: 'ms', better: 'lower' },
  ];
}
