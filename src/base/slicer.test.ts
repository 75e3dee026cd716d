import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slicer } from './slicer.ts';
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
