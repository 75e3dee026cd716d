// What waits to be sent: of one peer, and of those of the outer zone together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OutgoingRoom, OutgoingTotal } from './outgoing-room.ts';

const mebibyte = 1024 * 1024;

test('one peer has so much, the first answer however long; small ones go ahead', () => {
  const room = new OutgoingRoom(10);
  assert.equal(room.hasRoom(1_000), true);
  // It is counted as all there is, and no more.
  room.countExpected(Number.MAX_SAFE_INTEGER, 1);
  assert.deepEqual([room.hasRoom(1), room.hasRoom(0)], [false, true]);
  room.countPending(10);
  room.countExpected(Number.MAX_SAFE_INTEGER, -1);
  assert.deepEqual([room.hasRoom(1), room.hasRoom(0), room.refuses(1)], [false, false, true]);
  room.countPending(-4);
  assert.deepEqual([room.hasRoom(4), room.hasRoom(5), room.refuses(1)], [true, false, false]);
});

test('while others have all there is, one has an ordinary answer at a time, and hears when there is more', () => {
  const together = new OutgoingTotal(8 * mebibyte);
  const [greedy, honest] = [0, 1].map(() => new OutgoingRoom(8 * mebibyte, together));
  let calls = 0;
  const callback = (): void => {
    calls++;
  };
  greedy!.countPending(8 * mebibyte);
  assert.deepEqual([honest!.hasRoom(mebibyte), honest!.hasRoom(3 * mebibyte)], [true, false]);
  honest!.countExpected(mebibyte, 1);
  assert.equal(honest!.hasRoom(mebibyte), false);
  // Nobody said how long it would be.
  assert.deepEqual([honest!.refuses(mebibyte), honest!.refuses(3 * mebibyte)], [false, true]);
  honest!.whenLess(callback);
  greedy!.countPending(-4 * mebibyte);
  assert.equal(calls, 1);
  assert.equal(honest!.hasRoom(mebibyte), true);
  greedy!.countPending(-4 * mebibyte);
  assert.equal(calls, 1);
  honest!.countExpected(mebibyte, -1);
  assert.equal(together.bytes, 0);
});
