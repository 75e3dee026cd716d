// APPEND beyond one literal: MULTIAPPEND (RFC 3502), CATENATE (RFC 4469), literal8 (RFC 3516), and REPLACE (RFC 8508).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOperation } from '../../src/account/testing.ts';
import { type ImapClient, mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

const multipart =
  'From: a@example.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\n' +
  'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\n' +
  'Content-Type: application/x-y\r\n\r\nsecond\r\n--b--\r\n';

const whole = async (client: ImapClient, uid: number): Promise<string> => {
  const answer = await client.send(`UID FETCH ${uid} BODY.PEEK[]`).ok();
  return /\{\d+\}\r\n(.*)\)$/s.exec(answer.untagged[0]!)![1]!;
};
const text = (content: string, mark = ''): string => `TEXT ${mark}{${content.length}+}\r\n${content}`;

test('CATENATE puts a message together from literals, messages and their parts', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('Drafts', multipart).ok();
  const opened = await a.send('SELECT Drafts').ok();
  const validity = /UIDVALIDITY (\d+)/.exec(opened.untagged.join('\n'))![1];
  const url = `/Drafts;UIDVALIDITY=${validity}/;UID=1`;
  // RFC 4469 appendix A, in short.
  await a
    .send(
      `APPEND Drafts (\\Draft $MDNSent) CATENATE (URL "${url}/;section=HEADER" ${text('--b\r\n')} ` +
        `URL "${url}/;section=2.MIME" URL "${url}/;Section=2" ${text('\r\n--b--\r\n', '~')})`,
    )
    .ok(/^APPENDUID \d+ 2$/);
  const head = multipart.slice(0, multipart.indexOf('--b'));
  assert.equal(await whole(a, 2), `${head}--b\r\nContent-Type: application/x-y\r\n\r\nsecond\r\n--b--\r\n`);
  await a.send('FETCH 2 FLAGS').tells('* 2 FETCH (FLAGS (\\Draft $MDNSent \\Recent))');
  // \Seen is not set on what was read (section 3).
  await a.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Recent))');
  // A whole message, a range, relative to the selected mailbox, names that need encoding.
  await a.send('CREATE "a b"').ok();
  await a
    .send(`APPEND "a b" CATENATE (URL ";UID=1/;PARTIAL=6.16" ${text('\r\n\r\n')} URL /Drafts/;UID=1)`)
    .ok();
  await a.send('SELECT "a b"').ok();
  assert.equal(await whole(a, 1), `a@example.test\r\n\r\n\r\n${multipart}`);
  await a.send('APPEND Trash CATENATE (URL "/a%20b/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)")').ok();
  await a.send('APPEND INBOX CATENATE (URL {16+}\r\n/a%20b;UID=1/xxx)').no('BADURL /a%20b;UID=1/xxx');
  await a.send('APPEND INBOX CATENATE (URL {12+}\r\n/a%20b;UID=1)').ok();
});

test('a URL that names nothing is BADURL, and nothing is stored', async () => {
  await using server = await openImapServer({ appendBytesMax: 400 });
  const a = await server.alice();
  await a.append('INBOX', multipart).ok();
  for (const url of [
    '/INBOX/;UID=9',
    '/Nowhere/;UID=1',
    '/INBOX;UIDVALIDITY=1/;UID=1',
    '/INBOX/;UID=1/;SECTION=7',
    '/INBOX/;UID=1/;SECTION=NONSENSE',
    '/INBOX/;UID=0',
    '/INBOX',
    ';UID=1',
    'imap://other.example.test/INBOX/;UID=1',
    '//other.example.test/INBOX/;UID=1',
    '/%FF/;UID=1',
    '/%zz/;UID=1',
  ]) {
    await a.send(`APPEND INBOX CATENATE (${text('x')} URL "${url}")`).no(`BADURL ${url}`);
  }
  await a.send('APPEND INBOX CATENATE (URL "/INBOX/]\\"/;UID=1")').no('BADURL /INBOX/%5d"/;UID=1');
  const twice = 'URL /INBOX/;UID=1 URL /INBOX/;UID=1 URL /INBOX/;UID=1';
  await a.send(`APPEND INBOX CATENATE (${twice})`).no('TOOBIG');
  await a.send('APPEND INBOX CATENATE ()').bad();
  await a.send('APPEND INBOX CATENATE (URL /INBOX/;UID=1').bad();
  await a.send(`APPEND INBOX CATENATE (${text('x')}`).bad();
  await a.send('APPEND INBOX CATENATE (FILE x)').bad();
  await a.send('APPEND INBOX CATENATE (TEXT x)').bad();
  await a.send('APPEND INBOX UTF8 (~{1+}\r\nx').bad();
  await a.send(`APPEND INBOX CATENATE (${text('')})`).no();
  await a.send(`APPEND Nowhere CATENATE (URL /INBOX/;UID=1)`).no('TRYCREATE');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
  assert.equal(server.harness.messageBytes.bytesUsed, 0);
});

