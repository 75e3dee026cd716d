// Binary parts that come in a literal8 are stored, and so told, in base64 (RFC 3516 sections 4.4 and 6): what is in plain literals
// is what BODYSTRUCTURE says, and BINARY gives the octets that came. without-binary-parts.ts says which parts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newOperation } from '../../src/account/testing.ts';
import { seededRandom } from '../../src/base/random.ts';
import { openImapServer } from './imap-server.ts';

const lines = (...texts: readonly string[]): string => texts.join('\r\n');
const literal = (text: string): string => `{${text.length}}\r\n${text}`;
const literal8 = (text: string): string => `~{${text.length}+}\r\n${text}`;
const plain = (text: string): string => `{${text.length}+}\r\n${text}`;
const cte = 'Content-Transfer-Encoding: ';

const message = (label: string, first: string, second: string): string =>
  lines(
    'Subject: parts',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    `${cte}${label}`,
    '',
    '--b',
    'Content-Type: application/octet-stream',
    first,
    '--b',
    'Content-Type: message/rfc822',
    `${cte}${label}`,
    '',
    'Subject: inner',
    second,
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    `${cte}binary`,
    '',
    'told as it is',
    '--b--',
    '',
  );
const came = message('binary', lines(`${cte}binary`, '', 'a\0b\r\n'), lines(`${cte}Binary`, '', '\0\xff'));
const stored = message('7bit', lines(`${cte}base64`, '', 'YQBiDQo='), lines(`${cte}base64`, '', 'AP8='));

test('APPEND, MULTIAPPEND, CATENATE and REPLACE encode the binary parts of a literal8', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  await a.send(`APPEND INBOX ${literal8(came)}`).ok();
  await a.send(`APPEND INBOX ${literal8(came)} (\\Seen) ${literal8(came)}`).ok();
  const half = came.length / 2;
  const pieces = `TEXT ${plain(came.slice(0, half))} TEXT ${literal8(came.slice(half))}`;
  await a.send(`APPEND INBOX CATENATE (${pieces})`).ok();
  await a.send(`REPLACE 1 INBOX ${literal8(came)}`).ok();
  await a.send('ENABLE UTF8=ACCEPT').ok();
  await a.send(`APPEND INBOX UTF8 (${literal8(came)})`).ok();
  await a.send(`APPEND INBOX CATENATE (UTF8 (${literal8(came)}))`).ok();
  await a.send('SELECT INBOX').ok();
  const inner = lines('Subject: inner', `${cte}base64`, '', 'AP8=');
  const structure =
    '(("application" "octet-stream" NIL NIL NIL "base64" 8)' +
    `("message" "rfc822" NIL NIL NIL "7bit" ${inner.length} (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ` +
    '("text" "plain" ("charset" "us-ascii") NIL NIL "base64" 4 1) 4)' +
    '("text" "plain" ("charset" "utf-8") NIL NIL "binary" 13 1) "mixed")';
  const answer = await a.send('FETCH 1:* (RFC822.SIZE BODY BODY.PEEK[] BODY.PEEK[1] BODY.PEEK[2.1])').ok();
  const told = [`RFC822.SIZE ${stored.length}`, `BODY ${structure}`, `BODY[] ${literal(stored)}`];
  const items = [...told, `BODY[1] ${literal('YQBiDQo=')}`, `BODY[2.1] ${literal('AP8=')}`];
  assert.deepEqual(
    answer.untagged,
    [1, 2, 3, 4, 5, 6].map((number) => `* ${number} FETCH (${items.join(' ')})`),
  );
  const decoded = '(BINARY[1] ~{5}\r\na\0b\r\n BINARY.SIZE[1] 5 BINARY[2] '.concat(
    `${literal(inner)} BINARY[2.1] ~{2}\r\n\0\xff BINARY[3] ${literal('told as it is')})`,
  );
  await a
    .send('FETCH 5 (BINARY.PEEK[1] BINARY.SIZE[1] BINARY.PEEK[2] BINARY.PEEK[2.1] BINARY.PEEK[3])')
    .tells(`* 5 FETCH ${decoded}`);
});

