// ACL (RFC 4314): the commands, and what each right lets a session do in somebody else's mailbox.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';
import { alices, all, sharedInbox } from './shared-inbox.ts';

test('SETACL, GETACL, DELETEACL: the examples of RFC 4314 3.1 to 3.3, with addresses for names', async () => {
  await using server = await openImapServer();
  for (const name of ['chris', 'david', 'byron', 'john']) await server.harness.addAccount(name);
  const a = await server.alice();
  await a.send('CREATE INBOX/Drafts').ok();
  const listed = (more: string) => `* ACL INBOX/Drafts "alice@example.test" ${all}${more}`;
  await a.send('GETACL INBOX/Drafts').tells(listed(''));
  await a.send('SETACL INBOX/Drafts Chris lrswi').ok();
  await a.send('GETACL INBOX/Drafts').tells(listed(' "chris@example.test" lrswi'));
  await a.send('SETACL INBOX/Drafts Chris +cda').ok();
  await a.send('GETACL INBOX/Drafts').tells(listed(' "chris@example.test" lrswikxteacd'));
  await a.send('SETACL INBOX/Drafts Chris -cd').ok();
  await a.send('GETACL INBOX/Drafts').tells(listed(' "chris@example.test" lrswia'));
  await a.send('DELETEACL INBOX/Drafts chris@EXAMPLE.test').ok();
  // 2.1.1: what stands for several rights, and is told where one of them is.
  await a.send('SETACL INBOX/Drafts David lrswida').ok();
  await a.send('SETACL INBOX/Drafts Byron lrswikda').ok();
  await a
    .send('GETACL INBOX/Drafts')
    .tells(listed(' "david@example.test" lrswitead "byron@example.test" lrswikteacd'));
  await a.send('SETACL INBOX/Drafts John lrQswicda').bad();
  await a.send('SETACL INBOX/Drafts John lrqswicda').bad();
  await a.send('SETACL INBOX/Drafts John ""').ok();
  await a.send('DELETEACL INBOX/Drafts John').ok();
  await a.send('SETACL INBOX/Drafts David ""').ok();
  await a.send('SETACL INBOX/Drafts -Byron wetd').ok();
  await a.send('SETACL INBOX/Drafts group=staff w').ok();
  await a.send('DELETEACL INBOX/Drafts Byron').ok();
  await a.send('GETACL INBOX/Drafts').tells(listed(' "-byron@example.test" wted "group=staff" w'));
});

test('SETACL refuses what is nobody, and what would take from the owner', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('SETACL INBOX nobody@example.test lr').no('CANNOT');
  await a.send('SETACL INBOX "a b" lr').no('CANNOT');
  await a.send('SETACL INBOX "" lr').bad();
  await a.send('SETACL INBOX - lr').bad();
  await a.send('SETACL Nowhere bob@example.test lr').no('NONEXISTENT');
  await a.send('SETACL INBOX alice@example.test lr').no('NOPERM');
  await a.send('SETACL INBOX owner -a').no('NOPERM');
  await a.send('SETACL INBOX -alice r').no('NOPERM');
  await a.send('DELETEACL INBOX alice').no('NOPERM');
  await a.send(`SETACL INBOX alice@example.test ${all}`).ok();
  await a.send('SETACL INBOX alice +lr').ok();
  await a.send('GETACL INBOX').tells(`* ACL INBOX "alice@example.test" ${all}`);
  for (const command of [
    'SETACL INBOX',
    'SETACL INBOX bob',
    'GETACL',
    'MYRIGHTS',
    'LISTRIGHTS INBOX',
    'DELETEACL INBOX',
  ])
    await a.send(command).bad();
});

test('LISTRIGHTS and MYRIGHTS', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lrs');
  await a
    .send('LISTRIGHTS INBOX bob@example.test')
    .tells('* LISTRIGHTS INBOX "bob@example.test" "" l r s w i p k x t e a c d');
  await a.send('LISTRIGHTS INBOX alice').tells(`* LISTRIGHTS INBOX "alice" ${all}`);
  await a.send('MYRIGHTS INBOX').tells(`* MYRIGHTS INBOX ${all}`);
  await a.send('MYRIGHTS Nowhere').no('NONEXISTENT');
  const b = await server.bob();
  await b.send(`MYRIGHTS "${alices}/INBOX"`).tells(`* MYRIGHTS "${alices}/INBOX" lrs`);
  await b.send(`GETACL "${alices}/INBOX"`).no('NOPERM');
  await b.send(`LISTRIGHTS "${alices}/INBOX" bob`).no('NOPERM');
  await b.send(`SETACL "${alices}/INBOX" bob lrswipkxtea`).no('NOPERM');
  await a.send('SETACL INBOX bob lra').ok();
  await b.send(`SETACL "${alices}/INBOX" bob@example.test +w`).ok();
  await b
    .send(`GETACL "${alices}/INBOX"`)
    .tells(`* ACL "${alices}/INBOX" "alice@example.test" ${all} "bob@example.test" lrwa`);
});