test('several messages in one APPEND are stored together or not at all', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const [one, two] = [mail('one'), mail('two')];
  await a
    .send(
      `APPEND INBOX (\\Seen) {${one.length}+}\r\n${one} " 7-Feb-1994 21:52:25 -0800" ~{${two.length}+}\r\n${two}` +
        ` CATENATE (${text(one)})`,
    )
    .ok(/^APPENDUID \d+ 1:3$/);
  await a
    .send('FETCH 1:3 (FLAGS RFC822.SIZE)')
    .tells(
      `* 1 FETCH (FLAGS (\\Seen \\Recent) RFC822.SIZE ${one.length})`,
      `* 2 FETCH (FLAGS (\\Recent) RFC822.SIZE ${two.length})`,
      `* 3 FETCH (FLAGS (\\Recent) RFC822.SIZE ${one.length})`,
    );
  await a
    .send(`APPEND INBOX {${one.length}+}\r\n${one} CATENATE (URL /INBOX/;UID=77)`)
    .no('BADURL /INBOX/;UID=77');
  await a.send(`APPEND INBOX {3+}\r\nabc {0+}\r\n`).no();
  await a.send('STATUS INBOX (MESSAGES UIDNEXT)').tells('* STATUS INBOX (MESSAGES 3 UIDNEXT 4)');
});

test('literal8 carries NULs, and BINARY gives them back', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const message = 'Content-Transfer-Encoding: binary\r\n\r\na\0b';
  await a.send(`APPEND INBOX ~{${message.length}+}\r\n${message}`).ok();
  await a.send('FETCH 1 BINARY.PEEK[1]').tells('* 1 FETCH (BINARY[1] ~{3}\r\na\0b)');
});

test('REPLACE puts one message in the place of another', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('Drafts', mail(name)).ok();
  await a.send('SELECT Drafts').ok();
  const draft = mail('two-again');
  const replaced = await a.send(`REPLACE 2 Drafts (\\Seen \\Draft) {${draft.length}+}\r\n${draft}`).ok();
  // RFC 8508 4.3: APPENDUID before EXPUNGE.
  assert.match(replaced.untagged[0]!, /^\* OK \[APPENDUID \d+ 4\] /);
  assert.deepEqual(replaced.untagged.slice(1, 3), ['* 2 EXPUNGE', '* 3 EXISTS']);
  await a
    .send('UID FETCH 1:* FLAGS')
    .tells(
      '* 1 FETCH (UID 1 FLAGS (\\Recent))',
      '* 2 FETCH (UID 3 FLAGS (\\Recent))',
      '* 3 FETCH (UID 4 FLAGS (\\Seen \\Draft \\Recent))',
    );
  // To another mailbox, from itself (RFC 8508 4.2), as the last one.
  await a.send(`UID REPLACE 4 Sent CATENATE (${text('X: y\r\n')} URL "/Drafts/;UID=4")`).ok();
  await a.send(`REPLACE * Sent {${draft.length}+}\r\n${draft}`).ok();
  await a.send('STATUS Sent (MESSAGES)').tells('* STATUS Sent (MESSAGES 2)');
  await a.send('STATUS Drafts (MESSAGES)').tells('* STATUS Drafts (MESSAGES 1)');
  await a.send('SELECT Sent').ok();
  assert.equal(await whole(a, 1), `X: y\r\n${draft}`);
});

test('a REPLACE that cannot be leaves both mailboxes as they were', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const draft = mail('draft');
  const literal = `{${draft.length}+}\r\n${draft}`;
  await a.send(`REPLACE 1 Drafts ${literal}`).bad();
  await a.send('REPLACE 1 Drafts {5}').bad();
  await a.append('Drafts', mail('one')).ok();
  await a.send('EXAMINE Drafts').ok();
  await a.send(`REPLACE 1 Drafts ${literal}`).no('NOPERM');
  await a.send('SELECT Drafts').ok();
  await a.send(`REPLACE 2 Drafts ${literal}`).bad();
  await a.send(`REPLACE 1:2 Drafts ${literal}`).bad();
  await a.send(`REPLACE $ Drafts ${literal}`).bad();
  await a.send(`UID REPLACE 9 Drafts ${literal}`).no('NONEXISTENT');
  await a.send(`REPLACE 1 Nowhere ${literal}`).no('TRYCREATE');
  await a.send(`REPLACE 1 Drafts ${literal} ${literal}`).bad();
  await a.send(`REPLACE 1 Drafts CATENATE (URL /Drafts/;UID=5)`).no('BADURL /Drafts/;UID=5');
  const b = await server.alice('Drafts');
  await b.send('STORE 1 +FLAGS (\\Deleted)').ok();
  await b.send('CLOSE').ok();
  await a.send(`REPLACE 1 Drafts ${literal}`).no('EXPUNGEISSUED');
  await a.send('STATUS Drafts (MESSAGES UIDNEXT)').tells('* STATUS Drafts (MESSAGES 0 UIDNEXT 2)');
});

test('REPLACE counts against the quota what it adds in the end', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const draft = mail('draft');
  await a.append('Drafts', draft).ok();
  await (await server.harness.account('alice')).setQuota({
    operation: newOperation(),
    bytesMax: draft.length + 10,
    messagesMax: 1,
  });
  await a.append('Drafts', draft).no('OVERQUOTA');
  await a.send('SELECT Drafts').ok();
  await a.send(`REPLACE 1 Drafts {${draft.length}+}\r\n${draft}`).ok();
  const larger = `${draft}${'x'.repeat(50)}`;
  await a.send(`REPLACE 1 Drafts {${larger.length}+}\r\n${larger}`).no('OVERQUOTA');
  // A copy elsewhere keeps the message: nothing goes.
  await a.send('COPY 1 Archive').ok();
  await a.send(`REPLACE 1 Drafts {${draft.length}+}\r\n${draft}`).no('OVERQUOTA');
});
