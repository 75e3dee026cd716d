// A page gives back what was put into it, whatever the values, and notices when it is not what was written.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { encodeRecord, RecordDamaged } from '../../storage/record.ts';
import type { MessageRow } from '../records/message-row.ts';
import { rowOf } from './message-columns.ts';
import { decodeMessagePage, encodeMessagePage, MessagePage, pageUids } from './message-page.ts';
import { MessageTable } from './message-table.ts';

const number = fc.oneof(
  { weight: 3, arbitrary: fc.constant(7) },
  { weight: 3, arbitrary: fc.nat(300) },
  { weight: 3, arbitrary: fc.nat() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-2_208_988_800, -1, 255, 65_535, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
  },
);
const bits = fc.oneof({ weight: 9, arbitrary: fc.nat(3) }, fc.constantFrom(0x8000_0000, 0xffff_ffff));
const rest = fc.record({
  flagsLow: bits,
  flagsHigh: bits,
  modSeq: number,
  size: fc.nat(),
  internalDate: number,
  saveDate: number,
  emailId: number,
});
const rows = fc.uniqueArray(fc.tuple(fc.nat(pageUids - 1), rest), {
  minLength: 1,
  maxLength: pageUids,
  selector: ([bit]) => bit,
  size: 'max',
});

function pageOfRows(given: readonly MessageRow[]): MessagePage {
  const page = new MessagePage();
  for (const row of given) page.push(row);
  return page;
}

it('gives back any rows, to a page and to columns', () => {
  fc.assert(
    fc.property(fc.nat(33_554_430), rows, (pageNumber, list) => {
      const given = list
        .sort(([a], [b]) => a - b)
        .map(([bit, row]) => ({ ...row, uid: pageNumber * pageUids + bit }));
      const value = encodeMessagePage(pageOfRows(given));
      const page = pageOfRows([{ ...given[0]!, flagsHigh: 9 }]);
      page.load(pageNumber, value);
      assert.deepEqual(
        given.map((_, at) => rowOf(page, at)),
        given,
      );
      const table = new MessageTable(0);
      table.append(decodeMessagePage(pageNumber, value));
      assert.deepEqual(
        given.map((_, at) => table.row(at)),
        given,
      );
      assert.equal(table.length, given.length);
      assert.deepEqual(encodeMessagePage(page), value);
    }),
  );
});

/** What the values of a column are like, one and four bytes wide ones among them; the last one takes eight. */
const widths = [() => 7, (at: number) => at, (at: number) => at * 300, (at: number) => at * 70_000];
const widest = [...widths, (at: number) => 2 ** 40 + at];
const narrowColumn = fc.constantFrom(...widths);
const column = fc.constantFrom(...widest);

it('gives back full pages, one after the other, whatever their columns are like', () => {
  const columns = fc.record({
    flagsLow: narrowColumn,
    flagsHigh: narrowColumn,
    modSeq: column,
    size: narrowColumn,
    internalDate: column,
    saveDate: column,
    emailId: column,
  });
  const all = new MessageTable(0);
  const expected: MessageRow[] = [];
  const page = new MessagePage();
  fc.assert(
    fc.property(columns, (made) => {
      const number = expected.length / pageUids + 1;
      const given = Array.from({ length: pageUids }, (_, at) => ({
        uid: number * pageUids + at,
        flagsLow: made.flagsLow(at),
        flagsHigh: made.flagsHigh(at),
        modSeq: made.modSeq(at),
        size: made.size(at),
        internalDate: made.internalDate(at),
        saveDate: made.saveDate(at),
        emailId: made.emailId(at),
      }));
      const value = encodeMessagePage(pageOfRows(given));
      page.load(number, value);
      assert.deepEqual(
        given.map((_, at) => rowOf(page, at)),
        given,
      );
      all.append(decodeMessagePage(number, value));
      expected.push(...given);
    }),
    { endOnFailure: true },
  );
  assert.deepEqual(
    expected.map((_, at) => all.row(at)),
    expected,
  );
});

it('is damaged when it is longer than any page', () => {
  const value = encodeRecord('messagePage', 1, new Uint8Array(100_000));
  assert.throws(() => decodeMessagePage(1, value), RecordDamaged);
});

it('is a few bytes a message when they are alike', () => {
  const page = new MessagePage();
  for (let uid = 128; uid < 256; uid++) {
    const dates = { internalDate: 1_800_000_000 + uid, saveDate: 1_800_000_000 + uid };
    page.push({ uid, flagsLow: 1, flagsHigh: 0, modSeq: uid, size: 4000 + uid, emailId: uid, ...dates });
  }
  assert.ok(encodeMessagePage(page).length < 16 * pageUids);
});

it('is damaged when any byte is another one, when it is cut, and under another number', () => {
  const given = Array.from({ length: 40 }, (_, index) => {
    const dates = { internalDate: index * 1e6, saveDate: 5 };
    return {
      uid: 256 + index * 2,
      flagsLow: index,
      flagsHigh: 0,
      modSeq: 2 ** 40,
      size: 1,
      emailId: 3,
      ...dates,
    };
  });
  const value = encodeMessagePage(pageOfRows(given));
  const page = new MessagePage();
  page.load(2, value);
  for (const number of [1, 3]) assert.throws(() => page.load(number, value), RecordDamaged);
  for (let at = 0; at < value.length; at++) {
    const flipped = Buffer.from(value);
    flipped[at]! ^= 0x10;
    assert.throws(() => page.load(2, flipped), RecordDamaged, `byte ${at}`);
    assert.throws(() => page.load(2, value.subarray(0, at)), RecordDamaged, `cut at ${at}`);
  }
});