test('what is signed, and what comes in a plain literal, is stored as it came', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const signed = lines(
    'Content-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"',
    '',
    '--b',
    `${cte}binary`,
    '',
    'a\0b',
    '--b',
    'Content-Type: application/pgp-signature',
    '',
    'x',
    '--b--',
    '',
  );
  await a.send(`APPEND INBOX ${literal8(signed)}`).ok();
  await a.send(`APPEND INBOX ${plain(came)}`).ok();
  await a.send(`APPEND INBOX CATENATE (TEXT ${plain(came)})`).ok();
  // Stored so before.
  await a.send(`APPEND INBOX CATENATE (URL "/INBOX/;UID=2")`).ok();
  await a.send('SELECT INBOX').ok();
  const answer = await a.send('FETCH 1:* BINARY.PEEK[]').ok();
  assert.deepEqual(
    answer.untagged,
    [signed, came, came, came].map((text, at) => `* ${at + 1} FETCH (BINARY[] ~${literal(text)})`),
  );
  await a
    .send('FETCH 1 (BODY.PEEK[1] BINARY.PEEK[1])')
    .tells(`* 1 FETCH (BODY[1] ${literal('a\x80b')} BINARY[1] ~${literal('a\0b')})`);
});

test('what is stored counts: APPENDLIMIT and quota', async () => {
  await using server = await openImapServer({ appendBytesMax: 3_000 });
  const a = await server.alice();
  const binary = (octets: number): string => `${cte}binary\r\n\r\n${'\0'.repeat(octets)}`;
  const header = binary(0).length;
  // In base64 57 octets are a line of 78.
  const whole = Math.floor((3_000 - header) / 78) * 57;
  await a.send(`APPEND INBOX ${literal8(binary(whole))}`).ok();
  await a.send(`APPEND INBOX ${literal8(binary(whole + 57))}`).no('TOOBIG');
  await a.send(`APPEND INBOX ${plain(binary(whole + 57))}`).ok();
  // None of several.
  await a.send(`APPEND INBOX ${literal8(binary(1))} ${literal8(binary(whole + 57))}`).no('TOOBIG');
  await a
    .send('STATUS INBOX (MESSAGES SIZE)')
    .tells(`* STATUS INBOX (MESSAGES 2 SIZE ${header + (whole / 57) * 78 + header + whole + 57})`);
  const account = await server.harness.account('alice');
  const bytesMax = 7 * 1024;
  await account.setQuota({ operation: newOperation(), bytesMax, messagesMax: undefined });
  const free = bytesMax - (2 * header + (whole / 57) * 78 + whole + 57);
  const octets = free - header;
  assert.ok((octets / 57) * 78 < 3_000 - header - 78);
  await a.send(`APPEND INBOX ${literal8(binary(octets))}`).no('OVERQUOTA');
  await a.send(`APPEND INBOX ${plain(binary(octets))}`).ok();
  assert.equal(server.harness.messageBytes.bytesUsed, 0);
});

test('a large part', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const part = Buffer.from(seededRandom(1).bytes(5_000_000));
  await a.send(`APPEND INBOX ${literal8(`${cte}binary\r\n\r\n${part.toString('latin1')}`)}`).ok();
  await a.send('SELECT INBOX').ok();
  const base64 = `${part.toString('base64').replaceAll(/.{76}(?!$)/g, '$&\r\n')}\r\n`;
  await a.send('FETCH 1 BODY.PEEK[]').tells(`* 1 FETCH (BODY[] ${literal(`${cte}base64\r\n\r\n${base64}`)})`);
  await a.send('FETCH 1 BINARY.PEEK[1]').tells(`* 1 FETCH (BINARY[1] ~${literal(part.toString('latin1'))})`);
  assert.equal(server.harness.messageBytes.bytesUsed, 0);
});
