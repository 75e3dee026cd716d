// Sorting by heads against plain comparing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SortedValues, sortedNumbers, sortRows } from './sorted-rows.ts';

function assertSorted(count: number, values: SortedValues): void {
  const rows = Uint32Array.from({ length: count }, (_, row) => row);
  const expected = [...rows].sort((a, b) => values.compare(a, b) || a - b);
  assert.deepEqual([...sortRows(rows, values)], expected);
}

test('numbers: close together, far apart, broken', () => {
  const number = fc.oneof(
    fc.integer({ min: -5, max: 5 }),
    fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  );
  fc.assert(
    fc.property(fc.array(number, { maxLength: 200, size: 'max' }), (numbers) => {
      assertSorted(numbers.length, sortedNumbers(Float64Array.from(numbers)));
    }),
    { numRuns: 200 },
  );
});

test('numbers that are equal but not whole, or all but equal', () => {
  for (const numbers of [
    [0.5, 0.5, 0.5],
    [0, -5e-324],
    [1e-300, 0, 0, 1e-300],
  ])
    assertSorted(numbers.length, sortedNumbers(Float64Array.from(numbers)));
});
