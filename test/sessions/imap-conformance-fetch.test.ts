// Conformance: partials at every boundary, header fields that are folded, repeated or empty, nested messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asksDovecot,
  type ConformanceServer,
  fetched,
  openConformanceServer,
  or,
} from './conformance-server.ts';
import type { ImapClient } from './imap-client.ts';

async function holding(
  ...messages: readonly string[]
): Promise<{ server: ConformanceServer; a: ImapClient }> {
  const server = await openConformanceServer();
  const a = await server.alice();
  for (const message of messages) await a.append('INBOX', message).ok();
  await a.send('SELECT INBOX').ok();
  return { server, a };
}

/** The value of one item of one message. */
async function itemOf(a: ImapClient, number: number, item: string): Promise<string | null | undefined> {
  const answer = fetched(await a.send(`FETCH ${number} ${item}`).ok());
  const name = item
    .replace('.PEEK', '')
    .replace(/<(\d+)\.\d+>$/, '<$1>')
    .toUpperCase()
    .replaceAll('"', '');
  assert.deepEqual(Object.keys(answer), [String(number)], item);
  assert.ok(name in answer[number]!, `${item}: ${JSON.stringify(answer)}`);
  return answer[number]![name];
}

const head = 'Subject: p\r\n\r\n';
const body = '0123456789';

test('partials at every boundary', async () => {
  const { server, a } = await holding(head + body);
  await using _ = server;
  for (const [section, whole] of [
    ['', head + body],
    ['TEXT', body],
    ['HEADER', head],
    ['1', body],
    ['HEADER.FIELDS (Subject)', head],
  ] as const)
    for (let offset = 0; offset <= whole.length + 1; offset++)
      for (const length of [1, 2, whole.length - offset, whole.length, 4_294_967_295].filter(
        (each) => each > 0,
      ))
        assert.equal(
          await itemOf(a, 1, `BODY.PEEK[${section}]<${offset}.${length}>`),
          whole.slice(offset, offset + length),
          `${section}<${offset}.${length}>`,
        );
  assert.equal(await itemOf(a, 1, 'BODY.PEEK[TEXT]<4294967295.1>'), '');
  // RFC 9051 section 9: number64; of RFC 3501, which Dovecot speaks, 32 bits.
  if (!asksDovecot) {
    assert.equal(await itemOf(a, 1, 'BODY.PEEK[TEXT]<9223372036854775807.9223372036854775807>'), '');
    assert.equal(await itemOf(a, 1, 'BODY.PEEK[TEXT]<1.9223372036854775807>'), body.slice(1));
    await a.send('FETCH 1 BODY.PEEK[TEXT]<9223372036854775808.1>').bad();
  }
  const two = fetched(await a.send('FETCH 1 (BODY.PEEK[TEXT]<0.3> BODY.PEEK[TEXT]<3.3>)').ok());
  assert.deepEqual(two[1], { 'BODY[TEXT]<0>': '012', 'BODY[TEXT]<3>': '345' });
  for (const wrong of ['<0.>', '<.1>', '<-1.1>', '<0.1.2>', '<>'])
    await a.send(`FETCH 1 BODY.PEEK[TEXT]${wrong}`).bad();
  // A length of 0, and an offset without one, are not in the grammar; Dovecot takes them.
  if (!asksDovecot)
    for (const wrong of ['<0.0>', '<1>']) await a.send(`FETCH 1 BODY.PEEK[TEXT]${wrong}`).bad();
});

