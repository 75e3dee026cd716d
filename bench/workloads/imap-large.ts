// The same work in a mailbox of 10,000 messages and in one of 1,000,000: a page of 50, one flag, one delivery. The large one
// is made by copying the small one into itself.

import type { LineClient } from '../line-client.ts';
import { fillMailbox, milliseconds, openMailbox, timed } from '../mailbox.ts';
import { messages } from '../message-mix.ts';
import { medianOf } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure, Workload } from './workload.ts';

const smallMessages = 10_000;
const largeMessages = 1_000_000;
const rounds = 15;
/** One COPY takes no more than a server allows. */
const copiedAtOnce = 100_000;

async function measure(
  target: TargetPlace,
  user: string,
  size: { count: number; label: string },
): Promise<Figure[]> {
  const opened = await openMailbox(target, user);
  const select = await timed(opened, 'SELECT INBOX');
  const page = await medianOf(rounds, async (round) => {
    const first = Math.max(1, Math.floor((size.count / (rounds + 1)) * (round + 1)) - 50);
    return (await timed(opened, `FETCH ${first}:${first + 49} (FLAGS UID ENVELOPE RFC822.SIZE)`)).ms;
  });
  const flag = await medianOf(rounds, async (round) => {
    const one = Math.max(1, Math.floor((size.count / (rounds + 1)) * (round + 1)));
    return (await timed(opened, `STORE ${one} +FLAGS (\\Flagged)`)).ms;
  });
  const bodies = messages('small', rounds, 77);
  const deliver = await medianOf(rounds, async (round) => {
    const startedAt = performance.now();
    await deliverAll(target.ports.lmtp, [bodies[round]!], {
      greeting: 'LHLO',
      connections: 1,
      recipient: () => `${user}@${target.domain}`,
    });
    await timed(opened, 'NOOP');
    return performance.now() - startedAt;
  });
  opened.end();
  return [
    milliseconds(`imap SELECT again, ${size.label} messages`, select.ms),
    milliseconds(`imap FETCH of a page of 50, ${size.label} messages`, page),
    milliseconds(`imap STORE of one flag, ${size.label} messages`, flag),
    milliseconds(`lmtp delivery seen by NOOP, ${size.label} messages`, deliver),
  ];
}

async function multiply(client: LineClient, from: number, to: number): Promise<void> {
  for (let count = from; count < to; ) {
    const more = Math.min(count, to - count, copiedAtOnce);
    await timed(client, `COPY 1:${more} INBOX`);
    await timed(client, 'NOOP');
    count += more;
  }
}

export const imapLarge: Workload = async (target, { scale }) => {
  const small = Math.ceil(smallMessages * scale);
  const large = Math.ceil(largeMessages * scale);
  await fillMailbox(target, { user: 'large', count: small, seed: 12_000, mix: 'small' });
  const before = await measure(target, 'large', { count: small, label: `of ${small}` });
  const client = await openMailbox(target, 'large');
  await multiply(client, small, large);
  client.end();
  return [...before, ...(await measure(target, 'large', { count: large, label: `of ${large}` }))];
};
