import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { slowTurns } from '../../base/testing-turns.ts';
import { threadText } from './thread-text.ts';

/** UIDs are ten times the sequence numbers; 70 is not known yet. */
const view = { sequenceOf: (uid: number) => (uid === 70 ? 0 : uid / 10) };

test('numbers are sequence numbers or UIDs; what is not known is left out, what is below it moves up', async () => {
  const pairs = Uint32Array.from([0, 10, 1, 70, 2, 20, 0, 0, 1, 70, 0, 0, 1, 30, 1, 40]);
  const told = { view, clock: systemClock };
  assert.equal(await threadText(pairs, { ...told, uid: false }), '* THREAD (1 2)((3)(4))\r\n');
  assert.equal(await threadText(pairs, { ...told, uid: true }), '* THREAD (10 20)((30)(40))\r\n');
});

test('an answer of many messages gives others their turns', async () => {
  const clock = slowTurns();
  const messages = 50_000;
  const pairs = new Uint32Array(2 * messages);
  for (let index = 0; index < messages; index++) pairs.set([index % 2, 1000 + index * 10], 2 * index);
  const text = await threadText(pairs, { view, uid: false, clock });
  const threads = Array.from({ length: messages / 2 }, (_, at) => `(${100 + 2 * at} ${101 + 2 * at})`);
  assert.equal(text, `* THREAD ${threads.join('')}\r\n`);
  // The messages are gone through three times, a thousand in a step; every sixth look at this clock gives a turn.
  assert.ok(clock.turnsGiven >= (3 * 49) / 6 - 1, `${clock.turnsGiven} turns`);
});
