// When transactions are finished: by number, bytes or age, and never before the one before is on disk and seen.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LmdbTransactions } from './lmdb-transactions.ts';

/** `finished` counts. */
function start(groupsMax: number): { transactions: LmdbTransactions; finished: () => number } {
  let count = 0;
  const transactions = new LmdbTransactions({ groupsMax, finish: () => count++ });
  return { transactions, finished: () => count };
}

it('finishes a transaction that has its groups, and the next one when readers see that one on disk', () => {
  const { transactions, finished } = start(2);
  transactions.added(10);
  assert.deepEqual([transactions.number, finished()], [1, 0]);
  transactions.added(10);
  assert.deepEqual([transactions.number, finished()], [2, 1]);
  for (let group = 0; group < 5; group++) transactions.added(10);
  assert.equal(finished(), 1, 'the first is not on disk');
  assert.equal(transactions.flushed(), 1);
  assert.equal(finished(), 1, 'nobody sees the first');
  transactions.seen(1);
  assert.deepEqual([transactions.number, finished()], [3, 2]);
  transactions.readersGone();
  transactions.added(10);
  transactions.added(10);
  assert.equal(finished(), 2, 'the second is not on disk');
  assert.equal(transactions.flushed(), 2);
  assert.equal(finished(), 3);
  transactions.stop();
});

it('finishes what has many bytes, and says when it is too much', () => {
  const { transactions, finished } = start(1000);
  transactions.added(4 * 1024 * 1024 - 1);
  assert.equal(finished(), 0);
  transactions.added(1);
  assert.equal(finished(), 1);
  transactions.added(64 * 1024 * 1024 - 1);
  assert.equal(transactions.mayGrow, true);
  transactions.added(1);
  assert.equal(transactions.mayGrow, false);
  transactions.flushed();
  transactions.seen(1);
  assert.deepEqual([finished(), transactions.mayGrow], [2, true]);
  transactions.stop();
});

it('finishes what is old', async () => {
  const finished = Promise.withResolvers<void>();
  const transactions = new LmdbTransactions({ finish: finished.resolve });
  transactions.added(1);
  await finished.promise;
  assert.equal(transactions.number, 2);
  transactions.stop();
});

it('says when everything is on disk', async () => {
  const { transactions, finished } = start(2);
  await transactions.flush();
  transactions.added(1);
  transactions.added(1);
  transactions.added(1);
  let isFlushed = false;
  const flushed = transactions.flush().then(() => {
    isFlushed = true;
  });
  assert.equal(finished(), 1);
  transactions.flushed();
  transactions.seen(1);
  assert.equal(finished(), 2, 'the open one does not wait for its age');
  await Promise.resolve();
  assert.equal(isFlushed, false);
  transactions.flushed();
  await flushed;
  transactions.stop();
});
