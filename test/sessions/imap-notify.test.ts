// NOTIFY (RFC 5465), after the RFC's examples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ImapClient, mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

const three = '(MessageNew MessageExpunge FlagChange)';
const two = '(MessageNew MessageExpunge)';

/** The next lines, which nobody asked for. */
async function lines(client: ImapClient, count: number): Promise<(string | undefined)[]> {
  const read: (string | undefined)[] = [];
  for (let index = 0; index < count; index++) read.push(await client.line());
  return read;
}

/** Nothing came between commands, and nothing comes with a NOOP. */
async function nothing(client: ImapClient): Promise<void> {
  await client.send('NOOP').tells();
}

test('of the selected mailbox, all is told at once, without a command', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice('INBOX');
  const other = await server.alice();
  await a.send(`NOTIFY SET (SELECTED ${three})`).ok();
  await other.append('INBOX', mail('one')).ok();
  assert.deepEqual(await lines(a, 2), ['* 1 EXISTS', '* 1 RECENT']);
  await b.send('NOOP').ok();
  await b.send('STORE 1 +FLAGS (\\Deleted)').ok();
  assert.deepEqual(await lines(a, 1), ['* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))']);
  await b.send('EXPUNGE').ok();
  assert.deepEqual(await lines(a, 1), ['* 1 EXPUNGE']);
  await nothing(a);
  // Until the next NOTIFY.
  await a.send('NOTIFY NONE').ok();
  await other.append('INBOX', mail('two')).ok();
  await nothing(a);
  // NOTIFY SET implies a NOOP (3.1).
  const set = await a.send(`NOTIFY SET (SELECTED ${two})`).ok();
  assert.deepEqual(set.untagged, ['* 1 EXISTS', '* 1 RECENT']);
  // No flags were asked for.
  await b.send('NOOP').ok();
  await b.send('STORE 1 +FLAGS (\\Seen)').ok();
  await nothing(a);
});

test('SELECTED-DELAYED keeps expunges back until a command may tell them', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  const b = await server.alice('INBOX');
  await a.send(`NOTIFY SET (SELECTED-DELAYED ${three})`).ok();
  await b.send('UID STORE 1 +FLAGS (\\Deleted)').ok();
  assert.deepEqual(await lines(a, 1), ['* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))']);
  await b.send('EXPUNGE').ok();
  const other = await server.alice();
  await other.append('INBOX', mail('three')).ok();
  assert.deepEqual(await lines(a, 2), ['* 3 EXISTS', '* 3 RECENT']);
  await a.send('FETCH 2 UID').tells('* 2 FETCH (UID 2)');
  await a.send('NOOP').tells('* 1 EXPUNGE');
});

test('new messages come with what was asked of them', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('ENABLE QRESYNC').ok();
  await a.send('SELECT INBOX').ok();
  const b = await server.alice();
  const items = '(uid body.peek[header.fields (from to subject)])';
  await a.send(`notify set (selected (MessageNew ${items} MessageExpunge))`).ok();
  await b.append('INBOX', mail('one')).ok();
  assert.deepEqual(await lines(a, 3), [
    '* 1 EXISTS',
    '* 1 RECENT',
    '* 1 FETCH (UID 1 BODY[HEADER.FIELDS (from to subject)] {72}\r\n' +
      'From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nSubject: one\r\n\r\n)',
  ]);
  await b.append('INBOX', mail('two')).ok();
  assert.match((await lines(a, 3))[2]!, /^\* 2 FETCH \(UID 2 /);
  await b.send('SELECT INBOX').ok();
  await b.send('MOVE 1 Trash').ok();
  assert.deepEqual(await lines(a, 1), ['* VANISHED 1']);
});

