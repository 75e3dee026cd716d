// NUL octets in messages: no string or plain literal may hold them (RFC 9051 4.3, 9 rule 3), so 0x80 stands in their place,
// octet for octet; a literal8 of BINARY has them as they came (RFC 3516). What is stored is what came, but for binary parts that
// came in a literal8: see imap-binary-parts.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Uid } from '../../src/mail/ids.ts';
import type { ImapClient } from './imap-client.ts';
import { openImapServer } from './imap-server.ts';

const header =
  'Subject: a\0b\r\nX-Odd: \0\r\nContent-Type: text/plain; name="x\0y"\r\nContent-Transfer-Encoding: binary\r\n\r\n';
const message = `${header}c\0\0d\r\n`;
const told = (text: string): string => text.replaceAll('\0', '\x80');
const literal = (text: string): string => `{${text.length}}\r\n${text}`;

/** `* n FETCH (item value)` for one item of one message. */
async function tells(a: ImapClient, item: string, value: string, sequence = 1): Promise<void> {
  const label = item.replace('.PEEK', '').replace(/<(\d+)\.\d+>$/, '<$1>');
  await a.send(`FETCH ${sequence} (${item})`).tells(`* ${sequence} FETCH (${label} ${value})`);
}

test('0x80 stands for NUL in what is no literal8, whatever part is asked for', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  await a.append('INBOX', message).ok();
  await a.send('EXAMINE INBOX').ok();
  await tells(a, 'RFC822.SIZE', String(message.length));
  await tells(a, 'BODY.PEEK[]', literal(told(message)));
  await tells(a, 'RFC822', literal(told(message)));
  await tells(a, 'BODY.PEEK[]<9.4>', literal('a\x80b\r'));
  await tells(a, 'BODY.PEEK[HEADER]', literal(told(header)));
  await tells(a, 'RFC822.HEADER', literal(told(header)));
  await tells(a, 'BODY.PEEK[HEADER]<9.2>', literal('a\x80'));
  await tells(
    a,
    'BODY.PEEK[HEADER.FIELDS (Subject X-Odd)]',
    literal('Subject: a\x80b\r\nX-Odd: \x80\r\n\r\n'),
  );
  await tells(a, 'BODY.PEEK[HEADER.FIELDS (X-Odd)]<7.3>', literal('\x80\r\n'));
  const others = header.replace(/Subject.*\r\n/, '');
  await tells(a, 'BODY.PEEK[HEADER.FIELDS.NOT (Subject)]', literal(told(others)));
  await tells(a, 'BODY.PEEK[TEXT]', literal('c\x80\x80d\r\n'));
  await tells(a, 'RFC822.TEXT', literal('c\x80\x80d\r\n'));
  await tells(a, 'BODY.PEEK[1]<1.2>', literal('\x80\x80'));
  await tells(a, 'BODY.PEEK[1.MIME]', literal(told(header)));
  await tells(a, 'BINARY.PEEK[]', `~${literal(message)}`);
  await tells(a, 'BINARY.PEEK[1]', `~${literal('c\0\0d\r\n')}`);
  await tells(a, 'BINARY.PEEK[1]<2.2>', `~${literal('\0d')}`);
  await tells(a, 'BINARY.PEEK[1]<3.9>', literal('d\r\n'));
  await tells(a, 'BINARY.SIZE[1]', '6');
  // A quoted string that nobody counts the octets of goes without.
  await tells(a, 'ENVELOPE', '(NIL "ab" NIL NIL NIL NIL NIL NIL NIL NIL)');
  const structure = '"text" "plain" ("name" "xy" "charset" "us-ascii") NIL NIL "binary" 6 1';
  await tells(a, 'BODY', `(${structure})`);
  await tells(a, 'BODYSTRUCTURE', `(${structure} NIL NIL NIL NIL)`);
  await tells(a, 'PREVIEW', '"c d"');
  // Several at once, and in the order they were asked for.
  await a
    .send('FETCH 1 (BINARY.PEEK[1] BODY.PEEK[1] BODY.PEEK[])')
    .tells(
      `* 1 FETCH (BINARY[1] ~${literal('c\0\0d\r\n')} BODY[1] ${literal('c\x80\x80d\r\n')} BODY[] ${literal(told(message))})`,
    );
});

test('a message with NULs is taken however it comes', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const size = message.length;
  await a.append('INBOX', message).ok();
  await a.send(`APPEND INBOX ~{${size}+}\r\n${message}`).ok();
  await a.send(`APPEND INBOX {${size}+}\r\n${message} (\\Seen) ~{${size}+}\r\n${message}`).ok();
  await a.send(`APPEND INBOX CATENATE (TEXT {${size}+}\r\n${message})`).ok();
  // What a URL names is put in as it is stored.
  await a.send('APPEND INBOX CATENATE (URL "/INBOX/;UID=1")').ok();
  await a.send(`REPLACE 1 INBOX {${size}+}\r\n${message}`).ok();
  await a.send('COPY 2 INBOX').ok();
  await a.send('UID MOVE 3 INBOX').ok();
  await a.send('ENABLE UTF8=ACCEPT').ok();
  await a.send(`APPEND INBOX UTF8 (~{${size}+}\r\n${message})`).ok();
  const all = await a.send('FETCH 1:* (BINARY.PEEK[] BODY.PEEK[])').ok();
  // Those of a literal8 have their binary part encoded.
  const encoded = `${header.replace('binary', 'base64')}YwAAZA0K\r\n`;
  const stored = [encoded, encoded, message, message, message, message, message, encoded];
  assert.deepEqual(
    all.untagged,
    stored.map((text, at) => `* ${at + 1} FETCH (BINARY[] ~${literal(text)} BODY[] ${literal(told(text))})`),
  );
  const account = await server.harness.account('alice');
  const { info, uids } = await account.openMailbox({ role: 'inbox' }, { claimRecent: false });
  const read = await account.readMessages(info.id, uids, 1e6);
  assert.deepEqual(
    read.map(({ bytes }) => Buffer.from(bytes!).toString('latin1')),
    stored,
  );
});

