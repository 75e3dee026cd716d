import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slicer, SparseSlicer } from './slicer.ts';
import { slowTurns } from './testing-turns.ts';

test('work that uses its slice up gives others a turn and begins a new slice', async () => {
  const clock = slowTurns();
  const slicer = new Slicer(clock, 5);
  for (let step = 0; step < 5; step++) if (slicer.due()) await slicer.rest();
  assert.equal(clock.turnsGiven, 1);
  for (let step = 0; step < 5; step++) if (slicer.due()) await slicer.rest();
  assert.equal(clock.turnsGiven, 1, 'a slice is as long as the first');
  if (slicer.due()) await slicer.rest();
  assert.equal(clock.turnsGiven, 2);
});

test('works that follow one another share the slice of a turn', async () => {
  const clock = slowTurns();
  for (let work = 0; work < 9; work++) {
    const slicer = new Slicer(clock, 5);
    if (slicer.due()) await slicer.rest();
  }
  assert.equal(clock.turnsGiven, 3, 'each looks twice, none of them took 5 ms alone');
});

test('steps are taken to the end, with turns for others', async () => {
  const clock = slowTurns();
  function* steps(): Generator<void, string> {
    for (let step = 0; step < 20; step++) yield;
    return 'done';
  }
  assert.equal(await new Slicer(clock, 5).finish(steps()), 'done');
  assert.equal(clock.turnsGiven, 3);
});

test('of short works every fourth looks at the clock, and the next after a long one', async () => {
  const clock = slowTurns();
  const looks = (): number => clock.turnMs();
  const slicer = new SparseSlicer(clock, 1000);
  const before = looks();
  for (let work = 0; work < 40; work++) assert.equal(slicer.due(), false);
  assert.equal(looks() - before, 11, 'ten, and the one that asks');
  for (let work = 0; work < 40; work++) {
    slicer.took(1);
    slicer.due();
  }
  assert.equal(looks() - before, 52);
});

test('when the slice is used up every short work rests, until a turn begins', async () => {
  const clock = slowTurns();
  const slicer = new SparseSlicer(clock, 1);
  for (let work = 0; work < 3; work++) assert.equal(slicer.due(), false);
  assert.deepEqual([slicer.due(), slicer.due()], [true, true]);
  await slicer.rest();
  assert.equal(slicer.due(), false);
});
