import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssertionFailure } from './assert.ts';
import { BoundedCounts } from './bounded-counts.ts';

test('each key has its own bound, and what was refused is not counted', () => {
  const counts = new BoundedCounts();
  assert.deepEqual([counts.begin('a', 2), counts.begin('a', 2), counts.begin('a', 2)], [true, true, false]);
  assert.equal(counts.begin('b', 2), true);
  counts.end('a');
  assert.deepEqual([counts.begin('a', 2), counts.begin('a', 2)], [true, false]);
  assert.equal(counts.begin('a', 3), true);
  assert.equal(counts.begin('c', 0), false);
  assert.equal(counts.size, 2);
});

test('a key that has none is forgotten', () => {
  const counts = new BoundedCounts<number>();
  counts.begin(1, 2);
  counts.begin(1, 2);
  counts.begin(2, 2);
  counts.end(1);
  assert.equal(counts.size, 2);
  counts.end(1);
  assert.equal(counts.size, 1);
  counts.end(2);
  assert.equal(counts.size, 0);
});

test('ending what was not begun is a bug', () => {
  const counts = new BoundedCounts();
  assert.throws(() => counts.end('a'), AssertionFailure);
  counts.begin('a', 1);
  counts.end('a');
  assert.throws(() => counts.end('a'), AssertionFailure);
});
