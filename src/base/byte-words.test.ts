// Four bytes at a time finds what one at a time finds, wherever the bytes begin and end.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ByteWords } from './byte-words.ts';

const byte = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 255 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 9, 10, 13, 14, 0x0b, 0x7f, 0x80, 0x8a, 0xff) },
);
const texts = fc.record({
  bytes: fc
    .uint8Array({ minLength: 0, maxLength: 200 })
    .chain((shape) => fc.array(byte, { minLength: shape.length, maxLength: shape.length })),
  offset: fc.integer({ min: 0, max: 3 }),
  from: fc.integer({ min: 0, max: 200 }),
  length: fc.integer({ min: 0, max: 200 }),
});

it('finds the first low byte as a plain loop does', () => {
  fc.assert(
    fc.property(texts, ({ bytes, offset, from, length }) => {
      const view = new Uint8Array(offset + bytes.length).subarray(offset);
      view.set(bytes);
      const start = Math.min(from, bytes.length);
      const end = Math.min(start + length, bytes.length);
      const looked = bytes.slice(start, end);
      const low = looked.findIndex((value) => value < 14);
      const words = new ByteWords(view);
      assert.equal(words.lowByte(start, end), low === -1 ? end : start + low);
    }),
    { numRuns: 2000 },
  );
});

it('finds a low byte where it begins to look, in a text of nothing else', () => {
  for (let offset = 0; offset < 4; offset++) {
    const bytes = new Uint8Array(1003).fill(10).subarray(offset);
    assert.equal(new ByteWords(bytes).lowByte(5, bytes.length), 5);
  }
});
