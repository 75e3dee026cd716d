// SEARCH, SORT and THREAD over a mailbox of 10,000 mixed messages: first after the delivery has settled, and warm.

import { LineClient } from '../line-client.ts';
import { messages } from '../message-mix.ts';
import { median } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure, Workload } from './workload.ts';

const mailboxMessages = 10_000;
const batch = 1000;
/** Servers index what was delivered in their own time; what is asked at once is another matter. */
const settleMs = 15_000;

const commands: readonly (readonly [name: string, command: string])[] = [
  ['SEARCH SUBJECT', 'SEARCH SUBJECT school'],
  ['SEARCH FROM', 'SEARCH FROM "Sender 77"'],
  ['SORT (REVERSE DATE)', 'SORT (REVERSE DATE) UTF-8 ALL'],
  ['SORT (SUBJECT)', 'SORT (SUBJECT) UTF-8 ALL'],
  ['THREAD REFERENCES', 'THREAD REFERENCES UTF-8 ALL'],
  ['SEARCH BODY, in none', 'SEARCH BODY xylophone'],
  ['SEARCH BODY, in most', 'SEARCH BODY school'],
  ['SEARCH BODY, two words', 'SEARCH BODY "great school"'],
];

async function fill(target: TargetPlace, count: number): Promise<void> {
  for (let done = 0; done < count; done += batch) {
    const bodies = messages('mix', Math.min(batch, count - done), 5000 + done);
    await deliverAll(target.ports.lmtp, bodies, {
      greeting: 'LHLO',
      recipient: () => `search@${target.domain}`,
    });
  }
}

async function select(target: TargetPlace): Promise<LineClient> {
  const client = await LineClient.open(target.ports.imap);
  await client.lastLine('* OK');
  await client.command(`a LOGIN search@${target.domain} ${target.password}\r\n`, 'a OK');
  await client.command('a SELECT INBOX\r\n', 'a OK');
  return client;
}

async function timed(client: LineClient, command: string): Promise<number> {
  const startedAt = performance.now();
  await client.command(`x ${command}\r\n`, 'x OK');
  return performance.now() - startedAt;
}

const milliseconds = (name: string, value: number): Figure => ({ name, value, unit: 'ms', better: 'lower' });

export const imapSearch: Workload = async (target, { scale }) => {
  const count = Math.ceil(mailboxMessages * scale);
  await fill(target, count);
  await new Promise((resolve) => setTimeout(resolve, settleMs * scale));
  const client = await select(target);
  const figures: Figure[] = [];
  for (const [name, command] of commands) {
    const first = await timed(client, command);
    const warm: number[] = [];
    for (let run = 0; run < 5; run++) warm.push(await timed(client, command));
    figures.push(milliseconds(`imap ${name} of ${count}, first`, first));
    figures.push(milliseconds(`imap ${name} of ${count}, warm`, median(warm)));
  }
  client.end();
  return figures;
};
