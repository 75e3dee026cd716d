// SEARCH, SORT and THREAD in mailboxes of 10,000 messages: `fillForSearch`, then the runner waits for what servers do with
// them and starts the server again. All questions are asked in one mailbox first, which tells how long they take in a process
// that has never been asked, and warm. Then they are asked once in each of five others: the first time in a mailbox.

import { fillMailbox, milliseconds, openMailbox, repeated, timed } from '../mailbox.ts';
import { median } from '../statistics.ts';
import { searchedUsers, type TargetPlace } from '../target.ts';
import type { Figure, Workload } from './workload.ts';

const mailboxMessages = 10_000;
const user = 'search';

const ofHeaders: readonly (readonly [name: string, command: string])[] = [
  ['SEARCH SUBJECT', 'SEARCH SUBJECT school'],
  ['SEARCH FROM', 'SEARCH FROM "Sender 77"'],
  ['SORT (REVERSE DATE)', 'SORT (REVERSE DATE) UTF-8 ALL'],
  ['SORT (SUBJECT)', 'SORT (SUBJECT) UTF-8 ALL'],
  ['THREAD REFERENCES', 'THREAD REFERENCES UTF-8 ALL'],
];
/** Take a peer seconds: only in the one mailbox, which has the mix of sizes. */
const ofBodies: readonly (readonly [name: string, command: string])[] = [
  ['SEARCH BODY, in none', 'SEARCH BODY xylophone'],
  ['SEARCH BODY, in most', 'SEARCH BODY school'],
  ['SEARCH BODY, two words', 'SEARCH BODY "great school"'],
];

/** The five mailboxes have small messages: a peer reads only headers for these questions, and is not slower for it. */
export async function fillForSearch(target: TargetPlace, scale: number): Promise<void> {
  const count = Math.ceil(mailboxMessages * scale);
  await fillMailbox(target, { user, count, seed: 5000 });
  for (const [index, searched] of searchedUsers.entries()) {
    const seed = 100_000 * (index + 1);
    await fillMailbox(target, { user: searched, count, seed, mix: 'small' });
  }
}

export const imapSearch: Workload = async (target, { scale }) => {
  const of = `of ${Math.ceil(mailboxMessages * scale)}`;
  const client = await openMailbox(target, user);
  const asked: { readonly name: string; readonly veryFirst: number; readonly warm: number }[] = [];
  for (const [name, command] of [...ofHeaders, ...ofBodies]) {
    const { ms: veryFirst } = await timed(client, command);
    const { ms: warm } = await repeated(client, command, { times: 5 });
    asked.push({ name, veryFirst, warm });
  }
  client.end();
  const first = await firstTimes(target);
  return asked.flatMap(({ name, veryFirst, warm }) => {
    const times = first.get(name);
    const veryFirstFigure = (when: string): Figure => milliseconds(`imap ${name} ${of}, ${when}`, veryFirst);
    return [
      ...(times === undefined
        ? [veryFirstFigure('first')]
        : [
            milliseconds(`imap ${name} ${of}, first`, median(times)),
            veryFirstFigure('first of the process'),
          ]),
      milliseconds(`imap ${name} ${of}, warm`, warm),
    ];
  });
};

/** By name: one time for each mailbox. */
async function firstTimes(target: TargetPlace): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>(ofHeaders.map(([name]) => [name, []]));
  for (const searched of searchedUsers) {
    const client = await openMailbox(target, searched);
    for (const [name, command] of ofHeaders) times.get(name)!.push((await timed(client, command)).ms);
    client.end();
  }
  return times;
}