test('partials of decoded parts (RFC 3516)', async () => {
  const { server, a } = await holding(
    [
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: application/octet-stream',
      'Content-Transfer-Encoding: base64',
      '',
      'AQIDBAUG',
      '--b',
      '',
      'second',
      '--b--',
      '',
    ].join('\r\n'),
  );
  await using _ = server;
  const decoded = '\x01\x02\x03\x04\x05\x06';
  for (let offset = 0; offset <= 7; offset++)
    for (const length of [1, 3, 9])
      assert.equal(
        await itemOf(a, 1, `BINARY.PEEK[1]<${offset}.${length}>`),
        decoded.slice(offset, offset + length),
      );
  assert.equal(await itemOf(a, 1, 'BINARY.SIZE[1]'), '6');
  assert.equal(await itemOf(a, 1, 'BINARY.SIZE[2]'), '6');
  // A size is a number (section 7), also of what is not there.
  assert.equal(await itemOf(a, 1, 'BINARY.SIZE[3]'), '0');
  assert.equal(await itemOf(a, 1, 'BINARY.PEEK[3]'), or(null, ''));
});

const folded = [
  'Received: one',
  'Received: two',
  ' by three',
  'Subject: first',
  '  folded',
  '\tmore',
  'X-Empty:',
  'X-Space: ',
  'Subject: second',
  'subject : spaced',
  'TO: a@b,',
  ' c@d',
  'X-8bit: \xfc',
].map((line) => `${line}\r\n`);
const field = (...lines: readonly number[]): string => lines.map((line) => folded[line]!).join('');

test('header fields: folded, repeated, empty, in any case', async () => {
  const { server, a } = await holding(`${folded.join('')}\r\nbody\r\n`);
  await using _ = server;
  for (const [section, lines] of [
    ['HEADER.FIELDS (Received)', field(0, 1, 2)],
    ['HEADER.FIELDS (RECEIVED received)', field(0, 1, 2)],
    ['HEADER.FIELDS (Subject)', field(3, 4, 5, 8, 9)],
    ['HEADER.FIELDS (subject TO x-missing)', field(3, 4, 5, 8, 9, 10, 11)],
    ['HEADER.FIELDS ("X-Empty" X-Space)', field(6, 7)],
    ['HEADER.FIELDS (x-missing)', ''],
    ['HEADER.FIELDS.NOT (Subject Received)', field(6, 7, 10, 11, 12)],
    ['HEADER.FIELDS.NOT (x-missing)', folded.join('')],
    ['HEADER', folded.join('')],
  ] as const)
    assert.equal(await itemOf(a, 1, `BODY.PEEK[${section}]`), `${lines}\r\n`, section);
  for (const wrong of [
    'HEADER.FIELDS ()',
    'HEADER.FIELDS',
    'HEADER.FIELDS (a b',
    'MIME',
    '1.',
    '.1',
    'TEXT.1',
    '1.TEXT.1',
    'FOO',
  ])
    await a.send(`FETCH 1 BODY.PEEK[${wrong}]`).bad();
});

test('a blank line is told where the message has one (RFC 9051 6.4.5)', async () => {
  const { server, a } = await holding(
    'Subject: open end',
    'A: b\r\nSubject: x\r\n',
    'Subject: x\r\n\r\n',
    '\r\n',
  );
  await using _ = server;
  for (const [number, header, subject] of [
    // Dovecot's HEADER.FIELDS has a blank line always; the RFC excepts messages without one.
    [1, 'Subject: open end', or('Subject: open end\r\n', 'Subject: open end\r\n\r\n')],
    [2, 'A: b\r\nSubject: x\r\n', or('Subject: x\r\n', 'Subject: x\r\n\r\n')],
    [3, 'Subject: x\r\n\r\n', 'Subject: x\r\n\r\n'],
    [4, '\r\n', '\r\n'],
  ] as const) {
    assert.equal(await itemOf(a, number, 'BODY.PEEK[HEADER]'), header);
    assert.equal(await itemOf(a, number, 'BODY.PEEK[HEADER.FIELDS (Subject)]'), subject);
    assert.equal(await itemOf(a, number, 'BODY.PEEK[TEXT]'), '');
  }
});

const alternative = [
  '--I',
  'Content-Type: text/plain',
  '',
  'plain',
  '--I',
  'Content-Type: text/html',
  '',
  '<b>',
  '--I--',
];
const innerHead =
  'From: i@x.test\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=I\r\n\r\n';
