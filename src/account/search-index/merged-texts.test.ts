// Ranks of texts that are merged from several sources, against a plain sort of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import { textRanks } from './merged-texts.ts';
import { OrderedColumn, packOrdered } from './ordered-column.ts';
import { packColumns, unpackColumns } from './packed-columns.ts';
import { PlaceRuns } from './place-runs.ts';

const slicer = new Slicer(systemClock);

async function columnOf(texts: readonly string[]): Promise<OrderedColumn> {
  return new OrderedColumn(unpackColumns(packColumns(await packOrdered(texts, slicer))));
}

/** Sources with their texts, and the rows of a mailbox: source and place, or a message that is gone. */
async function assertRanks(
  sources: readonly (readonly string[])[],
  rows: readonly (readonly [source: number, place: number] | undefined)[],
): Promise<void> {
  const runs = new PlaceRuns();
  for (const [row, at] of rows.entries()) if (at !== undefined) runs.add(at[0], row, at[1], 1);
  const columns = await Promise.all(sources.map(columnOf));
  const ranks = await textRanks({ rows: rows.length, runs, columns }, slicer);
  const texts = rows.map((at) => (at === undefined ? '' : sources[at[0]]![at[1]]!));
  const expected = ['', ...new Set(texts.filter((text) => text !== ''))].sort();
  assert.deepEqual(
    [...ranks],
    texts.map((text) => expected.indexOf(text)),
  );
}

/** Few different characters, so that many agree for long; of all lengths as UTF-8, halves and the least one too. */
const text = fc
  .tuple(
    fc.constantFrom('', 'SAME', 'SAME BEGINNING', 'É'.repeat(8), 'THE SAME FOR VERY LONG'),
    fc.array(fc.constantFrom('A', 'B', '\0', '\x7f', 'É', 'Ü', '東', '\ud83d', '\ude00', '\uffff'), {
      maxLength: 8,
    }),
  )
  .map(([beginning, rest]) => beginning + rest.join(''));

test('all messages of all sources, in any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(text, { maxLength: 60 }), { maxLength: 6 }), async (sources) => {
      const rows = sources.flatMap((texts, source) => texts.map((_, place) => [source, place] as const));
      await assertRanks(sources, rows);
      await assertRanks(sources, rows.toReversed());
    }),
    { numRuns: 200 },
  );
});

test('some of them, some twice, some gone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(text, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.option(fc.tuple(fc.nat(), fc.nat()), { nil: undefined }), { maxLength: 60 }),
      async (sources, chosen) => {
        const rows = chosen.map((at) => {
          if (at === undefined) return undefined;
          const source = at[0] % sources.length;
          return [source, at[1] % sources[source]!.length] as const;
        });
        await assertRanks(sources, rows);
      },
    ),
    { numRuns: 200 },
  );
});

test('more texts than are put in order in one step, most of them in several sources', async () => {
  const sources = [3, 5, 7].map((factor) =>
    Array.from({ length: 3_000 }, (_, at) => `SUBJECT NUMBER ${(at * factor) % 4_001}`),
  );
  await assertRanks(
    sources,
    sources.flatMap((texts, source) => texts.map((_, place) => [source, place] as const)),
  );
});
