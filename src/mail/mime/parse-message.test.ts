import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkStructure, structureShape } from '../../../test/corpus/structure-checks.ts';
import { mimeLimits, parseMessage, parseMessageSteps } from './parse-message.ts';

function parse(...lines: string[]) {
  const bytes = Buffer.from(lines.join('\r\n'), 'latin1');
  const parsed = parseMessage(bytes);
  checkStructure(parsed);
  const body = (start: number, end: number) => bytes.toString('latin1', start, end);
  return { ...parsed, shape: structureShape(parsed.root), body };
}

test('a message without MIME is plain text in us-ascii', () => {
  const { root, envelope } = parse('From: a@b.test', 'Subject: x', '', 'one', 'two', '');
  assert.equal(root.path, '1');
  assert.equal(`${root.type}/${root.subtype} ${root.encoding}`, 'text/plain 7bit');
  assert.deepEqual(root.parameters, [['charset', 'us-ascii']]);
  assert.equal(root.lines, 2);
  assert.equal(envelope.subject, 'x');
  assert.equal(envelope.sender, 'a@b.test');
});

test('an empty message has a structure', () => {
  assert.deepEqual(parse('').shape, ['1 text/plain 7bit 0']);
});

test('all content fields are taken, the first of each', () => {
  const { root } = parse(
    'Content-Type: Image/JPEG; Name="a b.jpg"',
    'content-type: text/plain',
    'Content-ID: <id@x>',
    'Content-Description: =?utf-8?Q?x?=',
    'Content-Transfer-Encoding: BASE64 (really)',
    'Content-MD5: abc==',
    'Content-Disposition: ATTACHMENT; Filename=x.jpg',
    'Content-Language: de, en-GB ,',
    'Content-Location: http://x.test/',
    '',
    'xx',
  );
  const { type, subtype, parameters, id, description, encoding, md5, disposition, language, location } = root;
  assert.deepEqual(
    { type, subtype, parameters, id, description, encoding, md5, disposition, language, location },
    {
      type: 'image',
      subtype: 'jpeg',
      parameters: [['name', 'a b.jpg']],
      id: '<id@x>',
      description: '=?utf-8?Q?x?=',
      encoding: 'base64',
      md5: 'abc==',
      disposition: { type: 'attachment', parameters: [['filename', 'x.jpg']] },
      language: ['de', 'en-GB'],
      location: 'http://x.test/',
    },
  );
});

const types: [string, string][] = [
  ['text/html charset=utf-8', 'text/html charset=utf-8'],
  ['text', 'text/plain charset=us-ascii'],
  ['nonsense', 'text/plain charset=us-ascii'],
  ['', 'text/plain charset=us-ascii'],
  ['text/plain; charset="utf-8"', 'text/plain charset=utf-8'],
  ['TEXT / X-Foo', 'text/x-foo charset=us-ascii'],
  ['application/pdf', 'application/pdf '],
  ['multipart', 'multipart/mixed '],
];

for (const [value, expected] of types) {
  test(`Content-Type: ${value}`, () => {
    const { root } = parse(`Content-Type: ${value}`, '', 'x');
    const parameters = root.parameters.map((parameter) => parameter.join('=')).join(' ');
    assert.equal(`${root.type}/${root.subtype} ${parameters}`, expected);
  });
}

test('the line break before a boundary belongs to the boundary', () => {
  const { root, body } = parse(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'one',
    '',
    '--b',
    '',
    '--b--',
  );
  assert.deepEqual(
    root.children.map((part) => body(part.bodyStart, part.bodyEnd)),
    ['one\r\n', ''],
  );
});

test('an outer boundary ends inner parts that never close', () => {
  const { shape } = parse(
    'Content-Type: multipart/mixed; boundary=outer',
    '',
    '--outer',
    'Content-Type: message/rfc822',
    '',
    'Content-Type: multipart/mixed; boundary=inner',
    '',
    '--inner',
    'X: header without end',
    '--outer',
    '',
    'last',
    '--outer--',
  );
  assert.deepEqual(shape, [
    '- multipart/mixed 7bit 0',
    '  1 message/rfc822 7bit 4',
    '  > 1 multipart/mixed 7bit 0',
    '  >   1.1 text/plain 7bit 0',
    '  2 text/plain 7bit 1',
  ]);
});

test('the inner of two multiparts with one boundary gets the lines until it closes', () => {
  const { shape } = parse(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'inner',
    '--b--',
    '--b',
    '',
    'outer',
    '--b--',
  );
  assert.deepEqual(shape, [
    '- multipart/mixed 7bit 0',
    '  1 multipart/mixed 7bit 0',
    '    1.1 text/plain 7bit 1',
    '  2 text/plain 7bit 1',
  ]);
});

test('an encoded message is not looked into; one of an unknown encoding is', () => {
  const nested = ['', 'Subject: inner', '', 'text'];
  assert.deepEqual(
    parse('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', ...nested).shape,
    ['1 message/rfc822 base64 0'],
  );
  const { root } = parse('Content-Type: message/global', 'Content-Transfer-Encoding: 8bit', ...nested);
  assert.equal(root.message?.envelope.subject, 'inner');
  assert.equal(root.lines, 3);
  assert.equal(parse('Content-Type: message/partial; id=x', ...nested).root.message, undefined);
});

