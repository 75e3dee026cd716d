// Several sessions on two mailboxes, all at work at once: nobody knows what each is told, but a client that does as it is
// told ends with the server's state, message numbers included (RFC 9051 5.2, 7.4, 7.5).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keywordsMax } from '../../src/mail/flags.ts';
import type { SearchWish } from './followed-search.ts';
import type { FollowingClient } from './following-client.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';
import { flagText } from './model-mailboxes.ts';
import {
  changeSilently,
  flags,
  kinds,
  loginClients,
  modelRuns,
  names,
  numbered,
  picked,
  plainStep,
  type Step,
  searchWish,
  seed,
  step,
  stepOf,
  storeChange,
  subjectOf,
} from './model-steps.ts';

async function perform(client: FollowingClient, given: Step): Promise<void> {
  // What is told meanwhile may be from before the change or from behind it.
  const silent = given.silent && !(client.isNotified && given.action === 'store');
  const step = { ...stepOf(client, given), silent };
  await client.fetchUnknown();
  if (step.action === 'compress') return client.compress();
  if (step.action === 'cancel') return client.cancelSearch();
  if (step.action === 'follow' && client.isSelected) return client.search(wishOf(client, step));
  const places = picked(client, step).filter((place) => client.messages[place]!.uid !== undefined);
  const name = names[step.mailbox % 2]!;
  const command = commandOf(client, step, places, name);
  const answer = await client.ask(command);
  // Numbers that the client was told of are never wrong.
  assert.notEqual(answer.status, 'BAD', answer.text);
  if (step.action === 'select' && answer.status === 'OK') return client.followSelect(answer, undefined);
  if (step.action === 'store' && step.silent && !client.readOnly) changeSilently(client, places, step);
  client.follow(answer, !/^(STORE|FETCH) /.test(command));
}

/** Who is told UIDs of what vanished cannot know the number of what was not fetched: such a client follows UIDs. */
function wishOf({ kind }: FollowingClient, step: Step): SearchWish {
  const wish = searchWish(step);
  return { ...wish, uid: wish.uid || kind.extension === 'qresync' };
}

function appendCommand(
  client: FollowingClient,
  mailbox: string,
  given: { readonly flags: string; readonly text: string },
): string {
  return `APPEND ${client.nameOf(mailbox)} (${given.flags}) {${given.text.length}+}\r\n${given.text}`;
}

function commandOf(client: FollowingClient, step: Step, places: readonly number[], name: string): string {
  const text = mail(subjectOf(step));
  if (step.action === 'append')
    return `APPEND ${client.nameOf(name)} (${flags[step.flag]}) {${text.length}+}\r\n${text}`;
  if (step.action === 'select') return `SELECT ${client.nameOf(name)}`;
  if (places.length === 0 || !client.isSelected) return 'NOOP';
  switch (step.action) {
    case 'store':
      return `${numbered(client, 'STORE', step, places)} ${storeChange(step)}`;
    case 'fetch':
      return `${numbered(client, 'FETCH', step, places)} (UID FLAGS)`;
    case 'copy':
    case 'move':
      return `${numbered(client, step.action, step, places)} ${client.nameOf(names[step.other % 2]!)}`;
    case 'close':
      return `${numbered(client, 'STORE', step, places)} +FLAGS (\\Deleted)`;
    case 'expunge':
    case 'uidExpunge':
      return 'EXPUNGE';
    default:
      return 'NOOP';
  }
}

/** Later each new keyword takes the place of another one. */
async function fillKeywords(client: FollowingClient, name: string): Promise<void> {
  const keywords = Array.from({ length: keywordsMax }, (_, at) => `old${at}`).join(' ');
  await client.ask(appendCommand(client, name, { flags: keywords, text: mail('keywords') }));
  assert.equal((await client.ask(`SELECT ${name}`)).status, 'OK');
  assert.equal((await client.ask('UID STORE 1 FLAGS.SILENT ()')).status, 'OK');
}

test(`all at once, every client ends with the server’s state (IMAP_MODEL_SEED=${seed})`, async () => {
  const plan = fc.array(step, { minLength: 15, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.tuple(...kinds.map(() => plan)), async (plans) => {
      await using server = await openImapServer();
      const clients = await loginClients(server);
      try {
        // Who has no numbers may be told of the selected mailbox at any time: here one of those two is.
        await clients.find(({ kind }) => kind.uidOnly)!.notify();
        for (const name of names.slice(0, 2)) await fillKeywords(clients[0]!, name);
        for (const client of clients) {
          await client.ask(appendCommand(client, 'INBOX', { flags: '', text: mail('first') }));
          await perform(client, { ...plainStep, action: 'select' });
        }
        await Promise.all(
          plans.map(async (steps, index) => {
            for (const one of steps) await perform(clients[index]!, one);
          }),
        );
        for (const client of clients) if (client.isSelected) await endsAsServer(client);
      } finally {
        for (const client of clients) client[Symbol.dispose]();
      }
    }),
    modelRuns,
  );
});

/** What it was told to the end is what there is. */
async function endsAsServer(client: FollowingClient): Promise<void> {
  client.follow(await client.ask('NOOP'), true);
  await client.checkSearches();
  // Without numbers nobody knows where those stand that were not fetched.
  if (client.kind.uidOnly) await client.fetchUnknown();
  const told = client.messages.map(({ uid, flags: names }) => ({ uid, names }));
  const answer = await client.ask('UID FETCH 1:* (FLAGS)');
  const { uidOnly } = client.kind;
  const line = uidOnly
    ? /^\* (?<uid>\d+) UIDFETCH \(FLAGS \((?<names>[^)]*)\)/
    : /^\* (?<number>\d+) FETCH \(UID (?<uid>\d+) FLAGS \((?<names>[^)]*)\)/;
  const there = answer.untagged.map((each) => line.exec(each)!.groups!);
  assert.deepEqual(
    there.map(({ number, uid, names }, index) => [
      uidOnly ? index + 1 : Number(number),
      told[index]?.uid === undefined ? undefined : Number(uid),
      told[index]?.names === undefined
        ? undefined
        : flagText(names!.split(' ').filter((name) => name !== '')),
    ]),
    told.map(({ uid, names }, index) => [index + 1, uid, names]),
  );
}
