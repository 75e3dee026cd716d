import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { target } from '../../../test/fuzz/imap-sequence-set.fuzz.ts';
import {
  formatSequenceSet,
  parseSequenceSet,
  sequenceIndexes,
  sequenceRanges,
  uidIndexes,
} from './sequence-set.ts';

const parse = (text: string) => {
  const set = parseSequenceSet(text);
  assert(set !== undefined, `${text} is a set`);
  return set;
};

test('parses every form, in order and direction', () => {
  assert.deepEqual(parse('2,4:7,9,12:*').ranges, [2, 2, 4, 7, 9, 9, 12, 0]);
  assert.deepEqual(parse('*:1').ranges, [0, 1]);
  assert.deepEqual(parse('*').ranges, [0, 0]);
  assert.deepEqual(parse('4294967295').ranges, [4_294_967_295, 4_294_967_295]);
  assert.deepEqual(parse('$'), { saved: true, ranges: [] });
});

test('refuses what is no set', () => {
  for (const text of [
    '',
    '0',
    '1,',
    ',1',
    '1::2',
    '1:',
    ':1',
    '4294967296',
    '1,$',
    '$,1',
    '**',
    '1 2',
    'a',
    '0:1',
    '1.2',
  ])
    assert.equal(parseSequenceSet(text), undefined, text);
});

test('message numbers resolve against the count (RFC 9051 example: 2,4:7,9,12:* of 15)', () => {
  assert.deepEqual(
    sequenceIndexes(parse('2,4:7,9,12:*'), 15),
    Uint32Array.of(1, 3, 4, 5, 6, 8, 11, 12, 13, 14),
  );
  assert.deepEqual(sequenceIndexes(parse('*:4,5:7'), 10), Uint32Array.of(3, 4, 5, 6, 7, 8, 9));
  assert.deepEqual(sequenceIndexes(parse('4,2:4,3'), 10), Uint32Array.of(1, 2, 3));
});

test('message numbers beyond the count are undefined, or passed over where lenient', () => {
  assert.equal(sequenceIndexes(parse('3:5'), 4), undefined);
  assert.deepEqual(sequenceIndexes(parse('3:5'), 4, true), Uint32Array.of(2, 3));
  assert.equal(sequenceIndexes(parse('1:*'), 0), undefined);
  assert.deepEqual(sequenceIndexes(parse('1:*'), 0, true), new Uint32Array(0));
});

test('UIDs resolve to places; a range from above the last reaches back to it (RFC 9051 6.4.9)', () => {
  const uids = Uint32Array.of(100, 200, 300);
  assert.deepEqual(uidIndexes(parse('559:*'), uids), Uint32Array.of(2));
  assert.deepEqual(uidIndexes(parse('1:4294967295'), uids), Uint32Array.of(0, 1, 2));
  assert.deepEqual(uidIndexes(parse('150,200,201:299,300'), uids), Uint32Array.of(1, 2));
  assert.deepEqual(uidIndexes(parse('*'), new Uint32Array(0)), new Uint32Array(0));
});

test('many overlapping ranges merge before they are walked', () => {
  const set = parse(Array.from({ length: 5000 }, () => '1:*').join(','));
  assert.deepEqual(sequenceRanges(set, 1_000_000), [1, 1_000_000]);
});

test('formats runs; keeps the order of what is not ascending', () => {
  assert.equal(formatSequenceSet(Uint32Array.of(1, 2, 3, 5, 7, 8)), '1:3,5,7:8');
  assert.equal(formatSequenceSet([304, 319, 320]), '304,319:320');
  assert.equal(formatSequenceSet([5, 4, 9, 10]), '5,4,9:10');
  assert.equal(formatSequenceSet([]), '');
});

test('agrees with the definition on random sets', async () => {
  for (const seed of target.seeds()) await target.run(seed);
  const part = fc.oneof(fc.constant('*'), fc.integer({ min: 1, max: 30 }).map(String));
  const range = fc.oneof(
    part,
    fc.tuple(part, part).map(([from, to]) => `${from}:${to}`),
  );
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 12 }), (ranges) => {
      void target.run(Buffer.from(ranges.join(',')));
    }),
    { numRuns: 300 },
  );
});
