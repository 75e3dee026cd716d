// \Recent (RFC 3501 2.3.2): what comes while sessions have the mailbox selected is recent to the one that is told first.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setting } from './account-hosting.ts';
import { type ImapClient, mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

/** A host that died, or gave the account away, has forgotten whom it told last (recent-claims.ts). */
const forgets = setting === 'moving';
const told = '(FLAGS (\\Recent))';
const toldLater = forgets ? /\(FLAGS \((\\Recent)?\)\)$/ : /\(FLAGS \(\)\)$/;
const noneLeft = forgets ? /RECENT \d\)?$| \d RECENT$/ : /RECENT 0\)?$| 0 RECENT$/;

/** The only untagged line. */
async function only(client: ImapClient, command: string): Promise<string> {
  const { untagged } = await client.send(command).ok();
  assert.equal(untagged.length, 1, untagged.join());
  return untagged[0]!;
}

/** The RECENT of what a command tells. */
async function recent(client: ImapClient, command: string): Promise<string> {
  const { untagged } = await client.send(command).ok();
  return untagged.find((line) => line.endsWith(' RECENT'))!;
}

test('an arrival is \\Recent to the session that is told first, and to no other', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice('INBOX');
  const sender = await server.alice();
  await sender.append('INBOX', mail('one')).ok();
  assert.equal(await only(sender, 'STATUS INBOX (RECENT)'), '* STATUS INBOX (RECENT 1)');
  await a.send('NOOP').tells('* 1 EXISTS', '* 1 RECENT');
  assert.match(await recent(b, 'NOOP'), noneLeft);
  assert.equal(await only(a, 'FETCH 1 FLAGS'), `* 1 FETCH ${told}`);
  assert.match(await only(b, 'FETCH 1 FLAGS'), toldLater);
  await a.send('SEARCH RECENT').tells('* SEARCH 1');
  if (!forgets) await b.send('SEARCH RECENT').tells('* SEARCH');
  assert.match(await only(sender, 'STATUS INBOX (RECENT)'), noneLeft);
  assert.match(await recent(sender, 'SELECT INBOX'), noneLeft);
  // To the first it still is.
  await a.send('STORE 1 +FLAGS (\\Seen)').tells('* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))');
});

test('sessions that are told in turns each have their own', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice('INBOX');
  const sender = await server.alice();
  for (const [first, second] of [
    [a, b],
    [b, a],
    [a, b],
  ] as const) {
    await sender.append('INBOX', mail('m')).ok();
    await first.send('NOOP').ok();
    await second.send('NOOP').ok();
  }
  if (forgets) return;
  await a.send('SEARCH RECENT').tells('* SEARCH 1 3');
  await b.send('SEARCH RECENT').tells('* SEARCH 2');
  await a.send('FETCH 2:3 FLAGS').tells('* 2 FETCH (FLAGS ())', `* 3 FETCH ${told}`);
  await sender.append('INBOX', mail('m')).ok();
  await a.send('NOOP').tells('* 4 EXISTS', '* 3 RECENT');
  await b.send('NOOP').tells('* 4 EXISTS', '* 1 RECENT');
  await a.send('UID STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').tells('* 1 EXPUNGE');
  await a.send('SEARCH RECENT').tells('* SEARCH 2 3');
});

test('of two that idle one is told', async () => {
  await using server = await openImapServer();
  const idling = [await server.alice('INBOX'), await server.alice('INBOX')];
  for (const client of idling) await client.idle();
  const sender = await server.alice();
  await sender.append('INBOX', mail('one')).ok();
  const counts: (string | undefined)[] = [];
  for (const client of idling) {
    assert.equal(await client.line(), '* 1 EXISTS');
    counts.push(await client.line());
  }
  counts.sort();
  if (!forgets || counts[0] === '* 0 RECENT') assert.deepEqual(counts, ['* 0 RECENT', '* 1 RECENT']);
});

test('EXAMINE takes none, nor does IMAP4rev2, or who is told nothing', async () => {
  await using server = await openImapServer();
  const examining = await server.alice();
  await examining.send('EXAMINE INBOX').ok();
  const second = await server.alice();
  await second.send('ENABLE IMAP4rev2').ok();
  await second.send('SELECT INBOX').ok();
  const silent = await server.alice('INBOX');
  await silent.send('NOTIFY NONE').ok();
  const a = await server.alice('INBOX');
  const sender = await server.alice();
  await sender.append('INBOX', mail('one')).ok();
  // It is the first one that is told; to the next that may take them they are recent too.
  await examining.send('NOOP').tells('* 1 EXISTS', '* 1 RECENT');
  await second.send('NOOP').tells('* 1 EXISTS');
  await second.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS ())');
  await silent.send('NOOP').tells();
  await a.send('NOOP').tells('* 1 EXISTS', '* 1 RECENT');
  if (forgets) return;
  await sender.append('INBOX', mail('two')).ok();
  await a.send('NOOP').tells('* 2 EXISTS', '* 2 RECENT');
  await examining.send('NOOP').tells('* 2 EXISTS', '* 1 RECENT');
});
