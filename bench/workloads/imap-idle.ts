// Many idle sessions: how long after a delivery's 250 a client among them sees EXISTS, and how much the server's memory
// grows for each. Memory is read by the runner, which knows the server's processes; the generator holds the sessions open
// meanwhile, so the runner calls these one by one.

import { login, messageCount } from '../mailbox.ts';
import { messages } from '../message-mix.ts';
import { percentile } from '../statistics.ts';
import { idleUserCount, type TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure } from './workload.ts';

const openAtOnce = 50;
/** A server that polls (a peer without inotify) takes half a minute for each. */
const measureMs = 15_000;

export interface IdleSessions {
  readonly count: number;
  /** Over TLS. */
  readonly secure: boolean;
}

/** They stay open as long as the generator lives. */
export async function openIdleSessions(target: TargetPlace, { count, secure }: IdleSessions): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: openAtOnce }, async () => {
      while (next < count) {
        const client = await login(target, `idle${next++ % idleUserCount}`, { secure });
        await client.command('b SELECT INBOX\r\n', 'b OK');
        await client.command('c IDLE\r\n', '+');
      }
    }),
  );
}

export interface Notification {
  /** The figures' name. */
  readonly name: string;
  readonly user: string;
  /** Where the deliveries go; undefined: where the target takes them. */
  readonly lmtp: number | undefined;
  readonly rounds: number;
}

/** Delivers to the user one message after another; a session of the user waits for each. */
export async function measureNotification(
  target: TargetPlace,
  { name, user, lmtp, rounds }: Notification,
): Promise<Figure[]> {
  const watcher = await login(target, user);
  let count = await messageCount(watcher);
  await watcher.command('c IDLE\r\n', '+');
  const samples: number[] = [];
  const until = performance.now() + measureMs;
  for (const body of messages('small', rounds, 41)) {
    if (performance.now() > until) break;
    const seen = watcher.wholeLine(`* ${++count} EXISTS`).then(() => performance.now());
    await deliverAll(lmtp ?? target.ports.lmtp, [body], {
      greeting: 'LHLO',
      connections: 1,
      recipient: () => `${user}@${target.domain}`,
    });
    const answeredAt = performance.now();
    samples.push(Math.max(0, (await seen) - answeredAt));
  }
  watcher.end();
  const figure = (kind: string, fraction: number): Figure => ({
    name: `${name}, 250 to EXISTS, ${kind}`,
    value: percentile(samples, fraction),
    unit: 'ms',
    better: 'lower',
  });
  return [figure('median', 0.5), figure('p99', 0.99)];
}
