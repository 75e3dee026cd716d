import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldNames, selectedFields } from './field-names.ts';
import {
  fieldName,
  fieldValue,
  fieldValues,
  findField,
  type HeaderBlock,
  headerFields,
  unfold,
} from './header.ts';

function scan(text: string): { bytes: Buffer; block: HeaderBlock; shown: string[]; body: string } {
  const bytes = Buffer.from(text, 'latin1');
  const block = headerFields(bytes);
  const shown = Array.from(
    { length: block.count },
    (_, index) => `${fieldName(bytes, block, index)}=${fieldValue(bytes, block, index)}`,
  );
  return { bytes, block, shown, body: bytes.toString('latin1', block.end) };
}

const cases: [string, string, string[], string][] = [
  ['usual', 'A: 1\r\nB:2\r\n\r\nbody', ['a=1', 'b=2'], 'body'],
  ['bare line feeds', 'A: 1\nB:2\n\nbody', ['a=1', 'b=2'], 'body'],
  ['mixed line ends', 'A: 1\nB:2\r\n\nbody', ['a=1', 'b=2'], 'body'],
  ['folded', 'A: 1\r\n\t2\r\n 3\r\nB:\r\n\r\n', ['a=1\t2 3', 'b='], ''],
  ['folded with an empty line', 'A: 1\r\n    \r\n 2\r\n\r\nbody', ['a=1     2'], 'body'],
  ['space before the colon', 'A : 1\r\nB \t :2\r\n\r\n', ['a=1', 'b=2'], ''],
  ['no end', 'A: 1\r\nB: 2', ['a=1', 'b=2'], ''],
  ['an mbox line', 'From - Fri Jun  9 23:17:56 2000\nA: 1\n\nbody', ['=', 'a=1'], 'body'],
  ['a line without colon', 'A: 1\r\nnonsense\r\nB: 2\r\n\r\nbody', ['a=1', '=', 'b=2'], 'body'],
  ['garbage first', '+OK\r\nA: 1\r\n\r\nbody', ['=', 'a=1'], 'body'],
  [
    'no header at all',
    'Just text.\r\nMore: text\r\n'.replace('More:', 'More'),
    [],
    'Just text.\r\nMore text\r\n',
  ],
  [
    'no blank line before the body',
    'A: 1\r\nThe body starts\r\nhere\r\n',
    ['a=1'],
    'The body starts\r\nhere\r\n',
  ],
  [
    'a space in the blank line',
    'A: 1\r\n \r\nThe body starts\r\n\r\nhere\r\n',
    ['a=1'],
    'The body starts\r\n\r\nhere\r\n',
  ],
  ['empty header', '\r\nbody', [], 'body'],
  ['nothing', '', [], ''],
  ['no name', ': 1\r\nA: 2\r\n\r\n', ['=', 'a=2'], ''],
  ['8-bit name', 'A\xe4: 1\r\nA: 2\r\n\r\n', ['=', 'a=2'], ''],
  ['carriage return alone', 'A: 1\r2\r\n\r\nbody', ['a=1\r2'], 'body'],
];

for (const [name, text, shown, body] of cases) {
  test(`header: ${name}`, () => {
    const result = scan(text);
    assert.deepEqual(
      result.shown.map((line) => (line.startsWith('=') ? '=' : line)),
      shown,
    );
    assert.equal(result.body, body);
  });
}

test('fields cover the header without gap', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('A: 1', ' x', '\t', 'nonsense', '\r\n', '\n', ':', 'From ', '\xff')),
      (parts) => {
        const { block, bytes } = scan(parts.join(''));
        let position = block.start;
        for (let base = 0; base < block.count * 4; base += 4) {
          const [nameStart, nameEnd, valueStart, end] = block.offsets.subarray(base, base + 4);
          assert.equal(nameStart, position);
          assert.ok(nameStart! <= nameEnd! && nameEnd! <= valueStart! && valueStart! <= end!);
          position = end!;
        }
        assert.equal(position, block.fieldsEnd);
        assert.ok(block.fieldsEnd <= block.end && block.end <= bytes.length);
      },
    ),
    { numRuns: 300 },
  );
});

const sample = 'Received: a\r\nFrom: x@y.test\r\nreceived: b\r\n c\r\nnonsense\r\nTo: z@y.test\r\n\r\nbody';

test('fields are found by name in any letter case', () => {
  const { bytes, block } = scan(sample);
  assert.deepEqual(fieldValues(bytes, block, 'RECEIVED'), ['a', 'b c']);
  assert.equal(findField(bytes, block, 'from'), 1);
  assert.equal(findField(bytes, block, 'cc'), -1);
});

test('HEADER.FIELDS and HEADER.FIELDS.NOT give the bytes as they came', () => {
  const { bytes, block } = scan(sample);
  assert.equal(
    selectedFields(bytes, block, {
      names: new FieldNames(['received', 'to']),
      matching: true,
      hasBody: false,
    }).toString(),
    'Received: a\r\nreceived: b\r\n c\r\nTo: z@y.test\r\n\r\n',
  );
  assert.equal(
    selectedFields(bytes, block, {
      names: new FieldNames(['received']),
      matching: false,
      hasBody: false,
    }).toString(),
    'From: x@y.test\r\nnonsense\r\nTo: z@y.test\r\n\r\n',
  );
  assert.equal(
    selectedFields(bytes, block, {
      names: new FieldNames(['cc', '']),
      matching: true,
      hasBody: false,
    }).toString(),
    '\r\n',
  );
  const open = scan('A: 1\r\nB: 2');
  assert.equal(
    selectedFields(open.bytes, open.block, {
      names: new FieldNames(['b']),
      matching: true,
      hasBody: false,
    }).toString(),
    'B: 2\r\n',
  );
});

test('more fields than the limit become one without name', () => {
  const bytes = Buffer.from('A: 1\r\n'.repeat(10));
  const block = headerFields(bytes, 0, bytes.length, { fieldsMax: 3 });
  assert.equal(block.count, 3);
  assert.equal(fieldName(bytes, block, 2), '');
  assert.equal(block.fieldsEnd, bytes.length);
  assert.equal(headerFields(bytes, 0, bytes.length, { bytesMax: 12 }).end, 12);
  // Found by fuzzing: a line that is no field beyond the limit must not end the header.
  const broken = Buffer.from('A: 1\r\nA: 2\r\nA: 3\r\nnonsense\r\n');
  assert.equal(headerFields(broken, 0, broken.length, { fieldsMax: 2 }).fieldsEnd, broken.length);
});

test('unfolding', () => {
  assert.equal(unfold(' a\r\n b\n\tc \r\n'), 'a b\tc');
});
