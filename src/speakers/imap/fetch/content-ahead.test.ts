import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyColumns } from '../../../account/table/message-columns.ts';
import { ContentAhead } from './content-ahead.ts';
import { type ContentPiece, handled, piecesAheadMax } from './message-puller.ts';
import type { Targets } from './targets.ts';

const targets: Targets = { columns: emptyColumns, sequences: new Uint32Array(), count: 10 };

interface FakePuller {
  /** Rows from which a piece was asked for, in that order. */
  readonly asked: number[];
  answer(row: number, rows: number): void;
  fail(row: number, error: Error): void;
  contents(of: Targets, row: number): Promise<ContentPiece>;
  contentsEnd(of: Targets, row: number): number | undefined;
}

/** Pieces come when the test says so. They are expected to have `rows` rows; undefined: that is not known. */
function pullerOf(rows: number | undefined): FakePuller {
  const asked: number[] = [];
  const waiting = new Map<number, PromiseWithResolvers<ContentPiece>>();
  return {
    asked,
    answer: (row, length) =>
      waiting.get(row)!.resolve({ values: Array.from({ length }, () => 'gone'), summaries: undefined }),
    fail: (row, error) => waiting.get(row)!.reject(error),
    contents: (_, row) => {
      asked.push(row);
      const coming = Promise.withResolvers<ContentPiece>();
      waiting.set(row, coming);
      return handled(coming.promise);
    },
    contentsEnd: (_, row) => (rows === undefined ? undefined : Math.min(row + rows, targets.count)),
  };
}

test('pieces whose end is known are asked for while the first is on its way, up to the limit', async () => {
  const puller = pullerOf(2);
  const pieces = new ContentAhead(puller, targets, { allowed: true });
  const first = pieces.next(0);
  assert.deepEqual(puller.asked, [0, 2, 4]);
  assert.equal(puller.asked.length, 1 + piecesAheadMax);
  puller.answer(0, 2);
  assert.equal((await first).values.length, 2);
  const lengths: number[] = [];
  for (let row = 2; row < targets.count; row += 2) {
    const next = pieces.next(row);
    puller.answer(row, 2);
    lengths.push((await next).values.length);
  }
  assert.deepEqual(lengths, [2, 2, 2, 2]);
  assert.deepEqual(puller.asked, [0, 2, 4, 6, 8]);
});

test('of pieces whose end is not known one is ahead', async () => {
  const puller = pullerOf(undefined);
  const pieces = new ContentAhead(puller, targets, { allowed: true });
  const first = pieces.next(0);
  assert.deepEqual(puller.asked, [0]);
  puller.answer(0, 3);
  await first;
  assert.deepEqual(puller.asked, [0, 3]);
});

test('behind a piece that is shorter than expected no row is left out', async () => {
  const puller = pullerOf(4);
  const pieces = new ContentAhead(puller, targets, { allowed: true });
  const first = pieces.next(0);
  assert.deepEqual(puller.asked, [0, 4, 8]);
  puller.fail(4, new Error('nobody asks for it any more'));
  puller.answer(0, 1);
  await first;
  assert.deepEqual(puller.asked, [0, 4, 8, 1, 5]);
  const second = pieces.next(1);
  puller.answer(1, 4);
  assert.equal((await second).values.length, 4);
});

test('without room a piece is asked for when it is wanted', async () => {
  const puller = pullerOf(2);
  const room = { allowed: false };
  const pieces = new ContentAhead(puller, targets, room);
  const first = pieces.next(0);
  puller.answer(0, 2);
  await first;
  assert.deepEqual(puller.asked, [0]);
  room.allowed = true;
  const second = pieces.next(2);
  assert.deepEqual(puller.asked, [0, 2, 4, 6]);
  puller.answer(2, 2);
  await second;
});

test('a piece that failed ahead fails when it is asked for', async () => {
  const puller = pullerOf(5);
  const pieces = new ContentAhead(puller, targets, { allowed: true });
  const first = pieces.next(0);
  puller.fail(5, new Error('away'));
  puller.answer(0, 5);
  await first;
  await assert.rejects(pieces.next(5), /away/);
});
