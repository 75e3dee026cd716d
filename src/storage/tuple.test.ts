// Tuples keep their order as bytes, come back as they were, and prefix ranges hold what they name and nothing else.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { decodeTuple, encodeTuple, successorOfPrefix, type TupleElement, tuplePrefixRange } from './tuple.ts';

/** Few different bytes, with those that escape, end and overflow. */
const text = fc.string({ unit: fc.constantFrom('\0', '\x01', 'a', 'b', 'é', '\u{10ffff}'), maxLength: 4 });
const bytes = fc
  .array(fc.constantFrom(0, 1, 2, 0x10, 0xfe, 0xff), { maxLength: 4 })
  .map((array) => Buffer.from(array));
const number = fc.oneof(
  fc.constantFrom(
    0,
    1,
    255,
    256,
    65_535,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 48 - 1,
    2 ** 48,
    Number.MAX_SAFE_INTEGER,
  ),
  fc.maxSafeNat(),
);
/** Tuples of one shape, as keys of one kind are. */
const shaped = fc.tuple(text, number, bytes);

function compareElements(a: TupleElement, b: TupleElement): number {
  if (typeof a === 'number' && typeof b === 'number') return Math.sign(a - b);
  return Buffer.compare(Buffer.from(a as string), Buffer.from(b as string));
}

function compareTuples(a: readonly TupleElement[], b: readonly TupleElement[]): number {
  for (const [index, element] of a.entries()) {
    const order = compareElements(element, b[index]!);
    if (order !== 0) return order;
  }
  return 0;
}

it('orders encodings as it orders tuples', () => {
  const property = fc.property(shaped, shaped, (a, b) => {
    assert.equal(Buffer.compare(encodeTuple(a), encodeTuple(b)), compareTuples(a, b));
  });
  fc.assert(property, { numRuns: 2000 });
});

it('decodes what it encoded', () => {
  const property = fc.property(fc.array(fc.oneof(text, number, bytes), { maxLength: 5 }), (elements) => {
    assert.deepEqual(decodeTuple(encodeTuple(elements)), elements);
  });
  fc.assert(property, { numRuns: 1000 });
});

it('has in a prefix range exactly the tuples that start with the prefix', () => {
  const property = fc.property(shaped, shaped, fc.integer({ min: 0, max: 3 }), (tuple, prefixOf, length) => {
    const prefix = prefixOf.slice(0, length);
    const { start, end } = tuplePrefixRange(prefix);
    const inRange = (key: Buffer): boolean => Buffer.compare(start, key) <= 0 && Buffer.compare(key, end) < 0;
    assert.equal(inRange(encodeTuple(tuple)), compareTuples(prefix, tuple.slice(0, length)) === 0);
    assert.ok(inRange(encodeTuple(prefixOf)));
  });
  fc.assert(property, { numRuns: 2000 });
  const { end } = tuplePrefixRange(['a']);
  assert.ok(
    Buffer.compare(encodeTuple(['a\0b']), end) > 0,
    'an element that goes on with a zero is another element',
  );
});

it('fails on what it cannot encode or did not encode', () => {
  for (const element of [-1, 1.5, 2 ** 53, Number.NaN])
    assert.throws(() => encodeTuple([element]), /out of range/);
  for (const broken of [[0x02, 0x61], [0x13, 1, 2], [0x30], [0xff]]) {
    assert.throws(() => decodeTuple(Buffer.from(broken)), { name: 'AssertionFailure' });
  }
});

it('gives the key after all keys of a byte prefix', () => {
  assert.deepEqual([...successorOfPrefix(Buffer.of(1, 2))], [1, 3]);
  assert.deepEqual([...successorOfPrefix(Buffer.of(1, 0xff, 0xff))], [2]);
  assert.throws(() => successorOfPrefix(Buffer.of(0xff)), { name: 'AssertionFailure' });
});
