import assert from 'node:assert/strict';
import { stat } from 'node:fs';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

/** Counts turns of the event loop while `work` runs; `work` gets a function that gives the number. */
async function countingTurns(work: (turn: () => number) => Promise<void>): Promise<void> {
  let turn = 0;
  let counting = true;
  const count = (): void => {
    turn++;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await work(() => turn);
  counting = false;
}

/** As long as others are let go on. */
function useSliceUp(): void {
  while (systemClock.turnMs() < 5);
}

test('of those who wait and do long work one goes on in each turn of the event loop, in order', async () => {
  const turns: number[] = [];
  await countingTurns(async (turn) => {
    const work = async (): Promise<void> => {
      await systemClock.yieldTurn();
      turns.push(turn());
      useSliceUp();
    };
    await Promise.all([work(), work(), work(), work()]);
  });
  assert.equal(new Set(turns).size, 4, `turns ${turns}`);
  assert.deepEqual(
    turns,
    [...turns].sort((a, b) => a - b),
  );
});

test('of those who wait and do little many go on in one turn', async () => {
  const waiting = 200;
  await countingTurns(async (turn) => {
    const before = turn();
    await Promise.all(Array.from({ length: waiting }, () => systemClock.yieldTurn()));
    const took = turn() - before;
    assert.ok(took < waiting / 2, `${took} turns`);
  });
});

test('who yields again and again does not get two slices in a turn', async () => {
  await countingTurns(async (turn) => {
    const turns: number[] = [];
    for (let step = 0; step < 5; step++) {
      await systemClock.yieldTurn();
      turns.push(turn());
      useSliceUp();
    }
    assert.equal(new Set(turns).size, 5, `turns ${turns}`);
  });
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

test('a turn is counted from the first who asks in it, for all', async () => {
  await systemClock.nextTurn();
  await systemClock.nextTurn();
  assert.equal(systemClock.turnMs(), 0, 'a new turn');
  while (systemClock.turnMs() < 2);
  await Promise.resolve();
  assert.ok(systemClock.turnMs() >= 2, 'a promise goes on in the same turn');
  await systemClock.nextTurn();
  assert.equal(systemClock.turnMs(), 0, 'the next turn');
});

test('what comes in anew finds a slice of its own, whatever those who waited used', async () => {
  await systemClock.yieldTurn();
  useSliceUp();
  // An answer of the file system comes in where clients' bytes do.
  await new Promise((resolve) => stat('/', resolve));
  assert.ok(systemClock.turnMs() < 5);
});
