// Fairness: how long a light client's NOOP takes while a heavy one fetches all bodies of a large mailbox again and again.

import { setTimeout as sleep } from 'node:timers/promises';
import { fillMailbox, login, milliseconds, openMailbox } from '../mailbox.ts';
import { median, percentile } from '../statistics.ts';
import type { Workload } from './workload.ts';

const heavyMessages = 10_000;
const heavySeconds = 4;
const pauseMs = 5;

export const fairness: Workload = async (target, { scale }) => {
  await fillMailbox(target, { user: 'heavy', count: Math.ceil(heavyMessages * scale), seed: 15_000 });
  const heavy = await openMailbox(target, 'heavy');
  const light = await login(target, 'user1');
  const until = performance.now() + heavySeconds * 1000 * Math.min(1, scale * 2);
  let running = true;
  const load = (async () => {
    const commands = [
      'FETCH 1:* BODY.PEEK[]',
      'FETCH 1:* (ENVELOPE BODYSTRUCTURE)',
      'SEARCH SUBJECT nowhere',
    ];
    for (let turn = 0; performance.now() < until; turn++)
      await heavy.command(`h ${commands[turn % commands.length]}\r\n`, 'h OK');
    running = false;
  })();
  const samples: number[] = [];
  while (running) {
    const startedAt = performance.now();
    await light.command('l NOOP\r\n', 'l OK');
    samples.push(performance.now() - startedAt);
    await sleep(pauseMs);
  }
  await load;
  heavy.end();
  light.end();
  return [
    milliseconds('light client beside a heavy one, NOOP median', median(samples)),
    milliseconds('light client beside a heavy one, NOOP p99', percentile(samples, 0.99)),
  ];
};
