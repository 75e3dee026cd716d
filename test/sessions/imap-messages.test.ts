import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ImapClient, mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

const multipart = [
  'From: Alice <alice@example.test>',
  'To: Bob <bob@example.test>',
  'Subject: parts',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=xx',
  '',
  'preamble',
  '--xx',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Gr=C3=BC=C3=9Fe',
  '--xx',
  'Content-Type: application/octet-stream',
  'Content-Transfer-Encoding: base64',
  '',
  'AAECAw==',
  '--xx',
  'Content-Type: message/rfc822',
  '',
  'From: Carol <carol@example.test>',
  'Subject: inner',
  '',
  'Inner text',
  '--xx--',
  '',
].join('\r\n');

test('APPEND: flags, dates, APPENDUID', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a
    .append('inbox', mail('one'), '(\\Seen \\Draft $Work) "17-Jul-1996 02:44:25 -0700"')
    .ok(/^APPENDUID \d+ 1$/);
  await a.append('INBOX', mail('two'), '" 7-Feb-2030 21:52:25 +0130"').ok(/^APPENDUID \d+ 2$/);
  await a.append('INBOX', mail('three'), '()').ok(/^APPENDUID \d+ 3$/);
  await a.send('SELECT INBOX').ok();
  const { untagged } = await a.send('FETCH 1:2 (FLAGS INTERNALDATE)').ok();
  assert.deepEqual(untagged, [
    '* 1 FETCH (FLAGS (\\Seen \\Draft $Work \\Recent) INTERNALDATE "17-Jul-1996 09:44:25 +0000")',
    '* 2 FETCH (FLAGS (\\Recent) INTERNALDATE " 7-Feb-2030 20:22:25 +0000")',
  ]);
  await a.append('INBOX', mail('x'), '"32-Jul-1996 02:44:25 -0700"').bad();
  await a.append('nothing', mail('x')).no('TRYCREATE');
  await a.append('INBOX', '').no();
});

test('APPEND: several messages at once, all or none', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const one = mail('one');
  const two = mail('two');
  await a
    .send(`APPEND INBOX (\\Seen) {${one.length}+}\r\n${one} {${two.length}+}\r\n${two}`)
    .ok(/^APPENDUID \d+ 1:2$/);
  await a.send('SELECT INBOX').ok();
  await a
    .send('FETCH 1:2 (FLAGS RFC822.SIZE)')
    .tells(
      `* 1 FETCH (FLAGS (\\Seen \\Recent) RFC822.SIZE ${one.length})`,
      `* 2 FETCH (FLAGS (\\Recent) RFC822.SIZE ${two.length})`,
    );
});

test('APPEND: too large, refused before the bytes are sent', async () => {
  await using server = await openImapServer({ appendBytesMax: 1000 });
  const a = await server.alice();
  await a.send('APPEND INBOX {1001}').no('TOOBIG');
  await a.append('INBOX', 'x'.repeat(1001)).no('TOOBIG');
  await a.append('INBOX', `a: b\r\n\r\n${'x'.repeat(900)}`).ok();
  await a.send('APPEND nothing {10}').no('TRYCREATE');
});

test('APPEND: over quota', async () => {
  await using server = await openImapServer();
  await server.harness.addAccount('carol', { quotaBytes: 300 });
  using a = await ImapClient.login(server.port, 'carol');
  await a.append('INBOX', mail('one')).ok();
  await a.append('INBOX', mail('two', 'x'.repeat(300))).no('OVERQUOTA');
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
});