test('SELECT: READ-ONLY without a right to change, and PERMANENTFLAGS by the rights (5.1.1, 5.2)', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr');
  const b = await server.bob();
  const permanent = async (rights: string, code: string): Promise<string | undefined> => {
    await a.send(`SETACL INBOX bob ${rights}`).ok();
    const { untagged } = await b.send(`SELECT "${alices}/INBOX"`).ok(code);
    const line = untagged.find((each) => each.includes('PERMANENTFLAGS'));
    await b.send('UNSELECT').ok();
    return /PERMANENTFLAGS \((.*)\)/.exec(line ?? '')?.[1];
  };
  assert.equal(await permanent('lr', 'READ-ONLY'), '');
  assert.equal(await permanent('lri', 'READ-WRITE'), '');
  assert.equal(await permanent('lre', 'READ-WRITE'), '');
  assert.equal(await permanent('lrs', 'READ-WRITE'), '\\Seen');
  assert.equal(await permanent('lrst', 'READ-WRITE'), '\\Deleted \\Seen');
  assert.equal(await permanent('lrw', 'READ-WRITE'), '\\Answered \\Flagged \\Draft \\*');
  await b.send(`EXAMINE "${alices}/INBOX"`).ok('READ-ONLY');
  // r alone is enough to select, though the name is not listed (section 4).
  await a.send('SETACL INBOX bob r').ok();
  await b.send(`SELECT "${alices}/INBOX"`).ok('READ-ONLY');
  await b.send('ENABLE IMAP4rev2').ok();
  const { untagged } = await b.send(`SELECT "${alices}/INBOX"`).ok();
  assert(untagged.includes(`* LIST () "/" "${alices}/INBOX"`), untagged.join('\n'));
});

test('ESEARCH: r is enough for a mailbox that is named, others need l too (RFC 7377 2.2)', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'r', 2);
  const b = await server.bob();
  const inbox = `"${alices}/INBOX"`;
  const found = / MAILBOX "Other Users\/alice@example\.test\/INBOX" .* COUNT 2$/;
  const named = `ESEARCH IN (mailboxes (${inbox} Drafts ${inbox})) RETURN (COUNT) ALL`;
  const { untagged } = await b.send(named).ok();
  assert.equal(untagged.length, 1);
  assert.match(untagged[0]!, found);
  const below = `ESEARCH IN (subtree "${alices}") RETURN (COUNT) ALL`;
  await b.send(below).tells();
  await a.send('SETACL INBOX bob lr').ok();
  assert.match((await b.send(below).ok()).untagged[0]!, found);
  await a.send('SETACL INBOX bob l').ok();
  await b.send(named).tells();
});

test('FETCH, SEARCH, SORT, THREAD of somebody else’s mailbox; \\Seen only with s', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lr', 3);
  const b = await server.bob(`${alices}/INBOX`);
  const { untagged } = await b.send('FETCH 1:* (UID FLAGS BODY[HEADER.FIELDS (SUBJECT)])').ok();
  assert.equal(untagged.length, 3);
  assert(untagged[2]!.includes('Subject: message 3'));
  await b.send('SEARCH SUBJECT "message 2"').tells('* SEARCH 2');
  await b.send('SORT (REVERSE SUBJECT) UTF-8 ALL').tells('* SORT 3 2 1');
  await b.send('THREAD ORDEREDSUBJECT UTF-8 ALL').tells('* THREAD (1)(2)(3)');
  await b
    .send(`ESEARCH IN (mailboxes "${alices}/INBOX") RETURN (COUNT) UNSEEN`)
    .ok()
    .then(({ untagged: [line] }) =>
      assert.match(line!, /MAILBOX "Other Users\/alice@example.test\/INBOX".* COUNT 3/),
    );
  await b.send('FETCH 1 BODY[]').ok();
  await b.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS ())');
  await b.send('STORE 1 +FLAGS (\\Seen)').no('NOPERM');
  await a.send('SETACL INBOX bob lrs').ok();
  const c = await server.bob(`${alices}/INBOX`);
  await c.send('FETCH 1 BODY[]').ok();
  await c.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Seen))');
  await c.send('STORE 2 FLAGS (\\Seen \\Flagged \\Deleted)').tells('* 2 FETCH (UID 2 FLAGS (\\Seen))');
  await c.send('STORE 2 +FLAGS (\\Flagged)').no('NOPERM');
});

