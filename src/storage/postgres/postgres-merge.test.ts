// Merging a group, against a plain list of rows: where the checks hold, the merged change does what the batches do one after
// the other; where they do not, the check that fails names the batch that is refused.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Batch, CommitResult } from '../engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { dependentsOf, firstRefusal, type MergedGroup, mergeGroup, splitAt } from './postgres-merge.ts';

const key = fc.constantFrom('a', 'a\x00', 'a\xff', 'b', 'c').map((text) => Buffer.from(text, 'latin1'));
const value = fc.constantFrom('', '1', '2').map((text) => Buffer.from(text));
const batch: fc.Arbitrary<Batch> = fc.record(
  {
    conditions: fc.array(fc.record({ key, expected: fc.option(value, { nil: undefined }) }), {
      maxLength: 2,
    }),
    deleteRanges: fc.array(fc.record({ start: key, end: key }), { maxLength: 1 }),
    deletes: fc.array(key, { maxLength: 2 }),
    puts: fc.array(fc.record({ key, value }), { maxLength: 3 }),
  },
  { requiredKeys: [] },
);
const rows = fc.array(fc.record({ key, value }), { maxLength: 4 });
const everything = { start: Buffer.from('a'), end: Buffer.from('d') };

type Rows = Map<string, string>;
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** What the server's function does. Returns the checks that failed. */
function apply(merged: MergedGroup, state: Rows): number[] {
  const checks = [...merged.fences, ...merged.conditions, ...merged.absences];
  const failed = [...checks.keys()].filter((index) => {
    const check = checks[index]!;
    return state.get(latin1(check.key)) !== (check.value && latin1(check.value));
  });
  if (failed.length > 0) return failed;
  merged.absences.forEach((check, index) => {
    state.set(latin1(check.key), latin1(merged.absentValues[index]!));
  });
  merged.rangeStarts.forEach((start, index) => {
    const end = latin1(merged.rangeEnds[index]!);
    for (const row of [...state.keys()]) if (row >= latin1(start) && row < end) state.delete(row);
  });
  for (const row of merged.deleteKeys) state.delete(latin1(row));
  // PostgreSQL refuses an insert that meets the same key twice.
  assert.equal(new Set(merged.putKeys.map(latin1)).size, merged.putKeys.length);
  merged.putKeys.forEach((row, index) => {
    state.set(latin1(row), latin1(merged.putValues[index]!));
  });
  return [];
}

/** Splits where checks fail until every batch has its result, as the writer does. */
function runMerged(batches: readonly Batch[], state: Rows): (CommitResult | undefined)[] {
  const results: (CommitResult | undefined)[] = [];
  const queue = [batches];
  for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
    const merged = mergeGroup(group);
    const dependents = dependentsOf(merged, apply(merged, state));
    if (dependents.length > 0 && group.length > 1) {
      queue.unshift(...splitAt(group, new Set(dependents.map((one) => one.batch))));
      continue;
    }
    for (const refusal of merged.refusals) {
      results.push(firstRefusal(dependents) ?? refusal ?? { outcome: 'committed' });
    }
  }
  return results;
}

it('does with a merged group what its batches do one after the other', async () => {
  const scenario = fc.asyncProperty(rows, fc.array(batch, { maxLength: 6 }), async (before, batches) => {
    const engine = openMemoryEngine();
    await engine.commit({ puts: before });
    const state: Rows = new Map(before.map((row) => [latin1(row.key), latin1(row.value)]));
    const expected: CommitResult[] = [];
    for (const one of batches) expected.push(await engine.commit(one));
    assert.deepEqual(runMerged(batches, state), expected);
    const page = await engine.page(everything, { entriesMax: 99, bytesMax: 99 });
    assert.deepEqual(
      [...state].sort(([a], [b]) => (a < b ? -1 : 1)),
      page.entries.map((row) => [latin1(row.key), latin1(row.value)]),
    );
  });
  await fc.assert(scenario, { numRuns: 500 });
});
