// Several sessions on two mailboxes, all at work at once: nobody knows what each is told, but a client that does as it is
// told ends with the server's state, message numbers included (RFC 9051 5.2, 7.4, 7.5).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keywordsMax } from '../../src/mail/flags.ts';
import type { FollowingClient } from './following-client.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';
import { flagText } from './model-mailboxes.ts';
import {
  changeSilently,
  flags,
  loginClients,
  modelRuns,
  names,
  numbered,
  picked,
  plainStep,
  type Step,
  seed,
  step,
  storeChange,
} from './model-steps.ts';

async function perform(client: FollowingClient, step: Step): Promise<void> {
  const unknown = client.messages.findIndex(({ uid }) => uid === undefined);
  if (unknown >= 0) client.follow(await client.ask(`FETCH ${unknown + 1}:* (UID FLAGS)`), false);
  const places = picked(client, step).filter((place) => client.messages[place]!.uid !== undefined);
  const name = names[step.mailbox % 2]!;
  const command = commandOf(client, step, places, name);
  const answer = await client.ask(command);
  // Numbers that the client was told of are never wrong.
  assert.notEqual(answer.status, 'BAD', answer.text);
  if (step.action === 'select' && answer.status === 'OK') client.select(undefined, false);
  if (step.action === 'store' && step.silent && !client.readOnly) changeSilently(client, places, step);
  client.follow(answer, !/^(STORE|FETCH) /.test(command));
}

function commandOf(client: FollowingClient, step: Step, places: readonly number[], name: string): string {
  const text = mail('new');
  if (step.action === 'append') return `APPEND ${name} (${flags[step.flag]}) {${text.length}+}\r\n${text}`;
  if (step.action === 'select') return `SELECT ${name}`;
  if (places.length === 0 || !client.isSelected) return 'NOOP';
  switch (step.action) {
    case 'store':
      return `${numbered(client, 'STORE', step.uid, places)} ${storeChange(step)}`;
    case 'fetch':
      return `${numbered(client, 'FETCH', step.uid, places)} (UID FLAGS)`;
    case 'copy':
    case 'move':
      return `${numbered(client, step.action, step.uid, places)} ${names[step.other % 2]!}`;
    case 'close':
      return `${numbered(client, 'STORE', step.uid, places)} +FLAGS (\\Deleted)`;
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
  await client.append(name, mail('keywords'), `(${keywords})`);
  assert.equal((await client.ask(`SELECT ${name}`)).status, 'OK');
  assert.equal((await client.ask('STORE 1 FLAGS.SILENT ()')).status, 'OK');
}

test(`all at once, every client ends with the server’s state (IMAP_MODEL_SEED=${seed})`, async () => {
  const plan = fc.array(step, { minLength: 20, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(fc.tuple(plan, plan, plan), async (plans) => {
      await using server = await openImapServer();
      const clients = await loginClients(server);
      try {
        for (const name of names.slice(0, 2)) await fillKeywords(clients[0]!, name);
        for (const client of clients) {
          await client.append('INBOX', mail('first'), '()');
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
  const told = client.messages.map(({ uid, flags: names }) => ({ uid, names }));
  const answer = await client.ask('UID FETCH 1:* (FLAGS)');
  const there = answer.untagged.map((line) => /^\* (\d+) FETCH \(UID (\d+) FLAGS \(([^)]*)\)/.exec(line)!);
  assert.deepEqual(
    there.map(([, number, uid, names], index) => [
      Number(number),
      told[index]?.uid === undefined ? undefined : Number(uid),
      told[index]?.names === undefined
        ? undefined
        : flagText(names!.split(' ').filter((name) => name !== '')),
    ]),
    told.map(({ uid, names }, index) => [index + 1, uid, names]),
  );
}
