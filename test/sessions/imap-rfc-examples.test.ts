// The examples of small RFCs, put to our names and messages, and the corners that other tests leave: SASL-IR (RFC 4959), WITHIN
// (RFC 5032), SEARCHRES (RFC 5182), CREATE-SPECIAL-USE (RFC 6154), UTF8=ACCEPT (RFC 6855), LITERAL+ (RFC 7888), STATUS=SIZE
// (RFC 8438), SAVEDATE (RFC 8514), and what is told of all of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { formatDateTime } from '../../src/wire/imap/date-time.ts';
import { password } from './harness.ts';
import { mail } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const utf8 = (text: string): string => Buffer.from(text).toString('latin1');

test('what may be used before the login is told before it, the rest behind it', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  const told = (line: string): Set<string> => new Set(line.replace(/^\* CAPABILITY /, '').split(' '));
  const before = told((await a.send('CAPABILITY').ok()).untagged[0]!);
  await a.send(`LOGIN alice@example.test "${password}"`).ok();
  const after = told((await a.send('CAPABILITY').ok()).untagged[0]!);
  const small = ['I18NLEVEL=1', 'INPROGRESS', 'CREATE-SPECIAL-USE', 'WITHIN', 'SEARCHRES', 'STATUS=SIZE'];
  for (const name of [...small, 'SAVEDATE', 'UTF8=ACCEPT', 'APPENDLIMIT=52428800', 'FILTERS']) {
    assert(!before.has(name), name);
    assert(after.has(name), name);
  }
  for (const name of ['SASL-IR', 'LITERAL+']) assert(before.has(name) && after.has(name), name);
  // RFC 7888 section 5: one of them. Nothing is told that is not there.
  for (const name of ['LITERAL-', 'URLAUTH', 'JMAPACCESS', 'LOGIN-REFERRALS', 'LOGINDISABLED', 'STARTTLS'])
    assert(!before.has(name) && !after.has(name), name);
  assert(![...after].some((name) => name.startsWith('AUTH=')));
});

test('SASL-IR: the examples of RFC 4959 section 4; "=" is an empty response', async () => {
  await using server = await openImapServer({ loginAttemptsMax: 9 });
  const a = await server.connect();
  const user = 'alice@example.test';
  // No empty message is one of PLAIN; the server does not wait for another.
  await a.send('AUTHENTICATE PLAIN =').bad();
  await a.send('AUTHENTICATE SCRAM-SHA-256 =').bad();
  await a.send('AUTHENTICATE EXTERNAL =').no('CANNOT');
  await a.send('AUTHENTICATE PLAIN ===').bad();
  await a.send(`AUTHENTICATE PLAIN = ${base64('x')}`).bad();
  await a
    .send(`AUTHENTICATE PLAIN ${base64(`bob@example.test\0${user}\0${password}`)}`)
    .no('AUTHENTICATIONFAILED');
  await a.send(`AUTHENTICATE PLAIN ${base64(`${user}\0${user}\0${password}`)}`).ok(/^CAPABILITY/);
});

test('LITERAL+: the example of RFC 7888 section 3, in both ways', async () => {
  await using server = await openImapServer();
  const a = await server.connect();
  await a.send('LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man').no('AUTHENTICATIONFAILED');
  a.socket.write('A001 LOGIN {11}\r\n');
  assert.match((await a.line())!, /^\+ /);
  a.socket.write('FRED FOOBAR {7}\r\n');
  assert.match((await a.line())!, /^\+ /);
  a.socket.write('fat man\r\n');
  await a.expect('A001').no('AUTHENTICATIONFAILED');
});

test('WITHIN: the examples of RFC 5032 section 4, and its edges', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const day = 86_400;
  const now = Math.floor(systemClock.now() / 1000);
  for (const age of [4 * day, 2 * day, 60]) {
    const date = formatDateTime(now - age);
    await a.append('INBOX', mail(`${age}`), date).ok();
  }
  await a.send('SEARCH UNSEEN YOUNGER 259200').tells('* SEARCH 2 3');
  await a.send('SEARCH UNSEEN OLDER 259200').tells('* SEARCH 1');
  await a.send('SEARCH OLDER 86400 YOUNGER 259200').tells('* SEARCH 2');
  await a.send('SEARCH NOT YOUNGER 4294967295').tells('* SEARCH');
  await a.send('SEARCH OLDER 4294967295').tells('* SEARCH');
  for (const interval of ['0', '-1', '4294967296', '1h', '']) await a.send(`SEARCH OLDER ${interval}`).bad();
});

test('SEARCHRES: the examples of RFC 5182 section 2', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  for (const subject of ['a', 'b', 'c', 'd', 'e']) await a.append('INBOX', mail(subject)).ok();
  await a.send('STORE 2,4 +FLAGS.SILENT (\\Flagged)').ok();
  // Pipelined (2.2): the FETCH works on what the SEARCH before it found.
  const search = a.send('SEARCH RETURN (SAVE) FLAGGED');
  const fetch = a.send('FETCH $ (UID)');
  await search.tells();
  await fetch.tells('* 2 FETCH (UID 2)', '* 4 FETCH (UID 4)');
  const refined = a.send('SEARCH RETURN (SAVE) $ SMALLER 4096 SUBJECT "d"');
  const moved = a.send('FETCH $ (UID)');
  await refined.tells();
  await moved.tells('* 4 FETCH (UID 4)');
  // 2.1: MIN with ALL of nothing saves nothing.
  const tag = a.write('SEARCH RETURN (SAVE MIN ALL) KEYWORD nowhere');
  await a.expect(tag).tells(`* ESEARCH (TAG "${tag}")`);
  await a.send('FETCH $ (UID)').tells();
  await a.send('UID STORE $ +FLAGS (\\Deleted)').tells();
  await a.send('SEARCH $').tells('* SEARCH');
});

