// What lies over the file: the newest word about a key wins, ranges hide what was before them, a frozen state stays.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outcomeCodes } from '../commit-outcomes.ts';
import type { Batch } from '../engine.ts';
import { packGroup } from '../group-codec.ts';
import { deleted, type UnflushedLayers, UnflushedRows } from './unflushed-rows.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const putting = (...rows: readonly [string, string][]): Batch => ({
  puts: rows.map(([key, value]) => ({ key: bytes(key), value: bytes(value) })),
});

function found(layers: UnflushedLayers, key: string): string | undefined {
  const value = layers.find(bytes(key));
  if (value === deleted) return 'deleted';
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}

it('answers with the newest layer that knows the key', () => {
  const rows = new UnflushedRows();
  rows.add(1, putting(['a', '1'], ['b', '1']));
  rows.add(2, { deletes: [bytes('b')], ...putting(['c', '2']) });
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => found(rows, key)),
    ['1', 'deleted', '2', undefined],
  );
  rows.flushed(1);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => found(rows, key)),
    [undefined, 'deleted', '2'],
  );
  rows.flushed(2);
  assert.equal(rows.isEmpty, true);
});

it('hides what a deleted range covers, but not what was put after it', () => {
  const rows = new UnflushedRows();
  rows.add(1, putting(['b', 'old'], ['d', 'old'], ['x', 'old']));
  const range = [{ start: bytes('b'), end: bytes('d') }];
  rows.add(1, { deleteRanges: range, ...putting(['c', 'new']) });
  rows.add(2, { deleteRanges: [{ start: bytes('x'), end: bytes('z') }] });
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'x', 'y', 'z'].map((key) => found(rows, key)),
    [undefined, 'deleted', 'new', 'old', 'deleted', 'deleted', undefined],
  );
  const { rows: within, hides } = rows.within('a', 'y')!;
  assert.deepEqual([...within.keys()].sort(), ['b', 'c', 'd', 'x']);
  assert.deepEqual([within.get('b'), within.get('x')], [deleted, deleted]);
  assert.equal(rows.within('e', 'x'), undefined);
  assert.deepEqual(['a', 'b', 'x', 'z'].map(hides), [false, true, true, false]);
});

it('keeps a frozen state as it was', () => {
  const rows = new UnflushedRows();
  rows.add(1, putting(['a', '1']));
  const frozen = rows.freeze();
  rows.add(1, putting(['a', '2'], ['b', '2']));
  rows.flushed(1);
  assert.equal(found(frozen, 'a'), '1');
  assert.equal(found(frozen, 'b'), undefined);
  assert.equal(found(rows, 'a'), undefined);
});

it('reads what came packed when it is asked, in order with the rest, without what was refused', () => {
  const rows = new UnflushedRows();
  const { committed, fenced } = outcomeCodes;
  const packed = (...batches: Batch[]): Buffer => packGroup(batches);
  rows.add(1, putting(['a', 'first'], ['b', 'first']));
  rows.addPacked(1, packed(putting(['a', 'group']), putting(['b', 'refused'])), [committed, fenced]);
  const frozen = rows.freeze();
  rows.addPacked(1, packed({ deletes: [bytes('a')] }), [committed]);
  rows.add(1, putting(['b', 'last']));
  const range = [{ start: bytes('b'), end: bytes('c') }];
  rows.addPacked(2, packed({ deleteRanges: range, ...putting(['c', 'two']) }), [committed]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => found(frozen, key)),
    ['group', 'first', undefined],
  );
  const { rows: within } = rows.within('a', 'z')!;
  assert.deepEqual([within.get('a'), within.get('b')], [deleted, deleted]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => found(rows, key)),
    ['deleted', 'deleted', 'two'],
  );
  rows.flushed(2);
  assert.equal(found(rows, 'c'), undefined);
});

it('tells keys apart that look alike before they are read, and reads what came after a look', () => {
  const rows = new UnflushedRows();
  rows.add(1, putting(['a1c', 'one']));
  // They differ in a byte that is not in the hash.
  assert.deepEqual([found(rows, 'a2c'), found(rows, 'a1c')], [undefined, 'one']);
  rows.add(1, { deletes: [bytes('a1c')] });
  assert.equal(found(rows, 'other'), undefined);
  assert.equal(found(rows, 'a1c'), 'deleted');
  rows.add(1, putting(['a1c', 'two'], ['a2c', 'three']));
  assert.deepEqual([found(rows, 'a1c'), found(rows, 'a2c')], ['two', 'three']);
  rows.add(1, { deleteRanges: [{ start: bytes('a'), end: bytes('b') }] });
  assert.deepEqual([found(rows, 'a1c'), found(rows, 'anew')], ['deleted', 'deleted']);
  rows.addPacked(1, packGroup([putting(['packed', 'four'])]), [outcomeCodes.committed]);
  assert.equal(found(rows, 'packed'), 'four');
});