test('beyond the limits the rest is opaque', () => {
  const bytes = Buffer.from(
    ['Content-Type: multipart/mixed; boundary=b', '', ...Array(10).fill('--b\r\n\r\ntext'), '--b--'].join(
      '\r\n',
    ),
  );
  const parsed = parseMessage(bytes, { ...mimeLimits, partsMax: 4 });
  checkStructure(parsed);
  assert.equal(parsed.limited, true);
  assert.equal(parsed.root.children.length, 3);
  assert.equal(parsed.root.children[2]!.bodyEnd, bytes.length);
  const deep = parseMessage(Buffer.from('Content-Type: message/rfc822\r\n\r\n'.repeat(500)));
  checkStructure(deep);
  assert.equal(deep.limited, true);
  assert.equal(parseMessage(bytes).limited, false);
});

test('in steps it is the same, however large the parts', () => {
  const text = 'A line of text.\r\n'.repeat(60_000);
  const parts = ['', '', text, 'Content-Type: application/x\r\n\r\n', text].map(
    (part) => `--b\r\n${part}\r\n`,
  );
  const nested = `--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n${text}\r\n--b--\r\n`;
  const bytes = Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${parts.join('')}${nested}`);
  const steps = parseMessageSteps(bytes);
  const positions: number[] = [];
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) positions.push(step.value);
  assert.ok(positions.length >= 8, `${positions.length} steps`);
  assert.deepEqual(step.value.root, parseMessage(bytes).root);
  checkStructure(step.value);
});

test('any text of boundaries and headers gives a sane structure', () => {
  const pieces = fc.constantFrom(
    'Content-Type: multipart/mixed; boundary=b\n\n',
    'Content-Type: multipart/digest; boundary="b c"\r\n\r\n',
    'Content-Type: message/rfc822\n\n',
    'Content-Transfer-Encoding: base64\n',
    '--b\n',
    '\r\n--b--\r\n',
    '--b c \r\n',
    '--b c-- junk\n',
    '\n',
    '\r\n',
    ' ',
    'text\n',
    'X: y\n',
    '--',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const bytes = Buffer.from(parts.join(''));
      const parsed = parseMessage(bytes);
      checkStructure(parsed);
      assert.ok(parsed.work <= 8 * bytes.length + 100);
    }),
    { numRuns: 500 },
  );
});

const deep = { ...mimeLimits, depthMax: 1_000_000, partsMax: 1_000_000 };
const repeated = (piece: string) => (count: number) => piece.repeat(count);
const numbered = (piece: (index: number) => string) => (count: number) =>
  Array.from({ length: count }, (_, index) => piece(index)).join('');
const multipart = 'Content-Type: multipart/mixed; boundary=b\n\n';

const adversaries: Record<string, (count: number) => string> = {
  'nested multiparts': numbered(
    (index) => `Content-Type: multipart/mixed; boundary=b${index}\n\n--b${index}\n`,
  ),
  'nested multiparts, then lines of dashes': (count) =>
    numbered((index) => `Content-Type: multipart/mixed; boundary=b${index}\n\n--b${index}\n`)(count) +
    '\n--b and more\n'.repeat(count),
  'nested multiparts of one boundary': repeated(`${multipart}--b\n`),
  'multiparts opened and closed': (count) => `${multipart}${`--b\n${multipart}--b\n\n--b--\n`.repeat(count)}`,
  'nested messages': repeated('Content-Type: message/rfc822\n\n'),
  'nested messages without blank lines': repeated('Content-Type: message/rfc822\nnonsense\n'),
  'lines of dashes': (count) => multipart + '--\n'.repeat(count),
  'lines of dashes and spaces': (count) => multipart + '-- - - - - - - - \n'.repeat(count),
  'one line of dashes': (count) => multipart + '--'.repeat(count),
  'empty parts': (count) => multipart + '--b\n'.repeat(count),
  'parts without blank line': (count) => multipart + '--b\nX: y\nnonsense\n'.repeat(count),
  parameters: (count) => `Content-Type: text/plain${'; a="b\\"c'.repeat(count)}\n\n`,
  comments: (count) => `Content-Type: text/plain (${'(('.repeat(count)}\n\n`,
  'folded lines': (count) => `Content-Type: text/plain;\n${' \n x'.repeat(count)}\n\n`,
};

for (const [name, make] of Object.entries(adversaries)) {
  test(`linear: ${name}`, () => {
    const work = [250, 500, 1000].map((count) => {
      const bytes = Buffer.from(make(count));
      const parsed = parseMessage(bytes, deep);
      assert.ok(parsed.work <= 6 * bytes.length + 1000, `${parsed.work} of ${bytes.length}`);
      return parsed.work;
    });
    assert.ok(work[2]! - work[1]! <= 2.5 * (work[1]! - work[0]!) + 100, `${work}`);
  });
}
