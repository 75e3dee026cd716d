import assert from 'node:assert/strict';
import { it } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { OrderedRows } from './ordered-rows.ts';

it('finds rows, alone and in ranges, whatever was asked in between', () => {
  const random = seededRandom(7);
  const rows = new OrderedRows<number>();
  const all = new Map<string, number>();
  const key = (): string => `k${random.integer(5000)}`;
  for (let round = 0; round < 200; round++) {
    for (let left = random.integer(30); left > 0; left--) {
      const changed = key();
      rows.set(changed, round);
      all.set(changed, round);
    }
    const [start, end] = [key(), key()];
    const expected = [...all].filter(([each]) => start <= each && each < end).sort();
    assert.deepEqual([...rows.within(start, end)].sort(), expected, `${start} to ${end}`);
    assert.equal(rows.get(start), all.get(start));
  }
});
