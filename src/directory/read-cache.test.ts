import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadCache } from './read-cache.ts';
import { manualClock } from './testing.ts';

/** Loads are answered by hand, in the order of `reads`. */
function openCache() {
  const reads: { readonly key: string; readonly answer: (value: string) => void }[] = [];
  const load = (key: string) => {
    const { promise, resolve } = Promise.withResolvers<string>();
    reads.push({ key, answer: resolve });
    return promise;
  };
  return { cache: new ReadCache(manualClock(), { entriesMax: 10, ageMaxMs: 1000 }, load), reads };
}

test('one entry is forgotten, the others stay', async () => {
  const { cache, reads } = openCache();
  const first = [cache.get('a'), cache.get('b')];
  for (const { key, answer } of reads) answer(`${key} of before`);
  assert.deepEqual(await Promise.all(first), ['a of before', 'b of before']);
  cache.forget('a');
  const a = cache.get('a');
  assert.equal(await cache.get('b'), 'b of before');
  reads[2]!.answer('a of now');
  assert.deepEqual([await a, await cache.get('a'), reads.length], ['a of now', 'a of now', 3]);
});

for (const forgets of ['forget', 'clear'] as const) {
  test(`a read that began before ${forgets} is kept neither in place of a later one nor after it`, async () => {
    const { cache, reads } = openCache();
    const before = cache.get('a');
    cache[forgets]('a');
    const after = cache.get('a');
    assert.equal(reads.length, 2);
    reads[1]!.answer('of now');
    assert.equal(await after, 'of now');
    reads[0]!.answer('of before');
    assert.equal(await before, 'of before');
    assert.equal(await cache.get('a'), 'of now');
    assert.equal(reads.length, 2);
  });

  test(`a read that began before ${forgets} and ends first is not kept`, async () => {
    const { cache, reads } = openCache();
    const before = cache.get('a');
    cache[forgets]('a');
    reads[0]!.answer('of before');
    await before;
    const after = cache.get('a');
    reads[1]!.answer('of now');
    assert.equal(await after, 'of now');
  });
}
