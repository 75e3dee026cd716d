import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { lineFeeds } from './line-feeds.ts';

/** Every byte looked at. */
function looked(bytes: Buffer, from: number, end: number) {
  const feeds = [...bytes.subarray(from, end).keys()].filter((at) => bytes[from + at] === 10);
  return { count: feeds.length, bare: feeds.filter((at) => bytes[from + at - 1] !== 13).length };
}

/** Of lines of `characters` and their ends. */
function textOf(characters: number, ends: readonly string[], bytes: number): Buffer {
  let text = '';
  for (let line = 0; text.length < bytes; line++) text += 'x'.repeat(characters) + ends[line % ends.length]!;
  return Buffer.from(text.slice(0, bytes), 'latin1');
}

it('counts as a plain loop does, wherever lines and the looked-at part begin and end', () => {
  const line = fc.tuple(fc.nat(100), fc.constantFrom('\r\n', '\n', '\r', '\n\n', '\r\r\n', '\x0b', 'é\n'));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), fc.nat(400), fc.nat(2000), (lines, from, length) => {
      const text = lines.map(([characters, end]) => 'x'.repeat(characters) + end).join('');
      const bytes = Buffer.from(text, 'latin1');
      const start = Math.min(from, bytes.length);
      const end = Math.min(start + length, bytes.length);
      assert.deepEqual(lineFeeds(bytes, start, end), looked(bytes, start, end));
    }),
    { numRuns: 2000 },
  );
});

for (const [what, characters, ends] of [
  ['of usual length', 70, ['\r\n']],
  ['of usual length, some ends bare', 70, ['\r\n', '\n', '\r\n']],
  ['that are short', 5, ['\r\n', '\n']],
  ['that are nothing but their ends', 0, ['\n']],
  ['that have no end', 70, ['']],
] as const) {
  it(`counts those of texts of many pieces, with lines ${what}`, () => {
    for (const bytes of [16 * 1024, 16 * 1024 + 1, 100_000]) {
      const text = textOf(characters, ends, bytes);
      assert.deepEqual(lineFeeds(text, 0, bytes), looked(text, 0, bytes));
      assert.deepEqual(lineFeeds(text, 1, bytes - 1), looked(text, 1, bytes - 1));
    }
  });
}

it('lines that are long for a while and short then are counted to the end', () => {
  const text = Buffer.concat([
    textOf(200, ['\r\n'], 5000),
    textOf(0, ['\n'], 20_000),
    textOf(70, ['\r\n'], 9000),
  ]);
  assert.deepEqual(lineFeeds(text, 0, text.length), looked(text, 0, text.length));
});
