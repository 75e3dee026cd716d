// SELECT of mailboxes of 10,000 messages: `fillForSelect`, then the runner starts the server again, then the first SELECT of
// each mailbox finds it cold, and every other one warm.

import { fillMailbox, login, microseconds, milliseconds, openMailbox, repeated, timed } from '../mailbox.ts';
import { median } from '../statistics.ts';
import type { TargetPlace } from '../target.ts';
import type { Workload } from './workload.ts';

const mailboxMessages = 10_000;
const user = 'select';
/** Copies of INBOX: a mailbox is cold once, and one time of a few milliseconds says little. */
const copies = ['copy1', 'copy2', 'copy3', 'copy4'];
/** Who goes before, with mailboxes of their own: what a process does for the first time is not what is measured. */
const others = Array.from({ length: 10 }, (_, index) => `user${index}`);
const otherMessages = 300;
/**
 * Some dozen microseconds, of which the client itself takes about eight. Rounds that count, and as many before them, for every
 * server: in the first hundreds V8 is still compiling what a server that runs for months has compiled.
 */
const warmRounds = 1000;

export async function fillForSelect(target: TargetPlace, scale: number): Promise<void> {
  await fillMailbox(target, { user, count: Math.ceil(mailboxMessages * scale), seed: 9000, mix: 'small' });
  const client = await openMailbox(target, user);
  for (const name of copies) {
    await timed(client, `CREATE ${name}`);
    await timed(client, `COPY 1:* ${name}`);
  }
  client.end();
  for (const other of others)
    await fillMailbox(target, { user: other, count: otherMessages, seed: 9500, mix: 'small' });
}

export const imapSelect: Workload = async (target, { scale }) => {
  for (const other of others) {
    const client = await openMailbox(target, other);
    await timed(client, 'LOGOUT');
    client.end();
  }
  const client = await login(target, user);
  const cold: number[] = [];
  for (const name of ['INBOX', ...copies]) {
    cold.push((await timed(client, `SELECT ${name}`)).ms);
    await timed(client, 'UNSELECT');
  }
  const warmly = { times: warmRounds, between: 'UNSELECT' };
  await repeated(client, 'SELECT INBOX', warmly);
  const warm = await repeated(client, 'SELECT INBOX', warmly);
  client.end();
  const of = `of ${Math.ceil(mailboxMessages * scale)}`;
  return [
    milliseconds(`imap SELECT ${of}, cold`, median(cold)),
    microseconds(`imap SELECT ${of}, warm`, warm.ms),
  ];
};