test('STORE changes what the rights allow of what is asked (section 4)', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, 'lrw');
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 FLAGS (\\Seen \\Deleted $Old)').ok();
  const b = await server.bob(`${alices}/INBOX`);
  await b.send('STORE 1 FLAGS (\\Flagged $New)').ok();
  await b.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Flagged \\Deleted \\Seen $New))');
  await b.send('STORE 1 -FLAGS (\\Deleted)').no('NOPERM');
  await b.send('STORE 1 FLAGS ()').tells('* 1 FETCH (UID 1 FLAGS (\\Deleted \\Seen))');
  await b.send('EXPUNGE').no('NOPERM');
  // CLOSE leaves the messages, and is OK all the same.
  await b.send('CLOSE').ok();
  await a.send('NOOP').ok();
  await a.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Deleted \\Seen \\Recent))');
  await a.send('SETACL INBOX bob lrte').ok();
  await b.send(`SELECT "${alices}/INBOX"`).ok();
  const { untagged } = await b.send('EXPUNGE').ok();
  assert.deepEqual(untagged, ['* 1 EXPUNGE']);
  await a.send('NOOP').tells('* 1 EXPUNGE');
});

test('COPY and APPEND leave away flags that may not be set: the example of section 4', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE TargetMailbox').ok();
  await a.send('CREATE Source').ok();
  await a.append('Source', mail('1'), '(\\Draft \\Deleted)').ok();
  await a.append('Source', mail('2'), '(\\Answered)').ok();
  await a.append('Source', mail('3'), '($Forwarded \\Seen)').ok();
  await a.send('SETACL Source bob lr').ok();
  const target = `"${alices}/TargetMailbox"`;
  const copied = async (rights: string): Promise<string[]> => {
    await a.send(`SETACL TargetMailbox bob ${rights}`).ok();
    const b = await server.bob(`${alices}/Source`);
    await b
      .send(`MYRIGHTS ${target}`)
      .tells(`* MYRIGHTS ${target} ${rights}${rights.includes('t') ? 'd' : ''}`);
    const { code } = await b.send(`COPY 1:3 ${target}`).ok(/^COPYUID /);
    const first = Number(/(\d+):\d+$/.exec(code!)![1]);
    await b.send(`SELECT ${target}`).ok();
    const { untagged } = await b.send(`UID FETCH ${first}:* (FLAGS)`).ok();
    return untagged.map((line) => /FLAGS \((.*)\)\)/.exec(line)![1]!);
  };
  assert.deepEqual(await copied('rswi'), ['\\Draft', '\\Answered', '\\Seen $Forwarded']);
  assert.deepEqual(await copied('rsit'), ['\\Deleted', '', '\\Seen']);
  const b = await server.bob();
  await b.append(`${alices}/TargetMailbox`, mail('4'), '(\\Seen \\Flagged \\Deleted)').ok();
  await b.send(`SELECT ${target}`).ok();
  await b.send('FETCH * FLAGS').tells('* 7 FETCH (FLAGS (\\Deleted \\Seen))');
  await a.send('SETACL TargetMailbox bob lr').ok();
  await b.append(`${alices}/TargetMailbox`, mail('5')).no('NOPERM');
  await b.send('SELECT INBOX').ok();
  await b.send(`SELECT "${alices}/Source"`).ok();
  await b.send(`COPY 1 ${target}`).no('NOPERM');
});

test('UIDs are told of mailboxes that may be opened only (RFC 4315 section 5)', async () => {
  await using server = await openImapServer();
  await sharedInbox(server, 'li');
  const b = await server.bob();
  for (const subject of ['copied', 'moved', 'replaced']) await b.append('INBOX', mail(subject)).ok();
  await b.send('SELECT INBOX').ok();
  const inbox = `"${alices}/INBOX"`;
  const answers = [
    await b.append(`${alices}/INBOX`, mail('appended')).ok(),
    await b.send(`COPY 1 ${inbox}`).ok(),
    await b.send(`MOVE 2 ${inbox}`).ok(),
    await b.send(`REPLACE 2 ${inbox} {3+}\r\nabc`).ok(),
  ];
  for (const { code, untagged } of answers)
    assert.doesNotMatch([code, ...untagged].join('\n'), /APPENDUID|COPYUID/);
  const a = await server.alice();
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 5)');
  await a.send('SETACL INBOX bob lri').ok();
  await b.append(`${alices}/INBOX`, mail('appended')).ok(/^APPENDUID \d+ 6$/);
  await b.send(`COPY 1 ${inbox}`).ok(/^COPYUID \d+ 1 7$/);
});

