// SEARCH, SORT and THREAD over a mailbox of 10,000 mixed messages: first after the delivery has settled, and warm.

import { fillMailbox, milliseconds, openMailbox, repeated, timed } from '../mailbox.ts';
import type { Figure, Workload } from './workload.ts';

const mailboxMessages = 10_000;
/** Servers index what was delivered in their own time; what is asked at once is another matter. */
const settleMs = 40_000;

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

export const imapSearch: Workload = async (target, { scale }) => {
  const count = Math.ceil(mailboxMessages * scale);
  await fillMailbox(target, { user: 'search', count, seed: 5000 });
  await new Promise((resolve) => setTimeout(resolve, settleMs * scale));
  const client = await openMailbox(target, 'search');
  const figures: Figure[] = [];
  for (const [name, command] of commands) {
    const first = await timed(client, command);
    const warm = await repeated(client, command, { times: 5 });
    figures.push(milliseconds(`imap ${name} of ${count}, first`, first.ms));
    figures.push(milliseconds(`imap ${name} of ${count}, warm`, warm.ms));
  }
  client.end();
  return figures;
};