test('FETCH: sections', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', multipart).ok();
  await a.send('SELECT INBOX').ok();
  const section = async (name: string): Promise<string | undefined> => {
    const { untagged } = await a.send(`FETCH 1 BODY.PEEK[${name}]`).ok();
    const match = /^\* 1 FETCH \(BODY\[([^\]]*)\] (?:NIL|\{\d+\}\r\n(.*))\)$/s.exec(untagged[0]!)!;
    assert.equal(match[1], name);
    return match[2];
  };
  const headerEnd = multipart.indexOf('\r\n\r\n') + 4;
  assert.equal(await section(''), multipart);
  assert.equal(await section('HEADER'), multipart.slice(0, headerEnd));
  assert.equal(await section('TEXT'), multipart.slice(headerEnd));
  assert.equal(await section('1'), 'Gr=C3=BC=C3=9Fe');
  assert.equal(
    await section('1.MIME'),
    'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n',
  );
  assert.equal(await section('3'), 'From: Carol <carol@example.test>\r\nSubject: inner\r\n\r\nInner text');
  assert.equal(await section('3.HEADER'), 'From: Carol <carol@example.test>\r\nSubject: inner\r\n\r\n');
  assert.equal(await section('3.TEXT'), 'Inner text');
  assert.equal(await section('3.1'), 'Inner text');
  assert.equal(await section('3.HEADER.FIELDS (Subject)'), 'Subject: inner\r\n\r\n');
  assert.equal(await section('HEADER.FIELDS (SUBJECT X-None)'), 'Subject: parts\r\n\r\n');
  assert.equal(
    await section('HEADER.FIELDS.NOT (From To Content-Type)'),
    'Subject: parts\r\nMIME-Version: 1.0\r\n\r\n',
  );
  assert.equal(await section('4'), undefined);
  assert.equal(await section('1.1'), undefined);
});

test('FETCH: partial ranges', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const message = mail('one', '0123456789');
  await a.append('INBOX', message).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('FETCH 1 BODY.PEEK[TEXT]<2.3>').tells('* 1 FETCH (BODY[TEXT]<2> {3}\r\n234)');
  await a.send('FETCH 1 BODY.PEEK[TEXT]<8.100>').tells('* 1 FETCH (BODY[TEXT]<8> {2}\r\n89)');
  await a.send('FETCH 1 BODY.PEEK[TEXT]<10.1>').tells('* 1 FETCH (BODY[TEXT]<10> {0}\r\n)');
  await a.send('FETCH 1 BODY.PEEK[]<0.5>').tells(`* 1 FETCH (BODY[]<0> {5}\r\n${message.slice(0, 5)})`);
  await a
    .send('FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]<1.4>')
    .tells('* 1 FETCH (BODY[HEADER.FIELDS (Subject)]<1> {4}\r\nubje)');
  await a.send('FETCH 1 BODY[]<0.0>').bad();
});

test('FETCH: BINARY', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', multipart).ok();
  await a.send('SELECT INBOX').ok();
  await a
    .send('FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[2])')
    .tells(`* 1 FETCH (BINARY[1] {7}\r\n${Buffer.from('Grüße').toString('latin1')} BINARY.SIZE[2] 4)`);
  await a.send('FETCH 1 BINARY.PEEK[2]').tells('* 1 FETCH (BINARY[2] ~{4}\r\n\x00\x01\x02\x03)');
  await a.send('FETCH 1 BINARY.PEEK[2]<1.2>').tells('* 1 FETCH (BINARY[2]<1> {2}\r\n\x01\x02)');
  await a.append('INBOX', mail('x').replace('Subject', 'Content-Transfer-Encoding: x-odd\r\nSubject')).ok();
  await a.send('FETCH 2 BINARY.PEEK[1]').no('UNKNOWN-CTE');
});

test('FETCH: a large BINARY part is decoded as it is sent', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const content = Buffer.alloc(2_500_000, 'All work and no play makes a dull boy.\0');
  const lines = content.toString('base64').replaceAll(/.{76}/g, '$&\r\n');
  const message = mail('x', lines).replace('Subject', 'Content-Transfer-Encoding: base64\r\nSubject');
  await a.append('INBOX', message).ok();
  await a.send('SELECT INBOX').ok();
  const all = await a.send('FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] UID)').ok();
  const text = content.toString('latin1');
  assert.equal(all.untagged[0], `* 1 FETCH (BINARY.SIZE[1] 2500000 BINARY[1] ~{2500000}\r\n${text} UID 1)`);
  const part = await a.send('FETCH 1 BINARY.PEEK[1]<2000000.600000>').ok();
  assert.equal(part.untagged[0], `* 1 FETCH (BINARY[1]<2000000> ~{500000}\r\n${text.slice(2_000_000)})`);
  const end = await a.send('FETCH 1 BINARY.PEEK[1]<2500000.1>').ok();
  assert.match(end.untagged[0]!, /BINARY\[1\]<2500000> ~?\{0\}\r\n\)$/);
});

