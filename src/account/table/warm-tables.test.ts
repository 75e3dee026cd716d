// What a server practises on when it starts has everything that it would otherwise learn from its first clients.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { decodeMessagePage, encodeMessagePage } from './message-page.ts';
import { pages, practicePage, warmTables } from './warm-tables.ts';

it('columns of the practice pages have every shape that columns can be stored in', () => {
  const shapes = new Map<string, Set<string>>();
  for (let number = 0; number < pages; number++) {
    const page = practicePage(number);
    const stored = decodeMessagePage(number, encodeMessagePage(page));
    assert.equal(stored.uids.length, page.length);
    for (const [name, column] of Object.entries(stored)) {
      const shape = typeof column === 'number' ? 'number' : column.constructor.name;
      shapes.set(name, (shapes.get(name) ?? new Set()).add(shape));
    }
  }
  const narrow = ['Uint16Array', 'Uint32Array', 'Uint8Array', 'number'];
  const wide = ['Float64Array', ...narrow];
  const found = Object.fromEntries([...shapes].map(([name, set]) => [name, [...set].sort()]));
  assert.deepEqual(found, {
    uids: ['Uint32Array'],
    flagsLow: narrow,
    flagsHigh: narrow,
    modSeqs: wide,
    sizes: narrow,
    internalDates: wide,
    saveDates: wide,
    emailIds: wide,
  });
});

it('what is practised can be read', async () => {
  await warmTables(systemClock);
});