test('NULs in headers that are read from the message, and in those of messages within it', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const long = `Subject: long\0\r\n${'X-Filler: 0123456789\0\r\n'.repeat(1_000)}\r\n`;
  const inner = 'Subject: in\0ner\r\n\r\nt\0xt\r\n';
  await a.append('INBOX', `${long}text\r\n`).ok();
  await a.append('INBOX', `Content-Type: message/rfc822\r\n\r\n${inner}`).ok();
  await a.send('EXAMINE INBOX').ok();
  await tells(a, 'BODY.PEEK[HEADER]', literal(told(long)));
  await tells(a, 'BODY.PEEK[HEADER]<13.4>', literal('\x80\r\nX'));
  await tells(a, 'BODY.PEEK[HEADER.FIELDS (Subject)]', literal('Subject: long\x80\r\n\r\n'));
  await tells(a, 'BODY.PEEK[1.HEADER]', literal('Subject: in\x80ner\r\n\r\n'), 2);
  await tells(a, 'BODY.PEEK[1.HEADER.FIELDS (Subject)]', literal('Subject: in\x80ner\r\n\r\n'), 2);
  await tells(a, 'BODY.PEEK[1.TEXT]', literal('t\x80xt\r\n'), 2);
  await tells(a, 'BODY.PEEK[1.1]', literal('t\x80xt\r\n'), 2);
  await tells(a, 'BODY.PEEK[1]', literal(told(inner)), 2);
  await tells(a, 'BINARY.PEEK[1]', `~${literal(inner)}`, 2);
});

test('NULs of a message that is streamed', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const body = Buffer.alloc(5_000_000, 'some text\r\n');
  // Beside the borders of what is pulled at once, and at both ends.
  for (const at of [0, 256 * 1024, 2 ** 21 - 1, 2 ** 21, 2 ** 22, body.length - 1]) body[at] = 0;
  const text = body.toString('latin1');
  const large = `Subject: large\r\nContent-Transfer-Encoding: binary\r\n\r\n${text}`;
  const clean = Buffer.alloc(3_000_000, 'clean text\r\n').toString('latin1');
  await a.append('INBOX', large).ok();
  await a.append('INBOX', `Subject: clean\r\n\r\n${clean}`).ok();
  await a.send('EXAMINE INBOX').ok();
  await tells(a, 'BODY.PEEK[]', literal(told(large)));
  await tells(a, 'BODY.PEEK[1]', literal(told(text)));
  await tells(a, 'BODY.PEEK[TEXT]<262140.3000000>', literal(told(text.slice(262_140, 3_262_140))));
  await tells(a, 'BINARY.PEEK[1]', `~${literal(text)}`);
  await tells(a, 'BODY.PEEK[TEXT]', literal(clean), 2);
  // Known to have none (RFC 3516 4.3: a string then).
  await tells(a, 'BINARY.PEEK[]', literal(`Subject: clean\r\n\r\n${clean}`), 2);
});

test('BINARY is a literal8 only when what is decoded has a NUL', async () => {
  await using server = await openImapServer();
  const a = await server.alice();
  const decoded = Buffer.alloc(2_000_000, 'All work and no play makes a dull boy.');
  const lines = decoded.toString('base64').replaceAll(/.{76}/g, '$&\r\n');
  const small = Buffer.from('a\0b').toString('base64');
  await a.append('INBOX', `Content-Transfer-Encoding: base64\r\n\r\n${lines}`).ok();
  await a.append('INBOX', `Content-Transfer-Encoding: base64\r\n\r\n${small}`).ok();
  await a.send('EXAMINE INBOX').ok();
  await tells(a, 'BINARY.PEEK[1]', literal(decoded.toString('latin1')));
  await tells(a, 'BINARY.PEEK[1]', '~{3}\r\na\0b', 2);
  await tells(a, 'BINARY.PEEK[1]<2.5>', '{1}\r\nb', 2);
  await tells(a, 'BODY.PEEK[1]', literal(small), 2);
});

test('whether a message has NULs is known of what was looked through, and of its copies', async () => {
  await using server = await openImapServer();
  const a = await server.alice('INBOX');
  const large = Buffer.alloc(200_000, 'large and without any NUL\r\n').toString('latin1');
  for (const text of [message, 'Subject: clean\r\n\r\n', large, `${large}\0`])
    await a.append('INBOX', text).ok();
  await a.send('COPY 1:4 Archive').ok();
  await a.send('CREATE Moved').ok();
  await a.send('MOVE 1:4 Moved').ok();
  const account = await server.harness.account('alice');
  for (const name of ['Archive', 'Moved']) {
    const { info, uids } = await account.openMailbox({ name }, { claimRecent: false });
    const messages = await account.readMessages(info.id, uids, 1e6);
    assert.deepEqual(
      messages.map(({ isNulFree }) => isNulFree),
      [false, true, true, false],
    );
    const range = { offset: 9, length: 3 };
    const start = await account.readRange(info.id, uids[0]! as Uid, range);
    assert.equal(Buffer.from(start!).toString('latin1'), 'a\0b');
  }
});
