import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBudget } from './byte-budget.ts';
import { systemClock } from './clock.ts';

test('the first in line is served first, however large', async () => {
  const budget = new ByteBudget(100, systemClock);
  assert.equal(budget.tryAcquire(60), true);
  const order: string[] = [];
  const large = budget.acquire(80, 60_000).then(() => order.push('large'));
  assert.equal(budget.tryAcquire(10), false, 'nobody overtakes');
  const small = budget.acquire(10, 60_000).then(() => order.push('small'));
  budget.release(60);
  await Promise.all([large, small]);
  assert.deepEqual(order, ['large', 'small']);
  assert.equal(budget.bytesUsed, 90);
});

test('a wait ends by its limit and lets those behind go on', async () => {
  const timers: (() => void)[] = [];
  const clock = {
    ...systemClock,
    after(_delayMs: number, callback: () => void) {
      timers.push(callback);
      return { cancel() {} };
    },
  };
  const budget = new ByteBudget(100, clock);
  assert.equal(await budget.acquire(101, 1_000), false, 'more than there ever is');
  assert.equal(await budget.acquire(50, 1_000), true);
  const large = budget.acquire(60, 1_000);
  const small = budget.acquire(50, 1_000);
  timers[0]!();
  assert.equal(await large, false);
  assert.equal(await small, true);
  assert.equal(budget.bytesUsed, 100);
});

test('who holds bytes goes before who holds none', async () => {
  const budget = new ByteBudget(100, systemClock);
  assert(budget.tryAcquire(40));
  assert(budget.tryAcquire(40));
  const newcomer = budget.acquire(90, 60_000);
  const holder = budget.acquire(50, 60_000, true);
  assert.equal(budget.tryAcquire(10), false);
  budget.release(40);
  assert.equal(await holder, true);
  budget.release(90);
  assert.equal(await newcomer, true);
  budget.release(90);
  assert.equal(budget.bytesUsed, 0);
});
