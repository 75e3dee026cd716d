// STORE of a flag on all of 10,000 messages, told and silent.

import { fillMailbox, milliseconds, openMailbox, repeated } from '../mailbox.ts';
import type { Workload } from './workload.ts';

const mailboxMessages = 10_000;
/** Enough that the median is of compiled code: what a process does for the first time is not what is measured. */
const times = 25;
const undo = 'STORE 1:* -FLAGS.SILENT (\\Seen)';

export const imapStore: Workload = async (target, { scale }) => {
  const count = Math.ceil(mailboxMessages * scale);
  await fillMailbox(target, { user: 'store', count, seed: 8000, mix: 'small' });
  const client = await openMailbox(target, 'store');
  const told = await repeated(client, 'STORE 1:* +FLAGS (\\Seen)', { times, between: undo });
  const silent = await repeated(client, 'STORE 1:* +FLAGS.SILENT (\\Seen)', { times, between: undo });
  client.end();
  return [
    milliseconds(`imap STORE 1:* +FLAGS (\\Seen) of ${count}`, told.ms),
    milliseconds(`imap STORE 1:* +FLAGS.SILENT (\\Seen) of ${count}`, silent.ms),
  ];
};
