// The pass over the search index: every row must be readable, none of a segment may be missing, and the index must not know of
// emails that the account never had. It is derived data: when anything is wrong all of it goes, and it is built again in the background.

import { unlessDamaged } from '../../storage/record.ts';
import { pageBytesMax } from '../account-limits.ts';
import { unpackColumns } from '../search-index/packed-columns.ts';
import { unpackDirectory } from '../search-index/segment-directory.ts';
import { segmentSections } from '../search-index/segment-reader.ts';
import type { CheckContext } from './check-context.ts';

export async function checkSearchIndex(context: CheckContext): Promise<void> {
  // Rows are never changed: they need not be looked at alone with the account, which large ones would make wait.
  if ((await searchIndexRows(context)).isSound) return;
  await context.alone(async (repair) => {
    // Again: what came meanwhile goes too.
    const { keys } = await searchIndexRows(context);
    context.found('the search index is damaged and is built again', 'repaired');
    for (const key of keys) repair.delete(key);
  });
  context.account.forgetIndex();
}

async function searchIndexRows(context: CheckContext) {
  const { engine, keys, account, clock } = context;
  const range = keys.rows('i');
  const found: Uint8Array[] = [];
  let isSound = true;
  const before = await engine.get(keys.searchDirectory());
  for (let start: Uint8Array | undefined = range.start; start !== undefined; ) {
    const page = await engine.page({ start, end: range.end }, { entriesMax: 8, bytesMax: pageBytesMax });
    for (const { key, value } of page.entries) {
      found.push(key);
      if (Buffer.compare(key, keys.searchDirectory()) === 0) {
        const directory = unlessDamaged(() => unpackDirectory(value));
        const { nextEmailId } = (await account.writer.open()).account;
        if (directory === undefined || directory.indexedThrough >= nextEmailId) isSound = false;
      } else if (unlessDamaged(() => unpackColumns(value)) === undefined) isSound = false;
    }
    start = page.next;
    await clock.yieldTurn();
  }
  if (isSound) isSound = await isComplete(context, before, found);
  return { isSound, keys: found };
}

/** Nothing is missing of the index whose directory was there before and after its rows were read: else it changed, and is alive. */
async function isComplete(
  { engine, keys }: CheckContext,
  before: Uint8Array | undefined,
  found: readonly Uint8Array[],
): Promise<boolean> {
  const after = await engine.get(keys.searchDirectory());
  if (before === undefined || after === undefined) return before !== after || found.length === 0;
  if (Buffer.compare(before, after) !== 0) return true;
  const there = new Set(found.map((key) => Buffer.from(key).toString('latin1')));
  return unpackDirectory(after).segments.every(({ number }) =>
    segmentSections.every((section) => there.has(keys.searchSegment(number, section).toString('latin1'))),
  );
}
