// The columns hold what was put into them, whatever the values, and stay small.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { MessageRow } from '../records/message-row.ts';
import { MessageTable } from './message-table.ts';

const number = fc.oneof(
  { weight: 5, arbitrary: fc.nat() },
  { weight: 1, arbitrary: fc.constantFrom(-2_208_988_800, -1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1) },
);
const rest = fc.record({
  flagsLow: fc.nat(),
  flagsHigh: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat()),
  modSeq: number,
  size: fc.nat(),
  internalDate: number,
  saveDate: number,
  emailId: number,
});
type Change = { readonly row: Omit<MessageRow, 'uid'>; readonly at: number; readonly kind: number };

function apply(table: MessageTable, rows: MessageRow[], { row, at, kind }: Change): void {
  const index = rows.length === 0 ? 0 : at % rows.length;
  if (kind < 6 || rows.length === 0) {
    const added = { uid: (rows.at(-1)?.uid ?? 0) + 1 + (at % 3), ...row };
    rows.push(added);
    table.push(added);
  } else if (kind < 8) {
    rows[index] = { uid: rows[index]!.uid, ...row };
    table.set(index, rows[index]!);
  } else {
    const gone = [...new Set([index, at % 2 === 0 ? index : rows.length - 1])].sort((a, b) => a - b);
    for (const removed of gone.toReversed()) rows.splice(removed, 1);
    table.remove(gone);
  }
}

it('holds what a list of rows holds', () => {
  const changes = fc.array(fc.record({ row: rest, at: fc.nat(), kind: fc.nat({ max: 9 }) }), {
    maxLength: 120,
  });
  fc.assert(
    fc.property(changes, (list) => {
      const table = new MessageTable(0);
      const rows: MessageRow[] = [];
      for (const change of list) apply(table, rows, change);
      assert.equal(table.length, rows.length);
      assert.deepEqual(
        rows.map((_, index) => table.row(index)),
        rows,
      );
      const all = table.all();
      assert.deepEqual(
        [...all.modSeqs],
        rows.map((row) => row.modSeq),
      );
      assert.deepEqual(
        [...all.internalDates],
        rows.map((row) => row.internalDate),
      );
      assert.deepEqual(
        [...all.flagsHigh],
        rows.map((row) => row.flagsHigh),
      );
      assert.deepEqual(table.pick([...rows.keys()]), all);
    }),
  );
});

it('has nothing of messages that were there before in those that come as a whole table', () => {
  const row = { flagsLow: 1, modSeq: 1, size: 1, internalDate: 1, saveDate: 1, emailId: 1 };
  const table = new MessageTable(64);
  for (let uid = 1; uid <= 60; uid++) table.push({ ...row, uid, flagsHigh: 7 });
  table.remove(Array.from({ length: 30 }, (_, index) => 30 + index));
  const more = new MessageTable(0);
  for (let uid = 61; uid <= 70; uid++) more.push({ ...row, uid, flagsHigh: 0 });
  table.appendTable(more);
  const expected = Array.from({ length: 40 }, (_, index) => (index < 30 ? 7 : 0));
  assert.deepEqual([...table.all().flagsHigh], expected);
});

it('leaves the uids that it gave away as they were', () => {
  const row = { flagsLow: 1, flagsHigh: 0, modSeq: 1, size: 1, internalDate: 1, saveDate: 1, emailId: 1 };
  const table = new MessageTable(8);
  for (let uid = 1; uid <= 5; uid++) table.push({ ...row, uid });
  const before = table.uids;
  table.push({ ...row, uid: 6 });
  const grown = table.uids;
  table.remove([0, 2]);
  assert.deepEqual([...before], [1, 2, 3, 4, 5]);
  assert.deepEqual([...grown], [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...table.uids], [2, 4, 5, 6]);
});

it('gives the flags of the messages that are asked for, whether they follow each other or not', () => {
  const row = { flagsHigh: 0, size: 1, internalDate: 1, saveDate: 1, emailId: 1 };
  const table = new MessageTable(8);
  for (const uid of [1, 2, 3, 4, 6, 7, 8, 9])
    table.push({ ...row, uid, flagsLow: uid, modSeq: 2 ** 33 + uid });
  for (const wanted of [[2, 3, 4], [4, 5, 6], [1, 9], [5], [10, 11], [7, 8, 9, 10], []]) {
    const { uids, flagsLow, modSeqs } = table.selectFlags(Uint32Array.from(wanted));
    const there = wanted.filter((uid) => uid !== 5 && uid < 10);
    assert.deepEqual([...uids], there);
    assert.deepEqual([...flagsLow], there);
    assert.deepEqual(
      [...modSeqs],
      there.map((uid) => 2 ** 33 + uid),
    );
    assert.deepEqual([...table.select(Uint32Array.from(wanted)).uids], there);
  }
});

it('takes at most 40 bytes a message, and less when it was loaded', () => {
  const row = { flagsLow: 1, flagsHigh: 0, size: 4096, internalDate: 1.8e9, saveDate: 1.8e9 };
  const grown = new MessageTable(0);
  const loaded = new MessageTable(100_000);
  for (let uid = 1; uid <= 100_000; uid++) {
    const message = { ...row, uid, modSeq: uid * 3, emailId: uid };
    grown.push(message);
    loaded.push(message);
    if (uid > 1000) assert.ok(grown.bytes <= 40 * uid, `${grown.bytes} bytes for ${uid} messages`);
  }
  assert.equal(loaded.bytes, 29 * 100_000);
});

it('finds what changed since any mod-sequence, whatever was changed and taken out before', () => {
  const row = { flagsLow: 1, flagsHigh: 0, size: 1, internalDate: 1, saveDate: 1, emailId: 1 };
  // Several blocks, the last of them not full.
  const messages = 700;
  const step = fc.record({
    kind: fc.nat({ max: 3 }),
    at: fc.nat(),
    many: fc.nat({ max: 300 }),
    since: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const table = new MessageTable(0);
      for (let uid = 1; uid <= messages; uid++) table.push({ ...row, uid, modSeq: uid });
      let modSeq = messages;
      let uidNext = messages + 1;
      for (const { kind, at, many, since } of steps) {
        const index = at % table.length;
        const count = 1 + Math.min(many, table.length - index - 1);
        if (kind === 0) {
          const zeros = new Uint32Array(count);
          const modSeqs = new Float64Array(count).fill(++modSeq);
          table.setFlags(index, { flagsLow: zeros, flagsHigh: zeros, modSeqs });
        } else if (kind === 1) table.set(index, { ...table.row(index), modSeq: ++modSeq });
        else if (kind === 2)
          for (let more = 0; more <= many; more++) table.push({ ...row, uid: uidNext++, modSeq: ++modSeq });
        else table.remove(Array.from({ length: Math.min(count, 40) }, (_, further) => index + further));
        const known = since % (modSeq + 2);
        const all = table.all();
        const wanted = [...all.uids].filter((_, place) => all.modSeqs[place]! > known);
        assert.deepEqual([...table.changedSince(known).uids], wanted);
      }
    }),
  );
});
