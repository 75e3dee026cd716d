// Pages put together: every uid once, in order, with its own text.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FieldsBuilder, type FieldsPage, mergedPages } from './fields-page.ts';

function pageOf(uids: readonly number[]): FieldsPage {
  const builder = new FieldsBuilder(uids.length);
  for (const uid of uids) {
    const text = 'x'.repeat(uid % 40) + uid;
    builder.add(uid, text.length, ({ target, at }) => at + target.write(text, at));
  }
  return builder.build();
}

const someUids = fc
  .uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 40 })
  .map((uids) => uids.toSorted((a, b) => a - b));

test('two pages that may have messages in common become one', () => {
  fc.assert(
    fc.property(fc.option(someUids, { nil: undefined }), someUids, (known, more) => {
      const merged = mergedPages(known && pageOf(known), pageOf(more));
      const all = [...new Set([...(known ?? []), ...more])].sort((a, b) => a - b);
      assert.deepEqual(merged, { ...pageOf(all), bytes: merged.bytes });
      assert.deepEqual(merged.bytes, Buffer.from(pageOf(all).bytes));
    }),
  );
});