const nested = [
  'From: o@x.test',
  'Subject: outer',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=O',
  '',
  'preamble',
  '--O',
  'Content-Type: message/rfc822',
  '',
  `${innerHead}${alternative.join('\r\n')}`,
  '--O',
  'Content-Type: message/rfc822',
  'X-Part: two',
  '',
  'Subject: not multi',
  '',
  'single',
  '--O',
  'Content-Type: message/rfc822',
  '',
  'From: d@x.test',
  'Content-Type: message/rfc822',
  '',
  'Subject: deep',
  '',
  'deep text',
  '--O--',
  'epilogue',
  '',
].join('\r\n');

test('nested messages: parts by their numbers', async () => {
  const { server, a } = await holding(nested);
  await using _ = server;
  // The line end before a boundary is the boundary's (RFC 2046 5.1.1); Dovecot keeps it behind an inner closing one.
  const innerBody = alternative.join('\r\n') + or('', '\r\n');
  for (const [section, value] of [
    ['1', innerHead + innerBody],
    ['1.MIME', 'Content-Type: message/rfc822\r\n\r\n'],
    ['1.HEADER', innerHead],
    ['1.HEADER.FIELDS (Subject)', 'Subject: inner\r\n\r\n'],
    ['1.TEXT', innerBody],
    ['1.1', 'plain'],
    ['1.1.MIME', 'Content-Type: text/plain\r\n\r\n'],
    ['1.2', '<b>'],
    ['2', 'Subject: not multi\r\n\r\nsingle'],
    ['2.MIME', 'Content-Type: message/rfc822\r\nX-Part: two\r\n\r\n'],
    ['2.HEADER', 'Subject: not multi\r\n\r\n'],
    ['2.TEXT', 'single'],
    ['2.1', 'single'],
    ['3.HEADER', 'From: d@x.test\r\nContent-Type: message/rfc822\r\n\r\n'],
    ['3.1', 'Subject: deep\r\n\r\ndeep text'],
    ['3.1.HEADER', 'Subject: deep\r\n\r\n'],
    ['3.1.1', 'deep text'],
    // What is not there is NIL for us and empty for Dovecot; the RFC has no words for it.
    ['4', or(null, '')],
    ['1.3', or(null, '')],
    ['2.2', or(null, '')],
    ['1.1.HEADER', or(null, '')],
  ] as const)
    assert.equal(await itemOf(a, 1, `BODY.PEEK[${section}]`), value, section);
  // Part numbers start at 1 (RFC 9051 section 9: nz-number).
  if (!asksDovecot) for (const wrong of ['0', '1.0']) await a.send(`FETCH 1 BODY.PEEK[${wrong}]`).bad();
  const structure = (await itemOf(a, 1, 'BODY'))!;
  assert.match(structure, /^\(\(message rfc822 NIL NIL NIL 7bit \d+ \(NIL inner \(\(NIL NIL i x\.test\)\)/);
  assert.match(structure, /\(message rfc822 NIL NIL NIL 7bit \d+ \(NIL deep .* 9 \d\) \d\) \d\) mixed\)$/);
});

test('a message that is a message: part 1 is the inner one', async () => {
  const inner = 'From: deep@x.test\r\nSubject: deep\r\n\r\ndeep text\r\n';
  const { server, a } = await holding(`From: w@x.test\r\nContent-Type: message/rfc822\r\n\r\n${inner}`);
  await using _ = server;
  for (const [section, value] of [
    ['1', inner],
    ['1.HEADER', 'From: deep@x.test\r\nSubject: deep\r\n\r\n'],
    ['1.TEXT', 'deep text\r\n'],
    ['1.1', 'deep text\r\n'],
    ['TEXT', inner],
  ] as const)
    assert.equal(await itemOf(a, 1, `BODY.PEEK[${section}]`), value, section);
});
