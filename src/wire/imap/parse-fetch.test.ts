import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CommandNamed } from './command.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';
import { parseCommand } from './parse-command.ts';

function fetch(arguments_: string): CommandNamed<'FETCH'> {
  const command = parseCommand({ text: `a ${arguments_}`, literals: [] }, { utf8: false });
  assert(command.name === 'FETCH');
  return command;
}

const labels = (arguments_: string) => fetch(arguments_).items.map((item) => item.label);

test('macros expand; repeated items come once; UID FETCH has UID', () => {
  assert.deepEqual(labels('FETCH 1 ALL'), ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE']);
  assert.deepEqual(labels('FETCH 1 full'), ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY']);
  assert.deepEqual(labels('UID FETCH 1 (FLAGS UID FLAGS)'), ['UID', 'FLAGS']);
  assert.deepEqual(fetch('UID FETCH 4,2:* FAST').set.ranges, [4, 4, 2, 0]);
});

test('sections: part, text, fields, partial', () => {
  assert.deepEqual(fetch('FETCH 1 BODY.PEEK[4.2.header.fields (Date X-Y)]<10.20>').items, [
    {
      type: 'section',
      peek: true,
      section: { part: [4, 2], text: 'headerFields', fields: ['date', 'x-y'] },
      partial: { offset: 10, bytes: 20 },
      label: 'BODY[4.2.HEADER.FIELDS (Date X-Y)]<10>',
    },
  ]);
  assert.deepEqual(
    labels('FETCH 1 (BODY[] BODY[1] BODY[1.MIME] BODY[TEXT]<0.5> BODY[HEADER.FIELDS.NOT ("a(b")])'),
    ['BODY[]', 'BODY[1]', 'BODY[1.MIME]', 'BODY[TEXT]<0>', 'BODY[HEADER.FIELDS.NOT ("a(b")]'],
  );
});

test('RFC822 forms are sections under their own names', () => {
  const [whole, header] = fetch('FETCH 1 (RFC822 RFC822.HEADER)').items;
  assert.deepEqual(whole, {
    type: 'section',
    peek: false,
    section: { part: [], text: 'whole', fields: [] },
    partial: undefined,
    label: 'RFC822',
  });
  assert(header?.type === 'section' && header.peek && header.section.text === 'header');
});

test('of BODY[] and BODY.PEEK[] the one that sets \\Seen counts; partials of other lengths are others', () => {
  const { items } = fetch('FETCH 1 (BODY.PEEK[] BODY[])');
  assert.equal(items.length, 1);
  assert(items[0]?.type === 'section' && !items[0].peek);
  assert.equal(fetch('FETCH 1 (BODY[]<0.5> BODY[]<0.6> BODY[]<0.5>)').items.length, 2);
});

test('BINARY, object ids, modifiers', () => {
  assert.deepEqual(fetch('FETCH 1 (BINARY.PEEK[1.2]<0.5> BINARY.SIZE[4])').items, [
    { type: 'binary', peek: true, part: [1, 2], partial: { offset: 0, bytes: 5 }, label: 'BINARY[1.2]<0>' },
    { type: 'binarySize', part: [4], label: 'BINARY.SIZE[4]' },
  ]);
  const command = fetch('UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)');
  assert.equal(command.changedSince, 12345);
  assert.equal(command.vanished, true);
  assert.deepEqual(
    command.items.map((item) => item.label),
    ['UID', 'FLAGS', 'MODSEQ'],
  );
  assert.deepEqual(labels('FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW (LAZY) MODSEQ)'), [
    'EMAILID',
    'THREADID',
    'SAVEDATE',
    'PREVIEW',
    'MODSEQ',
  ]);
});

test('what is no FETCH is refused', () => {
  for (const text of [
    '1 ()',
    '1 FOO',
    '1 BODY[0]',
    '1 BODY[1.]',
    '1 BODY[1',
    '1 BODY[MIME]',
    '1 BODY[HEADER.FIELDS ()]',
    '1 BODY[HEADER.FIELDS ("a\tb")]',
    '1 BODY[]<1>',
    '1 BODY[]<1.0>',
    '1 RFC822[]',
    '1 FLAGS (VANISHED)',
    '1 FLAGS (CHANGEDSINCE 1 VANISHED)',
    '1 FLAGS (FOO)',
    '1 (FLAGS',
    '1 (FLAGS  UID)',
    'x FLAGS',
    `1 BODY[${'1.'.repeat(150)}1]`,
    `1 (${Array.from({ length: 300 }, (_, index) => `BODY[${index + 1}]`).join(' ')})`,
  ])
    assert.throws(() => fetch(`FETCH ${text}`), ImapSyntaxError, text);
});
