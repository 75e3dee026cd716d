// Small extensions: UIDONLY (RFC 9586), INPROGRESS (RFC 9585), PREVIEW (RFC 8970), OBJECTID (RFC 8474), SAVEDATE (RFC
// 8514), APPENDLIMIT (RFC 7889), UTF8=ACCEPT (RFC 6855).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountPort } from '../../src/account/port.ts';
import { systemClock } from '../../src/base/clock.ts';
import { inProgressCode } from '../../src/wire/imap/response-code.ts';
import { openHarness } from './harness.ts';
import { ImapClient, mail } from './imap-client.ts';
import { imapFor, openImapServer } from './imap-server.ts';

test('with UIDONLY no message number is told or taken', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('INBOX', mail(name)).ok();
  await a.send('ENABLE UIDONLY').tells('* ENABLED UIDONLY');
  const opened = await a.send('SELECT INBOX').ok();
  assert.doesNotMatch(opened.untagged.join('\n'), /UNSEEN/);
  await a.send('UID STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').tells('* VANISHED 1');
  for (const command of [
    'FETCH 1 FLAGS',
    'FETCH * FLAGS',
    'STORE 1 +FLAGS (\\Seen)',
    'COPY 1 Trash',
    'MOVE 1 Trash',
    'SEARCH ALL',
    'UID SEARCH 1:2',
    'UID SEARCH NOT (UID 1 OR 2 SEEN)',
    'REPLACE 1 INBOX {3+}\r\nabc',
  ]) {
    await a.send(command).bad('UIDREQUIRED');
  }
  await a
    .send('UID FETCH 1:* (FLAGS)')
    .tells('* 2 UIDFETCH (FLAGS (\\Recent))', '* 3 UIDFETCH (FLAGS (\\Recent))');
  // RFC 9586 3.3: UID is an item only for who asks for it.
  await a.send('UID FETCH 3 UID').tells('* 3 UIDFETCH (UID 3)');
  await a.send('UID FETCH 3 (FLAGS UID)').tells('* 3 UIDFETCH (UID 3 FLAGS (\\Recent))');
  await a.send('UID FETCH 2 BODY.PEEK[TEXT]').tells('* 2 UIDFETCH (BODY[TEXT] {7}\r\nHello\r\n)');
  await a.send('UID STORE 3 +FLAGS (\\Flagged)').tells('* 3 UIDFETCH (FLAGS (\\Flagged \\Recent))');
  await a.send('UID SEARCH FLAGGED').tells('* SEARCH 3');
  await a.send('UID SEARCH RETURN (SAVE) ALL').tells();
  await a.send('UID SEARCH $').tells('* SEARCH 2 3');
  const b = await server.alice('INBOX');
  const done = await a.idle();
  await b.send('STORE 1 +FLAGS (\\Seen)').ok();
  assert.equal(await a.line(), '* 2 UIDFETCH (FLAGS (\\Seen \\Recent))');
  await b.send('UID MOVE 2 Trash').ok();
  assert.equal(await a.line(), '* VANISHED 2');
  await done().ok();
  await a.send('ENABLE QRESYNC').ok();
  const stored = await a.send('UID STORE 3 +FLAGS.SILENT (\\Answered)').ok();
  assert.match(stored.untagged[0]!, /^\* 3 UIDFETCH \(MODSEQ \(\d+\)\)$/);
  await a.send('SELECT INBOX (QRESYNC (1 1 (1 1)))').bad('UIDREQUIRED');
  await a.send('UID FETCH 3 UID').ok();
});

