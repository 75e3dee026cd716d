import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

test('of those who wait for a turn one goes on in each turn of the event loop, in order', async () => {
  let turn = 0;
  let counting = true;
  const count = (): void => {
    turn++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const turns: number[] = [];
  await Promise.all(
    [0, 1, 2, 3].map(async () => {
      await systemClock.yieldTurn();
      turns.push(turn);
    }),
  );
  counting = false;
  assert.equal(new Set(turns).size, 4, `turns ${turns}`);
  assert.deepEqual(
    turns,
    [...turns].sort((a, b) => a - b),
  );
});

test('who waits again goes behind those who wait already', async () => {
  const order: string[] = [];
  const run = async (name: string): Promise<void> => {
    for (let step = 0; step < 2; step++) {
      await systemClock.yieldTurn();
      order.push(`${name}${step}`);
    }
  };
  await Promise.all([run('a'), run('b')]);
  assert.deepEqual(order, ['a0', 'b0', 'a1', 'b1']);
});
