// Orders against a plain sort, while a mailbox grows and shrinks under what was kept of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../base/clock.ts';
import type { SortCriterion } from '../../mail/message-order.ts';
import type { MessageColumns } from '../port.ts';
import type { PlacedMailbox } from '../search-index/mailbox-places.ts';
import { SearchCache } from '../search-index/search-cache.ts';
import { columnsOfRows } from '../table/message-columns.ts';
import { orderRows } from './message-order.ts';

interface Message {
  readonly uid: number;
  readonly size: number;
  readonly date: number;
}

/** The columns are enough: nothing is looked for in it. */
const mailbox = new Proxy({} as PlacedMailbox, { get: () => assert.fail('columns are enough') });

function columnsOf(messages: readonly Message[]): MessageColumns {
  return columnsOfRows(
    messages.map(({ uid, size, date }) => ({
      uid,
      size,
      internalDate: date,
      flagsLow: 0,
      flagsHigh: 0,
      modSeq: 1,
      saveDate: 0,
      emailId: uid,
    })),
  );
}

function expected(messages: readonly Message[], criteria: readonly SortCriterion[]): number[] {
  const of = (message: Message, field: string): number => (field === 'size' ? message.size : message.date);
  const sorted = [...messages].sort((a, b) => {
    for (const { field, reverse } of criteria) {
      const difference = of(a, field) - of(b, field);
      if (difference !== 0) return reverse ? -difference : difference;
    }
    return a.uid - b.uid;
  });
  return sorted.map(({ uid }) => uid);
}

const criterion = fc.record({
  field: fc.constantFrom('size' as const, 'arrival' as const),
  reverse: fc.boolean(),
});

test('any criteria, any part of a mailbox, whatever came and went since the last time', async () => {
  const step = fc.record({
    added: fc.array(fc.record({ size: fc.nat(9), date: fc.nat(30) }), { maxLength: 60 }),
    removedEvery: fc.integer({ min: 2, max: 9 }),
    criteria: fc.array(criterion, { minLength: 1, maxLength: 3 }),
    askedEvery: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
      const cache = new SearchCache(1_000_000);
      let messages: Message[] = Array.from({ length: 150 }, (_, at) => ({
        uid: at + 1,
        size: (at * 7) % 10,
        date: (at * 11) % 31,
      }));
      let nextUid = 151;
      for (const { added, removedEvery, criteria, askedEvery } of steps) {
        const columns = columnsOf(messages);
        const rows = Uint32Array.from(messages.keys()).filter((row) => row % askedEvery === 0);
        const ordered = await orderRows(rows, criteria, {
          columns,
          mailbox,
          favoured: undefined,
          cache,
          cacheKey: 'mailbox',
          clock: systemClock,
        });
        const asked = [...rows].map((row) => messages[row]!);
        assert.deepEqual(
          [...ordered].map((row) => columns.uids[row]!),
          expected(asked, criteria),
        );
        const kept = messages.filter(({ uid }) => uid % removedEvery !== 0);
        messages = [...kept, ...added.map((one) => ({ ...one, uid: nextUid++ }))];
      }
    }),
    { numRuns: 40 },
  );
});

test('what is kept stays under its limit, the least recently used goes first', () => {
  const cache = new SearchCache(100);
  cache.set('a', [1], 40);
  cache.set('b', [2], 40);
  assert.deepEqual(cache.get('a'), [1]);
  cache.set('c', [3], 40);
  assert.equal(cache.get('b'), undefined);
  assert.deepEqual([cache.get('a'), cache.get('c'), cache.bytes], [[1], [3], 80]);
  cache.set('d', [4], 101);
  assert.equal(cache.get('d'), undefined);
  cache.set('a', [5], 10);
  assert.equal(cache.bytes, 50);
  cache.offer('e', [6], 50);
  cache.offer('f', [7], 1);
  assert.deepEqual([cache.get('e'), cache.get('f'), cache.bytes], [[6], undefined, 100]);
});
