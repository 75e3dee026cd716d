// Part of the engine contract: random batches and reads against the engine and against a plain sorted list at once.
// The list is small enough to be right at a glance; where the two differ the engine is wrong.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Batch, Engine, Range } from './engine.ts';
import type { WithEngine } from './engine-contract.ts';

/** Few keys, so that batches meet each other; with the bytes that order badly when compared as text or signed. */
const key = fc
  .constantFrom('a', 'a\x00', 'a\x7f', 'a\x80', 'a\xff', 'aa', 'b', 'bb', 'c\xff\xff')
  .map((text) => Buffer.from(text, 'latin1'));
const value = fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes));
const batch: fc.Arbitrary<Batch> = fc.record(
  {
    conditions: fc.array(fc.record({ key, expected: fc.option(value, { nil: undefined }) }), {
      maxLength: 1,
    }),
    deleteRanges: fc.array(fc.record({ start: key, end: key }), { maxLength: 1 }),
    deletes: fc.array(key, { maxLength: 2 }),
    puts: fc.array(fc.record({ key, value }), { maxLength: 4 }),
  },
  { requiredKeys: [] },
);
const range: fc.Arbitrary<Range> = fc.record({ start: key, end: key, reverse: fc.boolean() });
const step = fc.oneof(
  fc.record({ batches: fc.array(batch, { minLength: 1, maxLength: 3 }) }),
  fc.record({ range, entriesMax: fc.integer({ min: 1, max: 4 }) }),
);

/** Rows by latin1 text of the key. */
type Model = Map<string, string>;

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function modelCommit(
  model: Model,
  { conditions, deleteRanges, deletes, puts }: Batch,
): 'committed' | 'conflict' {
  for (const condition of conditions ?? []) {
    const expected = condition.expected === undefined ? undefined : latin1(condition.expected);
    if (model.get(latin1(condition.key)) !== expected) return 'conflict';
  }
  for (const { start, end } of deleteRanges ?? []) {
    for (const row of [...model.keys()]) if (row >= latin1(start) && row < latin1(end)) model.delete(row);
  }
  for (const row of deletes ?? []) model.delete(latin1(row));
  for (const row of puts ?? []) model.set(latin1(row.key), latin1(row.value));
  return 'committed';
}

function modelRange(model: Model, { start, end, reverse }: Range): [string, string][] {
  const rows = [...model].filter(([row]) => row >= latin1(start) && row < latin1(end));
  rows.sort(([a], [b]) => (a < b ? -1 : 1));
  return reverse ? rows.reverse() : rows;
}

async function readAll(
  engine: Pick<Engine, 'page'>,
  asked: Range,
  entriesMax: number,
): Promise<[string, string][]> {
  const rows: [string, string][] = [];
  for (let rest: Range | undefined = asked; rest !== undefined; ) {
    const page = await engine.page(rest, { entriesMax, bytesMax: 1000 });
    for (const entry of page.entries) rows.push([latin1(entry.key), latin1(entry.value)]);
    if (page.next === undefined) return rows;
    rest = asked.reverse ? { ...asked, end: page.next } : { ...asked, start: page.next };
  }
  return rows;
}

export function modelContract(withEngine: WithEngine): void {
  withEngine('does what a sorted list does', async (engine) => {
    const everything = { start: Buffer.from('a'), end: Buffer.from('d') };
    const scenario = fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await engine.commit({ deleteRanges: [everything] });
      const model: Model = new Map();
      const before = await engine.snapshot();
      for (const action of steps) {
        if ('batches' in action) {
          // Sent together, so that they share a group.
          const results = await Promise.all(action.batches.map((one) => engine.commit(one)));
          assert.deepEqual(
            results.map((result) => result.outcome),
            action.batches.map((one) => modelCommit(model, one)),
          );
        } else {
          assert.deepEqual(
            await readAll(engine, action.range, action.entriesMax),
            modelRange(model, action.range),
          );
        }
      }
      assert.deepEqual(await readAll(engine, everything, 3), modelRange(model, everything));
      assert.deepEqual(await readAll(before, everything, 3), []);
      await before.release();
    });
    await fc.assert(scenario, { numRuns: 100 });
  });
}