test('FETCH: without PEEK \\Seen is set and told', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (const name of ['one', 'two', 'three']) await a.append('INBOX', mail(name)).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('FETCH 1 BODY.PEEK[TEXT]').tells('* 1 FETCH (BODY[TEXT] {7}\r\nHello\r\n)');
  await a
    .send('FETCH 1 RFC822.TEXT')
    .tells('* 1 FETCH (RFC822.TEXT {7}\r\nHello\r\n FLAGS (\\Seen \\Recent))');
  await a.send('FETCH 1 RFC822.TEXT').tells('* 1 FETCH (RFC822.TEXT {7}\r\nHello\r\n)');
  await a
    .send('FETCH 2 (FLAGS BODY[1])')
    .tells('* 2 FETCH (FLAGS (\\Seen \\Recent) BODY[1] {7}\r\nHello\r\n)');
  const { untagged } = await a.send('FETCH 3 RFC822.HEADER').ok();
  assert.ok(untagged[0]!.endsWith('\r\n\r\n)'));
  await a.send('SEARCH UNSEEN').tells('* SEARCH 3');
});

test('FETCH: macros, and a message of more than a megabyte in both ways', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const large = mail('large', 'All work and no play\r\n'.repeat(120_000));
  await a.append('INBOX', large).ok();
  await a.send('SELECT INBOX').ok();
  const all = await a.send('FETCH 1 ALL').ok();
  assert.match(
    all.untagged[0]!,
    /^\* 1 FETCH \(FLAGS \(\\Recent\) INTERNALDATE ".*" RFC822.SIZE \d+ ENVELOPE \("Mon, 7 Feb 1994 .*"\)\)$/,
  );
  const whole = await a.send('FETCH 1 (UID BODY.PEEK[] FLAGS)').ok();
  assert.equal(whole.untagged[0], `* 1 FETCH (UID 1 BODY[] {${large.length}}\r\n${large} FLAGS (\\Recent))`);
  const text = large.slice(large.indexOf('\r\n\r\n') + 4);
  const part = await a.send('FETCH 1 BODY.PEEK[TEXT]').ok();
  assert.equal(part.untagged[0], `* 1 FETCH (BODY[TEXT] {${text.length}}\r\n${text})`);
  const header = await a.send('FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]').ok();
  assert.equal(
    header.untagged[0],
    '* 1 FETCH (BODY[HEADER.FIELDS (Subject)] {18}\r\nSubject: large\r\n\r\n)',
  );
});

test('FETCH: odd sequence sets', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('SELECT INBOX').ok();
  await a.send('FETCH 1:* FLAGS').bad();
  await a.send('UID FETCH 1:* FLAGS').tells();
  for (let number = 1; number <= 5; number++) await a.append('INBOX', mail(`m${number}`)).ok();
  const uids = async (command: string): Promise<number[]> => {
    const { untagged } = await a.send(command).ok();
    return untagged.map((line) => Number(/UID (\d+)/.exec(line)![1]));
  };
  assert.deepEqual(await uids('FETCH *:4 UID'), [4, 5]);
  assert.deepEqual(await uids('FETCH 5,1,1:2,2 UID'), [1, 2, 5]);
  assert.deepEqual(await uids('FETCH * UID'), [5]);
  assert.deepEqual(await uids('UID FETCH 4:4294967295 UID'), [4, 5]);
  assert.deepEqual(await uids('UID FETCH 100:* UID'), [5]);
  assert.deepEqual(await uids('UID FETCH 3,99 FLAGS'), [3]);
  for (const set of ['6', '1:6', '0', '1:', ',1', '1,,2', 'x', '4294967296'])
    await a.send(`FETCH ${set} UID`).bad();
});

