import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { sortSteps } from './sort-steps.ts';

interface Pair {
  readonly key: number;
  readonly place: number;
}

function sorted(items: readonly Pair[]): { readonly result: Pair[]; readonly steps: number } {
  const sorting = sortSteps(items, (a, b) => a.key - b.key);
  for (let steps = 0; ; steps++) {
    const step = sorting.next();
    if (step.done) return { result: step.value, steps };
  }
}

test('sorted in steps as the engine sorts at once, equals as they stood', () => {
  const random = seededRandom(7);
  for (const count of [0, 1, 1023, 1024, 1025, 5000, 12_289]) {
    const items = Array.from({ length: count }, (_, place) => ({ key: random.integer(300), place }));
    assert.deepEqual(
      sorted(items).result,
      items.toSorted((a, b) => a.key - b.key),
    );
  }
});

test('a long list takes many steps, none of which looks at more than a few thousand items', () => {
  const items = Array.from({ length: 40_000 }, (_, place) => ({ key: -place, place }));
  let compared = 0;
  let most = 0;
  const sorting = sortSteps(items, (a, b) => {
    compared++;
    return a.key - b.key;
  });
  while (!sorting.next().done) {
    most = Math.max(most, compared);
    compared = 0;
  }
  assert.ok(most <= 1024 * 11, `${most} comparisons in a step`);
});