test('a client that waits is told that its command is in progress', async () => {
  await using harness = await openHarness();
  let finish = (): void => {};
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const account = await harness.account('alice');
  const slow = new Proxy(account, {
    get(target, name) {
      if (name === 'search') {
        return async (...given: Parameters<AccountPort['search']>) => {
          await finished;
          return target.search(...given);
        };
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const clock = {
    ...systemClock,
    after: (delayMs: number, callback: () => void) => systemClock.after(delayMs / 1000, callback),
  };
  const listener = await harness.listen(imapFor(harness, { clock, accounts: { open: async () => slow } }));
  using client = await ImapClient.login(listener.port, 'alice', 'INBOX');
  const tag = client.write('SEARCH ALL');
  assert.equal(await client.line(), `* OK [INPROGRESS ("${tag}" NIL NIL)] Still working`);
  assert.equal(await client.line(), `* OK [INPROGRESS ("${tag}" NIL NIL)] Still working`);
  finish();
  const answer = await client.expect(tag).ok();
  assert.equal(answer.untagged.at(-1), '* SEARCH');
});

test('INPROGRESS does not tell a tag that would end it (RFC 9585 section 4)', () => {
  assert.equal(inProgressCode('a]b'), 'INPROGRESS (NIL NIL NIL)');
  assert.equal(inProgressCode('a[b'), 'INPROGRESS ("a[b" NIL NIL)');
});

test('PREVIEW is plain text of a bounded length, at once also with LAZY', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one', 'Preview text!\r\n')).ok();
  await a.append('INBOX', mail('two', 'word '.repeat(500))).ok();
  await a.append('INBOX', mail('three', '')).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('FETCH 1 (PREVIEW)').tells('* 1 FETCH (PREVIEW "Preview text!")');
  await a.send('FETCH 1 PREVIEW (LAZY)').tells('* 1 FETCH (PREVIEW "Preview text!")');
  await a
    .send('UID FETCH 1 (RFC822.SIZE PREVIEW (LAZY))')
    .tells(
      `* 1 FETCH (UID 1 RFC822.SIZE ${mail('one', 'Preview text!\r\n').length} PREVIEW "Preview text!")`,
    );
  const long = (await a.send('FETCH 2 PREVIEW').ok()).untagged[0]!;
  assert(/PREVIEW "(.*)"\)$/.exec(long)![1]!.length <= 256);
  // RFC 8970 3.2: without LAZY never NIL.
  await a.send('FETCH 3 PREVIEW').tells('* 3 FETCH (PREVIEW "")');
  await a.send('FETCH 1 PREVIEW (QUICK)').bad();
});

test('OBJECTID: identifiers go with messages and mailboxes', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const reply = mail('two')
    .replace('Subject: two', 'Subject: Re: one')
    .replace('\r\n\r\n', '\r\nReferences: <one@example.test>\r\n\r\n');
  await a.append('INBOX', mail('one')).ok();
  await a.append('INBOX', reply).ok();
  await a.append('INBOX', mail('three')).ok();
  await a.send('SELECT INBOX').ok();
  const ids = (await a.send('FETCH 1:* (EMAILID THREADID)').ok()).untagged.map(
    (line) => /EMAILID \((\w+)\) THREADID \((\w+)\)/.exec(line)!,
  );
  assert.equal(new Set(ids.map((match) => match[1])).size, 3);
  assert.equal(ids[0]![2], ids[1]![2]);
  assert.notEqual(ids[0]![2], ids[2]![2]);
  await a.send(`SEARCH THREADID ${ids[0]![2]}`).tells('* SEARCH 1 2');
  const created = await a.send('CREATE foo').ok(/^MAILBOXID \(F\w+\)$/);
  await a.send('MOVE 2 foo').ok();
  await a.send('COPY 1 foo').ok();
  await a.send('RENAME foo renamed').ok();
  await a.send('STATUS renamed (MAILBOXID)').tells(`* STATUS renamed (${created.code})`);
  await a.send('SELECT renamed').ok();
  await a
    .send('FETCH 1:* (EMAILID THREADID)')
    .tells(`* 1 FETCH (${ids[1]![0]})`, `* 2 FETCH (${ids[0]![0]})`);
  await a.send('SEARCH EMAILID "x y"').bad();
});

test('SAVEDATE is when a message came into its mailbox', async () => {
  const clock = { ...systemClock, now: () => Date.UTC(2015, 0, 1, 18, 50, 53) };
  await using server = await openImapServer({}, { clock });
  const a = await server.alice();
  await a.append('INBOX', mail('one'), '"01-Jan-2001 00:00:00 +0000"').ok();
  await a.send('SELECT INBOX').ok();
  const saved = /SAVEDATE "([^"]*)"/.exec((await a.send('FETCH 1 SAVEDATE').ok()).untagged[0]!)![1]!;
  assert.notEqual(saved.slice(7, 11), '2001');
  const day = saved.slice(0, 11).trim();
  await a
    .send(`SEARCH SAVEDON ${day} SAVEDSINCE ${day} SAVEDATESUPPORTED NOT SAVEDBEFORE ${day}`)
    .tells('* SEARCH 1');
  await a.send('SEARCH SAVEDBEFORE 1-Jan-2002').tells('* SEARCH');
  await a.send('SEARCH BEFORE 1-Jan-2002').tells('* SEARCH 1');
});

test('APPENDLIMIT is told, and kept, before the message is sent', async () => {
  await using server = await openImapServer({ appendBytesMax: 1000 });
  const a = await server.alice();
  assert.match((await a.send('CAPABILITY').ok()).untagged[0]!, / APPENDLIMIT=1000( |$)/);
  await a
    .send('LIST "" INBOX RETURN (STATUS (APPENDLIMIT))')
    .tells('* LIST (\\HasNoChildren) "/" INBOX', '* STATUS INBOX (APPENDLIMIT 1000)');
  await a.send('APPEND INBOX {1001}').no('TOOBIG');
  await a.append('INBOX', 'x'.repeat(1001)).no('TOOBIG');
  await a.append('INBOX', 'x'.repeat(1000)).ok();
});