test('STORE: the three ways, and what is not stored', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('one')).ok();
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 FLAGS (\\Seen $Work)').ok();
  await a.send('STORE 1 -FLAGS \\seen').tells('* 1 FETCH (UID 1 FLAGS ($Work \\Recent))');
  await a
    .send('STORE 1 +FLAGS ($work \\Answered)')
    .tells('* 1 FETCH (UID 1 FLAGS (\\Answered $Work \\Recent))');
  await a.send('UID STORE 1 FLAGS.SILENT ()').tells();
  await a.send('FETCH 1 FLAGS').tells('* 1 FETCH (FLAGS (\\Recent))');
  await a.send('STORE 2 FLAGS ()').bad();
  await a.send('UID STORE 2 FLAGS ()').ok();
  await a.send('STORE 1 FLAGS (\\Nonsense)').bad();
});

test('COPY and MOVE: COPYUID, TRYCREATE, flags and dates go along', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (let number = 1; number <= 3; number++) {
    await a.append('INBOX', mail(`m${number}`), '(\\Flagged) "17-Jul-1996 02:44:25 +0000"').ok();
  }
  await a.send('SELECT INBOX').ok();
  await a.send('COPY 1,3 Archive').ok(/^COPYUID \d+ 1,3 1:2$/);
  await a.send('UID COPY 2 Archive').ok(/^COPYUID \d+ 2 3$/);
  await a.send('COPY 1 nothing').no('TRYCREATE');
  await a.send('MOVE 1 nothing').no('TRYCREATE');
  await a.send('UID COPY 99 Archive').ok();
  const moved = await a.send('UID MOVE 2 Archive').ok();
  assert.match(moved.untagged[0]!, /^\* OK \[COPYUID \d+ 2 4\] Moved$/);
  assert.deepEqual(moved.untagged.slice(1), ['* 2 EXPUNGE']);
  await a.send('SELECT Archive').ok();
  const { untagged } = await a.send('FETCH 1:4 (UID FLAGS INTERNALDATE EMAILID)').ok();
  assert.equal(untagged.length, 4);
  assert.equal(
    untagged[0],
    '* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent) INTERNALDATE "17-Jul-1996 02:44:25 +0000" EMAILID (M1))',
  );
});

test('EXPUNGE, UID EXPUNGE, CLOSE', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  for (let number = 1; number <= 5; number++) await a.append('INBOX', mail(`m${number}`), '(\\Deleted)').ok();
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 5 -FLAGS.SILENT (\\Deleted)').ok();
  await a.send('UID EXPUNGE 2,5').tells('* 2 EXPUNGE');
  await a.send('EXPUNGE').tells('* 1 EXPUNGE', '* 1 EXPUNGE', '* 1 EXPUNGE');
  await a.send('EXPUNGE').tells();
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('CLOSE').tells();
  await a.send('SELECT INBOX').ok();
  await a.append('INBOX', mail('kept'), '(\\Deleted)').tells('* 1 EXISTS', '* 1 RECENT');
  await a.send('UNSELECT').ok();
  await a.send('EXAMINE INBOX').ok();
  await a.send('CLOSE').ok();
  await a.send('STATUS INBOX (MESSAGES)').tells('* STATUS INBOX (MESSAGES 1)');
});

