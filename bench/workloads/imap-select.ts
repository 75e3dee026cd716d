// SELECT of a mailbox of 10,000 messages: `fillForSelect`, then the runner starts the server again, then the first SELECT finds
// everything cold, and the others warm.

import { fillMailbox, login, milliseconds, openMailbox, repeated, timed } from '../mailbox.ts';
import type { TargetPlace } from '../target.ts';
import type { Workload } from './workload.ts';

const mailboxMessages = 10_000;
const user = 'select';

export async function fillForSelect(target: TargetPlace, scale: number): Promise<void> {
  await fillMailbox(target, { user, count: Math.ceil(mailboxMessages * scale), seed: 9000, mix: 'small' });
}

export const imapSelect: Workload = async (target, { scale }) => {
  // What a process does for the first time is not what is measured: another user goes before.
  (await openMailbox(target, 'user0')).end();
  const client = await login(target, user);
  const cold = await timed(client, 'SELECT INBOX');
  const warm = await repeated(client, 'SELECT INBOX', { times: 15, between: 'UNSELECT' });
  client.end();
  const of = `of ${Math.ceil(mailboxMessages * scale)}`;
  return [milliseconds(`imap SELECT ${of}, cold`, cold.ms), milliseconds(`imap SELECT ${of}, warm`, warm.ms)];
};