test('RFC 4466: parameters that nobody knows are refused with BAD, and nothing is done', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  await a.append('INBOX', mail('one')).ok();
  for (const command of [
    'EXAMINE INBOX (CONDSTORE ANNOTATE (RESPONSES ("UID Responses")))',
    'SELECT INBOX (BLURDYBLOOP)',
    'CREATE made (USE (\\Flagged) SHARED)',
    'CREATE made (SHARED (yes))',
    'RENAME Trash made (FORCE)',
    'FETCH 1 BODY[] (ANNOTATE 1)',
    'STORE 1 (UNCHANGEDSINCE 99 SOON) FLAGS (\\Seen)',
    'SEARCH RETURN (MIN SOME 1:2) ALL',
    'SEARCH CHARSET UTF-8 RETURN (MIN) ALL',
    'STATUS INBOX (MESSAGES HUMIDITY)',
    'APPEND INBOX FROMDISK (~{1+}\r\nx)',
  ])
    await a.send(command).bad();
  await a.send('LIST "" made').tells();
  await a.send('FETCH 1:* FLAGS').tells('* 1 FETCH (FLAGS (\\Recent))');
});

test('UTF8=ACCEPT: names and strings in UTF-8, messages with UTF-8 headers', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const name = Buffer.from('Übersicht').toString('latin1');
  await a.send('CREATE &ANw-bersicht').ok();
  await a.send('LIST "" *bersicht').tells('* LIST (\\HasNoChildren) "/" &ANw-bersicht');
  await a.send('ENABLE UTF8=ACCEPT').ok();
  await a.send('LIST "" *bersicht').tells(`* LIST (\\HasNoChildren) "/" "${name}"`);
  const message = `Subject: ${name}\r\n\r\nx`;
  await a.send(`APPEND "${name}" UTF8 (~{${message.length}+}\r\n${message})`).ok();
  await a.send(`APPEND "${name}" CATENATE (UTF8 (~{${message.length}+}\r\n${message}) TEXT {1+}\r\ny)`).ok();
  await a.send(`SELECT "${name}"`).ok();
  await a.send(`SEARCH SUBJECT "${name}"`).tells('* SEARCH 1 2');
  await a.send(`SEARCH CHARSET UTF-8 SUBJECT "${name}"`).tells('* SEARCH 1 2');
  await a.send('SEARCH CHARSET KOI8-R SUBJECT x').no(/^BADCHARSET /);
  await a.send('SELECT "\xff"').bad();
});

test('RFC 6855 section 4: 8-bit headers are stored only for clients that enabled UTF-8', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const utf8 = Buffer.from('Übersicht').toString('latin1');
  const raw = [
    `Subject: ${utf8}\r\n\r\nx`,
    // In any charset, in a folded line, at the end of a header without a body, with bare line feeds.
    'Subject: gr\xfcn\r\n\r\nx',
    'From: a@b.test\r\nX-Long: one\r\n two \xa0\r\n\r\nx',
    'Subject: \xfc',
    'Subject: \xfc\n\nx',
  ];
  const literal = (message: string): string => `{${message.length}+}\r\n${message}`;
  for (const message of raw) {
    await a.append('INBOX', message).no('CANNOT');
    await a.send(`APPEND INBOX UTF8 (~${literal(message)})`).no('CANNOT');
    await a.send(`APPEND INBOX ~${literal(message)}`).no('CANNOT');
    await a.send(`APPEND INBOX CATENATE (TEXT ${literal(message)})`).no('CANNOT');
  }
  const plain = mail('plain');
  // All or none.
  await a.send(`APPEND INBOX ${literal(plain)} ${literal(raw[0]!)}`).no('CANNOT');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 0)');
  // What is in the body is its own affair, and the extension may be used for what does not need it.
  await a.append('INBOX', `${plain}gr\xfcn`).ok();
  await a.send(`APPEND INBOX UTF8 (~${literal(plain)})`).ok();
  await a.send(`REPLACE 1 INBOX ${literal(raw[0]!)}`).no('CANNOT');
  await a.send('NOOP').tells();
  await a.send('ENABLE UTF8=ACCEPT').ok();
  await a.send(`REPLACE 1 INBOX UTF8 (~${literal(raw[0]!)})`).ok();
  for (const message of raw) await a.append('INBOX', message).ok();
  // With IMAP4rev2 too (RFC 9051 6.3.12).
  const b = await server.alice();
  await b.send('ENABLE IMAP4rev2').ok();
  await b.append('INBOX', raw[0]!).ok();
  // Shown as it came, whoever looks.
  const c = await server.alice('INBOX');
  const { untagged } = await c.send('FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]').ok();
  assert(untagged[0]!.includes(`Subject: ${utf8}\r\n`), untagged.join());
});

test('an operator may let clients move old mail with 8-bit headers in', async () => {
  await using server = await openImapServer({}, { acceptsRawHeaders: true });
  const a = await server.alice();
  await a.append('INBOX', 'Subject: gr\xfcn\r\n\r\nx').ok();
});