test('CREATE-SPECIAL-USE: the examples of RFC 6154 section 5.3', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.send('DELETE Drafts').ok();
  await a.send('CREATE MySpecial (USE (\\Drafts \\Sent))').no('USEATTR');
  await a.send('LIST "" MySpecial').tells();
  await a.send('CREATE Everything (USE (\\All))').no('USEATTR');
  await a.send('CREATE MySpecial (USE (\\drafts))').ok();
  await a.send('LIST (SPECIAL-USE) "" M*').tells('* LIST (\\HasNoChildren \\Drafts) "/" MySpecial');
  await a.send('LIST "" M* RETURN (SPECIAL-USE)').tells('* LIST (\\HasNoChildren \\Drafts) "/" MySpecial');
  await a.send('CREATE None (USE ())').ok();
  await a.send('CREATE None/Below (USE (\\Unheard))').no('USEATTR');
  await a.send('CREATE Bad (USE Drafts)').bad();
  await a.send('CREATE Bad (USELESS (\\Drafts))').bad();
  await a.send('CREATE Bad (USE (\\Drafts)').bad();
});

test('STATUS=SIZE: the examples of RFC 8438', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const messages = [mail('one', 'x'.repeat(300)), mail('two')];
  for (const message of messages) await a.append('INBOX', message).ok();
  const size = messages.join('').length;
  await a.send('STATUS INBOX (SIZE)').tells(`* STATUS INBOX (SIZE ${size})`);
  await a
    .send('LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES SIZE))')
    .tells(
      '* LIST (\\HasNoChildren) "/" INBOX',
      `* STATUS INBOX (MESSAGES 2 SIZE ${size})`,
      '* LIST (\\HasNoChildren \\Sent) "/" Sent',
      '* STATUS Sent (MESSAGES 0 SIZE 0)',
    );
  await a.send('SELECT INBOX').ok();
  await a.send('STORE 1 +FLAGS.SILENT (\\Deleted)').ok();
  await a.send('STATUS INBOX (SIZE)').tells(`* STATUS INBOX (SIZE ${size})`);
  await a.send('EXPUNGE').ok();
  await a.send('STATUS INBOX (SIZE)').tells(`* STATUS INBOX (SIZE ${messages[1]!.length})`);
});

test('SAVEDATE: a copied message has a new one and keeps its date', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const date = '01-Jan-2001 00:00:00 +0000';
  await a.append('INBOX', mail('one'), `"${date}"`).ok();
  await a.send('CREATE there').ok();
  await a.send('MOVE 1 there').ok();
  await a.send('SELECT there').ok();
  const { untagged } = await a.send('FETCH 1 (INTERNALDATE SAVEDATE)').ok();
  assert.match(untagged[0]!, /^\* 1 FETCH \(INTERNALDATE " ?0?1-Jan-2001 00:00:00 \+0000" SAVEDATE "/);
  assert.doesNotMatch(untagged[0]!, /SAVEDATE "...Jan-2001|SAVEDATE NIL/);
  await a.send('SEARCH SAVEDBEFORE 1-Jan-2002').tells('* SEARCH');
  await a.send('SEARCH SAVEDSINCE 1-Jan-2002 SAVEDATESUPPORTED').tells('* SEARCH 1');
  await a.send('SEARCH NOT SAVEDATESUPPORTED').tells('* SEARCH');
  await a.send('SEARCH SAVEDON').bad();
});

test('UTF8=ACCEPT: strings in UTF-8 are taken only when they are UTF-8', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const broken = ['"\xff"', '"Entw\xfcrfe"', '"\xc3"', '"\xed\xa0\x80"', '{1+}\r\n\xff'];
  // Section 3: UTF-8 is taken from everybody, but not sent before it was asked for. An ampersand in it is one.
  await a.send(utf8('CREATE "Entwürfe & Nöte"')).ok();
  await a.send('LIST "" Entw*').tells('* LIST (\\HasNoChildren) "/" "Entw&APw-rfe &- N&APY-te"');
  await a.send(utf8('LIST "" "*ö*"')).tells('* LIST (\\HasNoChildren) "/" "Entw&APw-rfe &- N&APY-te"');
  await a.send(utf8('RENAME "Entwürfe & Nöte" Entw&APw-rfe')).ok();
  await a.send(utf8('STATUS "Entwürfe" (MESSAGES)')).tells('* STATUS Entw&APw-rfe (MESSAGES 0)');
  await a.send(utf8('CREATE Entwürfe')).bad();
  await a.send('CREATE "Entw&APw"').no('CANNOT');
  for (const name of broken) await a.send(`CREATE ${name}`).bad();
  await a.send('ENABLE UTF8=ACCEPT UTF8=ONLY').tells('* ENABLED UTF8=ACCEPT');
  await a.send(utf8('CREATE {9+}\r\nEntwürfe')).no('ALREADYEXISTS');
  for (const name of broken) await a.send(`CREATE ${name}`).bad();
  await a.send(`LIST "" "\xff*"`).bad();
  for (const name of ['"a\u0080b"', '"a\u2028b"', '"a\u007fb"'])
    await a.send(utf8(`CREATE ${name}`)).no('CANNOT');
  await a.send('LIST "" *ntw*').tells(utf8('* LIST (\\HasNoChildren) "/" "Entwürfe"'));
  await a.send('NAMESPACE').ok();
  await a.send(utf8('SEARCH SUBJECT "für"')).tells('* SEARCH');
});
