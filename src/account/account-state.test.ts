import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slowTurns } from '../base/testing-turns.ts';
import type { AccountId } from '../mail/ids.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { AccountKeys } from './account-keys.ts';
import { eachEntry } from './account-state.ts';

test('thousands of short ranges, one after the other, give others their turns', async () => {
  const clock = slowTurns();
  await using engine = openMemoryEngine();
  const keys = new AccountKeys('a' as AccountId);
  const ranges = 500;
  for (let number = 0; number < ranges; number++)
    await eachEntry(engine, keys.tombstones(number), clock, () => assert.fail('there is nothing'));
  assert.ok(clock.turnsGiven > ranges / 8, `${clock.turnsGiven} turns`);
});