test('CREATE, RENAME, DELETE by k and x; a new mailbox has its superior’s list, a renamed one keeps its own', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('CREATE Work').ok();
  await a.send('SETACL Work bob lrk').ok();
  await a.send('SETACL INBOX bob lrx').ok();
  const b = await server.bob();
  const work = `${alices}/Work`;
  await b.send(`CREATE "${alices}/Top"`).no('NOPERM');
  await b.send(`CREATE "${work}/One/Two"`).ok();
  await a
    .send('GETACL Work/One/Two')
    .tells(`* ACL Work/One/Two "alice@example.test" ${all} "bob@example.test" lrkc`);
  await b.send(`CREATE "${work}/Sent" (USE (\\Sent))`).no('USEATTR');
  await b.send(`DELETE "${work}/One/Two"`).no('NOPERM');
  await b.send(`RENAME "${work}/One/Two" "${work}/Two"`).no('NOPERM');
  await a.send('SETACL Work/One/Two bob lrx').ok();
  await b.send(`RENAME "${work}/One/Two" "${alices}/Two"`).no('NOPERM');
  await b.send(`RENAME "${work}/One/Two" Two`).no('CANNOT');
  await b.send(`RENAME INBOX "${work}/Inbox"`).no('CANNOT');
  await b.send(`RENAME "${alices}/INBOX" "${work}/Inbox"`).no('NOPERM');
  await b.send(`DELETE "${alices}/INBOX"`).no('CANNOT');
  await b.send(`RENAME "${work}/One/Two" "${work}/Two"`).ok();
  await a.send('GETACL Work/Two').tells(`* ACL Work/Two "alice@example.test" ${all} "bob@example.test" lrxc`);
  await b.send(`SELECT "${work}/Two"`).ok();
  await b.send(`DELETE "${work}/Two"`).ok();
  await b.send('NOOP').ok();
  await a.send('CREATE Work/Two').ok();
  // The old list is gone with the old mailbox.
  await a.send('GETACL Work/Two').tells(`* ACL Work/Two "alice@example.test" ${all} "bob@example.test" lrkc`);
});

test('groups, anyone, and what is refused to one of them', async () => {
  await using server = await openImapServer();
  const a = await sharedInbox(server, '""');
  const { directory } = server.harness;
  const bob = (await directory.accountByAddress('bob@example.test'))!.id;
  await a.send('SETACL INBOX group=staff lrsw').ok();
  await a.send('SETACL INBOX anyone l').ok();
  const b = await server.bob();
  await b.send(`MYRIGHTS "${alices}/INBOX"`).tells(`* MYRIGHTS "${alices}/INBOX" l`);
  await directory.setAccount(bob, { groups: ['staff', 'other'] });
  await b.send(`MYRIGHTS "${alices}/INBOX"`).tells(`* MYRIGHTS "${alices}/INBOX" lrsw`);
  await a.send('SETACL INBOX -bob sl').ok();
  await b.send(`MYRIGHTS "${alices}/INBOX"`).tells(`* MYRIGHTS "${alices}/INBOX" rw`);
  await a.send('SETACL INBOX -group=staff rw').ok();
  await b.send(`MYRIGHTS "${alices}/INBOX"`).no('NONEXISTENT');
  await a.send('DELETEACL INBOX -group=staff').ok();
  await directory.setAccount(bob, { groups: [] });
  await b.send(`MYRIGHTS "${alices}/INBOX"`).no('NONEXISTENT');
  // A new primary address takes nothing away, as long as the old one is his.
  await a.send('SETACL INBOX bob lr').ok();
  await a.send('DELETEACL INBOX -bob').ok();
  await directory.setAccount(bob, { address: 'robert@example.test', addresses: ['bob@example.test'] });
  await b.send(`MYRIGHTS "${alices}/INBOX"`).tells(`* MYRIGHTS "${alices}/INBOX" lr`);
  // Whichever address is named: it is one entry.
  await a.send('SETACL INBOX robert lri').ok();
  await a
    .send('GETACL INBOX')
    .tells(`* ACL INBOX "alice@example.test" ${all} "group=staff" lrsw "anyone" l "bob@example.test" lri`);
  await a.send('DELETEACL INBOX robert').ok();
  await a.send('SETACL INBOX bob lr').ok();
  await a
    .send('GETACL INBOX')
    .tells(`* ACL INBOX "alice@example.test" ${all} "group=staff" lrsw "anyone" l "robert@example.test" lr`);
});
