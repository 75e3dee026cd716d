import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { Bytes } from '../engine.ts';
import { ChunkReads } from './chunk-reads.ts';

const keysOf = (...names: string[]): Bytes[] => names.map((name) => Buffer.from(name));

/** Values are the keys; without one for `gone`. Requests that have `broken` in them fail. */
function engineThat(requests: string[][]) {
  return {
    getMany: async (keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> => {
      const names = keys.map((key) => Buffer.from(key).toString());
      requests.push(names);
      if (names.includes('broken')) throw new Error('a read failed');
      return keys.map((key, at) => (names[at] === 'gone' ? undefined : key));
    },
  };
}

test('what is asked for in one turn is read together, and each gets its own', async () => {
  const requests: string[][] = [];
  const reads = new ChunkReads(engineThat(requests), systemClock);
  const found = await Promise.all([
    reads.getMany(keysOf('a1', 'a2')),
    reads.getMany(keysOf('gone')),
    reads.getMany(keysOf('b')),
  ]);
  assert.deepEqual(found, [keysOf('a1', 'a2'), [undefined], keysOf('b')]);
  assert.deepEqual(requests, [['a1', 'a2', 'gone', 'b']]);
  assert.deepEqual(await reads.getMany(keysOf('c')), keysOf('c'));
  assert.equal(requests.length, 2);
});

test('more than the limit is cut between those who asked; one who wants more has a request alone', async () => {
  const requests: string[][] = [];
  const reads = new ChunkReads(engineThat(requests), systemClock);
  const many = Array.from({ length: 16 }, (_, at) => `m${at}`);
  const asked = [['a', 'b', 'c', 'd', 'e'], ['f', 'g', 'h'], ['i'], many, ['j']];
  const found = await Promise.all(asked.map((names) => reads.getMany(keysOf(...names))));
  assert.deepEqual(
    found,
    asked.map((names) => keysOf(...names)),
  );
  assert.deepEqual(requests, [['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], ['i'], many, ['j']]);
});

test('a request that fails fails those who share it, and nobody else', async () => {
  const reads = new ChunkReads(engineThat([]), systemClock);
  const eight = Array.from({ length: 8 }, (_, at) => `e${at}`);
  const settled = await Promise.allSettled([
    reads.getMany(keysOf('broken')),
    reads.getMany(keysOf('a')),
    reads.getMany(keysOf(...eight)),
  ]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled'],
  );
});
