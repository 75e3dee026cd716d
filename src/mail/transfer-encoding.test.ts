import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeTransfer, isIdentityEncoding, transferDecoder } from './transfer-encoding.ts';

const unlimited = 1_000_000;

function decoded(encoding: string, text: string): string {
  return decodeTransfer(Buffer.from(text, 'latin1'), encoding, unlimited).toString('latin1');
}

const cases: [string, string, string][] = [
  ['base64', 'YWJj', 'abc'],
  ['base64', 'YWI=', 'ab'],
  ['base64', 'YWI', 'ab'],
  ['base64', 'YW\r\nJj\r\n', 'abc'],
  ['base64', 'Y!W"J\x80j', 'abc'],
  ['base64', 'YQ==YmM=', 'abc'],
  ['base64', 'YQ==\r\n\r\nYmM=', 'abc'],
  ['base64', 'Y', ''],
  ['base64', '', ''],
  ['quoted-printable', 'a=3Db', 'a=b'],
  ['quoted-printable', 'a=c3=A4', 'a\xc3\xa4'],
  ['quoted-printable', 'soft=\r\nbreak', 'softbreak'],
  ['quoted-printable', 'soft=\nbreak', 'softbreak'],
  ['quoted-printable', 'soft=  \r\nbreak', 'softbreak'],
  ['quoted-printable', 'trailing  \t\r\nnext', 'trailing\r\nnext'],
  ['quoted-printable', 'kept=20\r\nnext', 'kept \r\nnext'],
  ['quoted-printable', 'broken=zz and =4', 'broken=zz and =4'],
  ['quoted-printable', 'end=', 'end'],
  ['quoted-printable', 'raw \xe4', 'raw \xe4'],
  ['8bit', 'as = it is', 'as = it is'],
  ['x-unknown', 'as = it is', 'as = it is'],
  ['x-uuencode', 'begin 644 a.txt\n#86)C\n`\nend\nrest', 'abc'],
  ['x-uuencode', 'text before\r\nbegin 644 a.txt\r\n#86)C\r\nend\r\n', 'abc'],
  ['x-uuencode', 'no beginning', ''],
];

for (const [encoding, text, expected] of cases) {
  test(`${encoding} ${JSON.stringify(text)}`, () => assert.equal(decoded(encoding, text), expected));
}

test('chunks of any size give the same as all at once', () => {
  const encodings = fc.constantFrom('base64', 'quoted-printable', 'x-uuencode');
  const alphabet = fc.constantFrom(...'begin 644 x\nAb4=\r\n \t=\n#86)C\nend');
  fc.assert(
    fc.property(
      encodings,
      fc.array(alphabet, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      (encoding, letters, size) => {
        const input = Buffer.from(`begin 644 x\n${letters.join('')}`);
        const decoder = transferDecoder(encoding);
        const pieces: Buffer[] = [];
        for (let start = 0; start < input.length; start += size)
          pieces.push(decoder.push(input.subarray(start, start + size)));
        pieces.push(decoder.end());
        assert.equal(
          Buffer.concat(pieces).toString('latin1'),
          decodeTransfer(input, encoding, unlimited).toString('latin1'),
        );
      },
    ),
    { numRuns: 500 },
  );
});

test('base64 is what the platform makes of it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      assert.deepEqual(decodeTransfer(Buffer.from(text), 'base64', unlimited), Buffer.from(bytes));
    }),
    { numRuns: 100 },
  );
});

test('output ends at the limit', () => {
  const input = Buffer.from('YWJj'.repeat(100_000));
  assert.equal(decodeTransfer(input, 'base64', 1000).length, 1000);
  assert.equal(decodeTransfer(input, '7bit', 1000).length, 1000);
  assert.equal(isIdentityEncoding('binary'), true);
  assert.equal(isIdentityEncoding('base64'), false);
});
