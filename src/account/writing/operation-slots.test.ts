import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { newMessage, newOperation, openTestHosts, testAccountId } from '../testing.ts';
import { DraftOperations, OperationSlots } from './operation-slots.ts';

const limits = { kept: 10, max: 300, lifeMs: 60_000 };

/** Operations named by their numbers, and their rows as the engine has them. */
function openRing() {
  const slots = new OperationSlots();
  const rows = new Map<number, string>();
  let number = 0;
  return {
    slots,
    rows,
    /** In one commit. */
    record(now: number, count = 1): void {
      const draft = new DraftOperations(slots, limits, now);
      for (let index = 0; index < count; index++) {
        draft.requireRoom();
        draft.add({ operationId: String(number), mutation: 'test', result: [] }, number++);
      }
      for (const { slot, record } of draft.added) rows.set(slot, record.operationId);
      for (const slot of draft.freed) rows.delete(slot);
      slots.apply(draft, now);
      assert.deepEqual([...rows.values()].sort(), [...slots.oldestFirst()].map(([id]) => id).sort());
      for (const [slot, id] of rows) assert.equal(slots.get(id), slot);
    },
  };
}

test('no operation is forgotten that a retry may come of, however many there are', () => {
  const { slots, record } = openRing();
  for (let second = 0; second < 60; second++) record(second * 1_000, 4);
  for (let number = 0; number < 240; number++) assert.ok(slots.has(String(number)), `${number}`);
  record(59_500);
  assert.ok(slots.has('0'));
  record(60_500, 4);
  assert.equal(slots.has('0'), false);
  assert.ok(slots.has('20'));
});

test('after a rush the rows that are too many go again, one with each operation, and no others', () => {
  const { slots, rows, record } = openRing();
  record(0, 100);
  assert.equal(slots.size, 100);
  let now = 0;
  for (let index = 0; index < 95; index++) {
    now += 61_000;
    record(now);
  }
  assert.equal(slots.size, 10);
  assert.equal(rows.size, 10);
  record(now + 61_000, 3);
  assert.equal(rows.size, 10);
});

test('there is a limit, at which changes are refused until retries are past', () => {
  const { slots, record } = openRing();
  record(0, 300);
  assert.throws(
    () => record(59_000),
    (error) => isMailError(error, 'limitReached'),
  );
  assert.ok(slots.has('0'));
  record(60_000, 2);
  assert.ok(slots.size <= 300);
});

test('what was loaded is young for as long: its host may have died a moment ago', () => {
  const slots = new OperationSlots();
  const row = (number: number) => ({ operationId: String(number), slot: (number * 7) % 20, number });
  assert.equal(slots.load([5, 3, 4, 0, 1, 2, 9, 8, 7, 6].map(row), 1_000_000), 10);
  const add = (now: number, number: number): void => {
    const draft = new DraftOperations(slots, limits, now);
    draft.add({ operationId: String(number), mutation: 'test', result: [] }, number);
    slots.apply(draft, now);
  };
  add(1_059_000, 10);
  assert.deepEqual([slots.size, slots.has('0')], [11, true]);
  add(1_060_000, 11);
  assert.deepEqual([slots.has('0'), slots.has('1'), slots.has('2'), slots.size], [false, false, true, 10]);
});

test('a retry is applied once after more operations than are kept, and by the next host too', async () => {
  const engine = openMemoryEngine();
  const kept = { operationsKept: 5 };
  const append = { target: { role: 'inbox' }, messages: [newMessage()] } as const;
  const first = newOperation();
  const { hosts } = await openTestHosts({ engine, limits: kept });
  const account = await hosts.open(testAccountId);
  const { uids } = await account.append({ operation: first, ...append });
  for (let index = 0; index < 20; index++) await account.append({ operation: newOperation(), ...append });
  assert.deepEqual((await account.append({ operation: first, ...append })).uids, uids);
  await hosts.close();
  const next = await openTestHosts({ engine, limits: kept, create: false });
  const there = await next.hosts.open(testAccountId);
  await there.append({ operation: newOperation(), ...append });
  assert.deepEqual((await there.append({ operation: first, ...append })).uids, uids);
  assert.equal((await there.findMailbox({ role: 'inbox' }))!.messages, 22);
  await next.hosts.close();
});
