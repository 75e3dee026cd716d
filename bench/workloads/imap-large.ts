// The same work in a mailbox of 10,000 messages and in one of 1,000,000, in turn: a page of 50, one flag, another session's
// flag, one delivery. The large one is made by copying 10,000 into themselves.

import type { LineClient } from '../line-client.ts';
import { fillMailbox, milliseconds, openMailbox, timed } from '../mailbox.ts';
import { messages } from '../message-mix.ts';
import { median } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import { deliverAll } from './lmtp.ts';
import type { Figure, Workload } from './workload.ts';

const smallMessages = 10_000;
const largeMessages = 1_000_000;
/** Rounds that count, and as many before them: of a few commands of half a millisecond each a busy moment decides. */
const rounds = 100;
/** One COPY takes no more than a server allows. */
const copiedAtOnce = 100_000;

interface Opened {
  readonly user: string;
  readonly count: number;
  readonly client: LineClient;
  /** Another session in the same mailbox. */
  readonly other: LineClient;
}

async function open(target: TargetPlace, user: string, count: number): Promise<Opened> {
  return { user, count, client: await openMailbox(target, user), other: await openMailbox(target, user) };
}

/** The medians of both mailboxes, which take turns: what else the machine does then, it does to both. */
async function inTurn(
  name: string,
  mailboxes: readonly Opened[],
  work: (mailbox: Opened, round: number) => Promise<number>,
): Promise<Figure[]> {
  const samples = mailboxes.map((): number[] => []);
  for (let round = 0; round < 2 * rounds; round++)
    for (const [index, mailbox] of mailboxes.entries()) samples[index]!.push(await work(mailbox, round));
  return mailboxes.map(({ count }, index) =>
    milliseconds(`${name}, of ${count} messages`, median(samples[index]!.slice(rounds))),
  );
}

/** Every round has its own message, over the whole mailbox. */
function messageOf({ count }: Opened, round: number): number {
  return Math.max(1, Math.floor((count / (2 * rounds + 1)) * (round + 1)));
}

async function measure(target: TargetPlace, mailboxes: readonly Opened[]): Promise<Figure[]> {
  const select = await inTurn('imap SELECT again', mailboxes, async ({ client }) => {
    return (await timed(client, 'SELECT INBOX')).ms;
  });
  const page = await inTurn('imap FETCH of a page of 50', mailboxes, async (mailbox, round) => {
    const first = Math.max(1, messageOf(mailbox, round) - 50);
    return (await timed(mailbox.client, `FETCH ${first}:${first + 49} (FLAGS UID ENVELOPE RFC822.SIZE)`)).ms;
  });
  const flag = await inTurn('imap STORE of one flag', mailboxes, async (mailbox, round) => {
    return (await timed(mailbox.client, `STORE ${messageOf(mailbox, round)} +FLAGS (\\Flagged)`)).ms;
  });
  const told = await inTurn("another session's flag told by NOOP", mailboxes, async (mailbox, round) => {
    await timed(mailbox.other, `STORE ${messageOf(mailbox, round)} +FLAGS (\\Answered)`);
    return (await timed(mailbox.client, 'NOOP')).ms;
  });
  const bodies = messages('small', 2 * rounds, 77);
  const deliver = await inTurn('lmtp delivery seen by NOOP', mailboxes, async ({ user, client }, round) => {
    const startedAt = performance.now();
    await deliverAll(target.ports.lmtp, [bodies[round]!], {
      greeting: 'LHLO',
      connections: 1,
      recipient: () => `${user}@${target.domain}`,
    });
    await timed(client, 'NOOP');
    return performance.now() - startedAt;
  });
  return [...select, ...page, ...flag, ...told, ...deliver];
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
  for (const user of ['small', 'large'])
    await fillMailbox(target, { user, count: small, seed: 12_000, mix: 'small' });
  const client = await openMailbox(target, 'large');
  await multiply(client, small, large);
  client.end();
  const mailboxes = [await open(target, 'small', small), await open(target, 'large', large)];
  const figures = await measure(target, mailboxes);
  for (const mailbox of mailboxes) for (const ended of [mailbox.client, mailbox.other]) ended.end();
  return figures;
};