test('other mailboxes are told by STATUS, those that were named', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['Lists', 'Lists/Lemonade', 'misc', 'quiet']) await a.send(`CREATE ${name}`).ok();
  const b = await server.alice();
  const set = await a
    .send(`NOTIFY SET STATUS (SELECTED ${two}) (SUBTREE Lists ${two}) (MAILBOXES (misc none) ${three})`)
    .ok();
  assert.deepEqual(
    set.untagged.map((line) => line.replace(/(?<=UIDVALIDITY |MODSEQ )\d+/g, 'n')),
    [
      '* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY n)',
      '* STATUS Lists/Lemonade (MESSAGES 0 UIDNEXT 1 UIDVALIDITY n)',
      '* STATUS misc (MESSAGES 0 UIDNEXT 1 UIDVALIDITY n HIGHESTMODSEQ n)',
    ],
  );
  await b.append('quiet', mail('zero')).ok();
  await b.append('Lists/Lemonade', mail('one')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS Lists/Lemonade (MESSAGES 1 UIDNEXT 2)']);
  await b.append('misc', mail('one')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS misc (MESSAGES 1 UIDNEXT 2 UNSEEN 1)']);
  await b.send('SELECT misc').ok();
  await b.send('STORE 1 +FLAGS (\\Seen)').ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS misc (UNSEEN 0)']);
  // Without CONDSTORE there is nothing to say of other flags (5.1).
  await b.send('STORE 1 +FLAGS (\\Flagged)').ok();
  await nothing(a);
  await a.send('ENABLE CONDSTORE').ok();
  await b.send('STORE 1 -FLAGS (\\Flagged)').ok();
  assert.match((await a.line())!, /^\* STATUS misc \(UIDVALIDITY \d+ HIGHESTMODSEQ \d+\)$/);
  await b.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  assert.match((await a.line())!, /^\* STATUS misc \(UIDVALIDITY \d+ HIGHESTMODSEQ \d+\)$/);
  await b.send('EXPUNGE').ok();
  assert.match(
    (await a.line())!,
    /^\* STATUS misc \(MESSAGES 0 UIDNEXT 2 UIDVALIDITY \d+ HIGHESTMODSEQ \d+\)$/,
  );
  // The selected mailbox is SELECTED's alone.
  await a.send('SELECT misc').ok();
  await b.append('misc', mail('two')).ok();
  assert.deepEqual(await lines(a, 2), ['* 1 EXISTS', '* 1 RECENT']);
  await nothing(a);
});

test('names and subscriptions are told by LIST', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  await b.send('CREATE top').ok();
  await a.send('NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))').ok();
  await b.send('CREATE top/new').ok();
  assert.deepEqual(await lines(a, 2), [
    '* LIST (\\HasChildren) "/" top',
    '* LIST (\\HasNoChildren) "/" top/new',
  ]);
  await b.send('SUBSCRIBE top/new').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren \\Subscribed) "/" top/new']);
  await b.send('UNSUBSCRIBE top/new').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" top/new']);
  // Children go along untold (5.4).
  await b.send('RENAME top other').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasChildren) "/" other ("OLDNAME" (top))']);
  await b.send('DELETE other/new').ok();
  assert.deepEqual(await lines(a, 2), [
    '* LIST (\\HasNoChildren) "/" other',
    '* LIST (\\NonExistent \\HasNoChildren) "/" other/new',
  ]);
  await a.send('NOTIFY SET (MAILBOXES (watched) (MailboxName))').ok();
  await b.send('CREATE unwatched').ok();
  await b.send('CREATE watched').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" watched']);
  // Wherever it goes.
  await b.send('RENAME watched away').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" away ("OLDNAME" (watched))']);
  await b.send('RENAME away watched').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" watched ("OLDNAME" (away))']);
  await a.send('NOTIFY SET (SUBSCRIBED (MessageNew MessageExpunge))').ok();
  await b.append('watched', mail('one')).ok();
  await nothing(a);
  await b.send('SUBSCRIBE watched').ok();
  await b.append('watched', mail('two')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS watched (MESSAGES 2 UIDNEXT 3)']);
});

