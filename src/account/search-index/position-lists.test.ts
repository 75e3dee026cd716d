// Lists of positions, and the numbers they are made of, are read as they were written, whatever the pieces.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NumberStream } from './number-stream.ts';
import { differenceBytes, PositionReader, writeDifference } from './position-lists.ts';

/** Around each of the places where one byte more is needed, and anywhere. */
const difference = fc.oneof(
  { weight: 4, arbitrary: fc.nat(400) },
  ...[192, 12_480, 995_520, 2 ** 24].map((middle) => fc.integer({ min: middle - 3, max: middle + 3 })),
  fc.nat(2 ** 26),
);

function readAll(read: (into: Int32Array) => number, pieceLength: number): number[] {
  const into = new Int32Array(pieceLength);
  const all: number[] = [];
  for (let count = read(into); count > 0; count = read(into)) all.push(...into.subarray(0, count));
  return all;
}

test('positions are read as they were written', () => {
  fc.assert(
    fc.property(
      fc.array(difference, { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      (differences, piece) => {
        const bytes = Buffer.alloc(differences.reduce((sum, one) => sum + differenceBytes(one), 0));
        const end = differences.reduce((at, one) => writeDifference(bytes, at, one), 0);
        assert.equal(end, bytes.length);
        let position = 0;
        const positions = differences.map((one) => (position += one));
        const reader = new PositionReader(bytes);
        assert.deepEqual(
          readAll((into) => reader.read(into), piece),
          positions,
        );
      },
    ),
  );
});

test('most differences take one byte, none more than five', () => {
  assert.deepEqual(
    [0, 191, 192, 12_479, 12_480, 995_519, 995_520, 2 ** 31 - 1].map(differenceBytes),
    [1, 1, 2, 2, 3, 3, 5, 5],
  );
});

test('numbers of any size are read as they were appended', () => {
  const numbers = Array.from({ length: 40_000 }, (_, at) => (at % 3 === 0 ? 65_530 + (at % 12) : at * 7_919));
  const stream = new NumberStream();
  for (const number of numbers) stream.append(number);
  assert.deepEqual(
    readAll((into) => stream.read(into), 1_000),
    numbers,
  );
});
