import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowTurns } from '../base/testing-turns.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Entry, Reader } from '../storage/engine.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { eachEntry, rangePageLimits } from './account-state.ts';
import { AccountKeys, numberBehind } from './records/account-keys.ts';

test('thousands of short ranges, one after the other, give others their turns', async () => {
  const clock = slowTurns();
  await using engine = openMemoryEngine();
  const keys = new AccountKeys('a' as AccountId);
  const ranges = 500;
  for (let number = 0; number < ranges; number++)
    await eachEntry(engine, keys.tombstones(number), clock, () => assert.fail('there is nothing'));
  assert.ok(clock.turnsGiven > ranges / 8, `${clock.turnsGiven} turns`);
});

test('what is there of a range already is not read again, what is behind it is', async () => {
  await using engine = openMemoryEngine();
  const keys = new AccountKeys('a' as AccountId);
  const numbers = Array.from({ length: 2 * rangePageLimits.entriesMax + 7 }, (_, number) => number);
  const value = new Uint8Array(1);
  await engine.commit({ puts: numbers.map((number) => ({ key: keys.messagePage(1, number), value })) });
  const range = keys.messagePages(1);
  let reads = 0;
  const reader: Reader = {
    get: (key) => engine.get(key),
    getMany: (wanted) => engine.getMany(wanted),
    page(wanted, limits) {
      reads++;
      return engine.page(wanted, limits);
    },
  };
  const seen: number[] = [];
  const first = await engine.page(range, rangePageLimits);
  const visit = ({ key }: Entry): number => seen.push(numberBehind(key, range.prefixLength));
  await eachEntry(reader, range, slowTurns(), visit, first);
  assert.deepEqual(seen, numbers);
  assert.equal(reads, 2);
});