test('names are told where events of messages are asked for too, and before them', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  const all = three.replace(')', ' MailboxName)');
  await a.send(`NOTIFY SET (PERSONAL ${all})`).ok();
  await b.send('CREATE top').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" top']);
  await b.append('top', mail('one')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS top (MESSAGES 1 UIDNEXT 2 UNSEEN 1)']);
  await b.send('RENAME top other').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" other ("OLDNAME" (top))']);
  await b.append('other', mail('two')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS other (MESSAGES 2 UIDNEXT 3 UNSEEN 2)']);
  await b.send('RENAME other INBOX/other').ok();
  assert.deepEqual(await lines(a, 1), ['* LIST (\\HasNoChildren) "/" INBOX/other ("OLDNAME" (other))']);
  await b.send('DELETE INBOX/other').ok();
  assert.deepEqual(await lines(a, 2), [
    '* LIST (\\HasNoChildren \\Subscribed) "/" INBOX',
    '* LIST (\\NonExistent \\HasNoChildren) "/" INBOX/other',
  ]);
  await nothing(a);
});

test('a place in the hierarchy that is made a mailbox is told of', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  for (const events of ['(MailboxName)', three.replace(')', ' MailboxName)')]) {
    await b.send('CREATE top/between/below').ok();
    await a.send(`NOTIFY SET (PERSONAL ${events})`).ok();
    await b.send('DELETE top/between').ok();
    assert.deepEqual(await lines(a, 2), [
      '* LIST (\\HasChildren) "/" top',
      '* LIST (\\Noselect \\HasChildren) "/" top/between',
    ]);
    await b.send('CREATE top/between').ok();
    assert.deepEqual(await lines(a, 2), [
      '* LIST (\\HasChildren) "/" top',
      '* LIST (\\HasChildren) "/" top/between',
    ]);
    await a.send('NOTIFY NONE').ok();
    for (const name of ['top/between/below', 'top/between', 'top']) await b.send(`DELETE ${name}`).ok();
  }
});

test('changed annotations are told by name', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const b = await server.alice();
  await a.send('NOTIFY SET (MAILBOXES INBOX (MailboxMetadataChange)) (PERSONAL (ServerMetadataChange))').ok();
  await b.send('SETMETADATA Trash (/private/comment "untold")').ok();
  await b.send('SETMETADATA INBOX (/shared/comment "x" /private/comment NIL)').ok();
  assert.deepEqual(await lines(a, 1), ['* METADATA INBOX /shared/comment /private/comment']);
  await b.send('SETMETADATA "" (/private/comment "x")').ok();
  assert.deepEqual(await lines(a, 1), ['* METADATA "" /private/comment']);
  await a.send('NOTIFY NONE').ok();
  await b.send('SETMETADATA "" (/private/comment "y")').ok();
  await nothing(a);
});

test('IDLE tells what NOTIFY asked for, and no more', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice();
  await a.send(`NOTIFY SET (MAILBOXES Trash ${two})`).ok();
  const done = await a.idle();
  await b.append('INBOX', mail('one')).ok();
  await b.append('Trash', mail('two')).ok();
  assert.deepEqual(await lines(a, 1), ['* STATUS Trash (MESSAGES 1 UIDNEXT 2)']);
  assert.deepEqual((await done().ok()).untagged, []);
  // The session's own expunges are its answers.
  await a.send(`NOTIFY SET (SELECTED ${two})`).ok();
  await a.send('NOTIFY NONE').ok();
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').tells('* 1 EXPUNGE');
});

test('what cannot be asked is refused, and what was asked before stays', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const b = await server.alice();
  await a.send(`NOTIFY SET (SELECTED ${two})`).ok();
  for (const command of [
    'NOTIFY',
    'NOTIFY SET',
    'NOTIFY SOME',
    'NOTIFY SET (SELECTED (MessageNew))',
    'NOTIFY SET (SELECTED (FlagChange))',
    'NOTIFY SET (SELECTED (MailboxName))',
    `NOTIFY SET (SELECTED ${two}) (SELECTED-DELAYED ${two})`,
    `NOTIFY SET (NOWHERE ${two})`,
    'NOTIFY SET (PERSONAL (MessageNew (UID) MessageExpunge))',
    'NOTIFY SET (SELECTED (MessageNew (NONSENSE) MessageExpunge))',
    'NOTIFY SET (MAILBOXES (MessageNew MessageExpunge))',
  ]) {
    await a.send(command).bad();
  }
  // 3.1: NO, with what is supported.
  await a
    .send('NOTIFY SET (SELECTED (MessageNew MessageExpunge AnnotationChange))')
    .no(/^BADEVENT \(MessageNew /);
  await a.send('NOTIFY SET (PERSONAL (SomethingNew))').no(/^BADEVENT \(.*ServerMetadataChange\)$/);
  await b.append('INBOX', mail('one')).ok();
  assert.deepEqual(await lines(a, 2), ['* 1 EXISTS', '* 1 RECENT']);
});
