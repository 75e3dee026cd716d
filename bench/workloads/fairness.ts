// Fairness: how long a light client's NOOP takes while a heavy one fetches all bodies of a large mailbox again and again.

import { LineClient } from '../line-client.ts';
import { percentile } from '../statistics.ts';
import type { Workload } from './workload.ts';

const heavySeconds = 4;
const pauseMs = 5;

export const fairness: Workload = async (target, { scale }) => {
  const heavy = await LineClient.open(target.ports.imap);
  await heavy.lastLine('* OK');
  await heavy.command(`a LOGIN fetch@${target.domain} ${target.password}\r\n`, 'a OK');
  await heavy.command('a SELECT INBOX\r\n', 'a OK');
  const light = await LineClient.open(target.ports.imap);
  await light.lastLine('* OK');
  await light.command(`a LOGIN user1@${target.domain} ${target.password}\r\n`, 'a OK');
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
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  await load;
  heavy.end();
  light.end();
  return [
    {
      name: 'light client beside a heavy one, NOOP median',
      value: percentile(samples, 0.5),
      unit: 'ms',
      better: 'lower',
    },
    {
      name: 'light client beside a heavy one, NOOP p99',
      value: percentile(samples, 0.99),
      unit: 'ms',
      better: 'lower',
    },
  ];
};
