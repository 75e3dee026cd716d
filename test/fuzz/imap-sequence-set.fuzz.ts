// Sequence sets: any text parses or does not; what parses resolves to the same places as the plain definition
// of the RFC does, and what is written parses back.

import assert from 'node:assert/strict';
import {
  formatSequenceSet,
  parseSequenceSet,
  type SequenceSet,
  sequenceIndexes,
  sequenceRanges,
  uidIndexes,
} from '../../src/wire/imap/sequence-set.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const uids = Uint32Array.of(2, 3, 5, 7, 8, 9, 20, 21, 4_294_967_290);

export const target: FuzzTarget = {
  name: 'imap-sequence-set',
  seeds: () =>
    ['*', '$', '1', '1:*', '*:1', '4,2:4', '2,4:7,9,12:*', '4294967295:7,3', '*:*,1,1,1:3', '20:5,*'].map(
      (text) => Buffer.from(text),
    ),
  run(input) {
    const set = parseSequenceSet(Buffer.from(input).toString('latin1'));
    if (set === undefined || set.saved) return;
    checkRanges(sequenceRanges(set, 9));
    const lenient = sequenceIndexes(set, 9, true);
    assert(lenient !== undefined);
    assert.deepEqual(
      [...lenient],
      expected(
        set,
        Uint32Array.from({ length: 9 }, (_, index) => index + 1),
      ),
    );
    const strict = sequenceIndexes(set, 9);
    const beyond = set.ranges.some((number) => number > 9);
    assert.deepEqual(strict, beyond ? undefined : lenient);
    const places = uidIndexes(set, uids);
    assert.deepEqual([...places], expected(set, uids));
    assert.equal(uidIndexes(set, new Uint32Array(0)).length, 0);
    if (places.length === 0) return;
    const written = formatSequenceSet(places.map((place) => uids[place]!));
    const read = parseSequenceSet(written);
    assert(read !== undefined);
    assert.deepEqual(uidIndexes(read, uids), places);
  },
};

/** The definition, member by member. */
function expected(set: SequenceSet, members: Uint32Array): number[] {
  const last = members.at(-1)!;
  const places: number[] = [];
  for (const [place, member] of members.entries()) {
    for (let index = 0; index < set.ranges.length; index += 2) {
      const from = set.ranges[index]! || last;
      const to = set.ranges[index + 1]! || last;
      if (member < Math.min(from, to) || member > Math.max(from, to)) continue;
      places.push(place);
      break;
    }
  }
  return places;
}

function checkRanges(ranges: readonly number[]): void {
  for (let index = 0; index < ranges.length; index += 2) {
    assert(ranges[index]! <= ranges[index + 1]!);
    if (index > 0) assert(ranges[index]! > ranges[index - 1]! + 1);
  }
}