test('SEARCH: keys, ESEARCH, SAVE, charsets', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', mail('apple'), '(\\Seen) "1-Feb-2020 12:00:00 +0000"').ok();
  await a.append('INBOX', mail('banana', 'Yellow\r\n'), '(\\Flagged $Fruit)').ok();
  await a.append('INBOX', mail('cherry', 'Red\r\n')).ok();
  await a.send('SELECT INBOX').ok();
  for (const [key, found] of [
    ['ALL', ' 1 2 3'],
    ['SEEN', ' 1'],
    ['NOT SEEN', ' 2 3'],
    ['KEYWORD $fruit', ' 2'],
    ['UNKEYWORD $Fruit', ' 1 3'],
    ['OR SUBJECT apple SUBJECT cherry', ' 1 3'],
    ['BODY yellow', ' 2'],
    ['TEXT "alice@example"', ' 1 2 3'],
    ['BEFORE 2-Feb-2020', ' 1'],
    ['SENTON 7-Feb-1994', ' 1 2 3'],
    ['2:* UNFLAGGED', ' 3'],
    ['UID 1,3', ' 1 3'],
    ['LARGER 10000', ''],
    ['YOUNGER 3600', ' 2 3'],
    ['OLDER 3600', ' 1'],
    ['EMAILID M2', ' 2'],
    ['EMAILID X', ''],
    ['(SEEN SUBJECT apple)', ' 1'],
    ['CHARSET UTF-8 SUBJECT {6+}\r\nbanana', ' 2'],
  ]) {
    await a.send(`SEARCH ${key}`).tells(`* SEARCH${found}`);
  }
  await a.send('SEARCH CHARSET KLINGON ALL').no(/^BADCHARSET/);
  await a.send('SEARCH NONSENSE').bad();
  await a.send('SEARCH 3:9').tells('* SEARCH 3');
  const extended = await a.send('UID SEARCH RETURN (MIN MAX COUNT ALL) ALL').ok();
  assert.match(extended.untagged[0]!, /^\* ESEARCH \(TAG "t\d+"\) UID MIN 1 MAX 3 COUNT 3 ALL 1:3$/);
  const none = await a.send('SEARCH RETURN (MIN COUNT) LARGER 10000').ok();
  assert.match(none.untagged[0]!, /^\* ESEARCH \(TAG "t\d+"\) COUNT 0$/);
  await a.send('SEARCH RETURN (SAVE) UNSEEN').tells();
  await a.send('FETCH $ UID').tells('* 2 FETCH (UID 2)', '* 3 FETCH (UID 3)');
  await a.send('UID SEARCH $ SUBJECT cherry').tells('* SEARCH 3');
  await a.send('STORE 2 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('EXPUNGE').ok();
  await a.send('UID FETCH $ UID').tells('* 2 FETCH (UID 3)');
  await a.send('ENABLE IMAP4rev2').ok();
  const revised = await a.send('SEARCH ALL').ok();
  assert.match(revised.untagged[0]!, /^\* ESEARCH \(TAG "t\d+"\) ALL 1:2$/);
});

test('headers are told the same wherever they are kept', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const field = (bytes: number): string => `X-Long: ${'y'.repeat(bytes)}\r\n`;
  const headOf = (more: string): string => `From: a@example.test\r\nSubject: s\r\n${more}Date: today\r\n\r\n`;
  // Kept in the summary; too long for a small message's; kept again of a larger one; too long for any.
  const heads = [headOf(''), headOf(field(5000)), headOf(field(6000)), headOf(field(20_000))];
  const bodies = ['x', 'x', 'x'.repeat(20_000), 'x'.repeat(300_000)];
  for (const [index, head] of heads.entries()) await a.append('INBOX', head + bodies[index]).ok();
  await a.send('SELECT INBOX').ok();
  const told = (items: (head: string) => string): string[] =>
    heads.map((head, index) => `* ${index + 1} FETCH (${items(head)})`);
  await a
    .send('FETCH 1:4 BODY.PEEK[HEADER]')
    .tells(...told((head) => `BODY[HEADER] {${head.length}}\r\n${head}`));
  const some = 'Subject: s\r\nDate: today\r\n\r\n';
  await a
    .send('FETCH 1:4 (BODY.PEEK[HEADER.FIELDS (Date subject To)] BODY.PEEK[HEADER]<6.5>)')
    .tells(
      ...told(
        () =>
          `BODY[HEADER.FIELDS (Date subject To)] {${some.length}}\r\n${some} BODY[HEADER]<6> {5}\r\na@exa`,
      ),
    );
  await a
    .send('FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (From Date)]<0.4>')
    .tells('* 1 FETCH (BODY[HEADER.FIELDS.NOT (From Date)]<0> {4}\r\nSubj)');
  await a.send('FETCH 1 BODY.PEEK[HEADER]<1000.5>').tells('* 1 FETCH (BODY[HEADER]<1000> {0}\r\n)');
});
