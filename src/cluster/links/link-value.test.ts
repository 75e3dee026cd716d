import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LinkProtocolError } from './frame.ts';
import { decodeValue, encodeValue } from './link-value.ts';

const received = (bytes: Uint8Array): Buffer => Buffer.concat([bytes]);

function travelled(value: unknown): unknown {
  const { header, bodies, bodyBytes } = encodeValue(value);
  const body = Buffer.concat(bodies);
  assert.equal(body.length, bodyBytes);
  return decodeValue(received(header), body);
}

test('what goes in comes out: undefined members, Buffers, typed arrays of any size', () => {
  const value = {
    nothing: undefined,
    none: null,
    numbers: [0, -1, 1.5, 2 ** 31, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER],
    buffer: Buffer.from('abc'),
    large: new Uint8Array(5000).fill(7),
    column: Uint32Array.from({ length: 700 }, (_, index) => index * 3),
    dates: Float64Array.of(1.5, 2 ** 50),
    list: [{ uid: 1, bytes: Buffer.alloc(3000, 1) }, { uid: 2, bytes: undefined }, { other: 'häß' }],
    empty: [new Uint32Array(0), Buffer.alloc(0), {}, []],
  };
  const out = travelled(value) as typeof value;
  assert.deepStrictEqual(out, value);
  assert.ok('nothing' in out);
  assert.ok(Buffer.isBuffer(out.buffer) && !Buffer.isBuffer(out.large));
});

test('many shapes of objects in one message', () => {
  const value = Array.from({ length: 500 }, (_, index) => ({
    [`a${index}`]: 1,
    [`b${index % 7}`]: { c: index },
  }));
  assert.deepStrictEqual(travelled(value), value);
});

test('any plain data comes out as it went in', () => {
  const leaf = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(undefined),
    fc.constant(null),
    fc.uint8Array({ maxLength: 2000 }),
    fc.uint32Array({ maxLength: 500 }),
    fc.float64Array({ maxLength: 300, noNaN: true }),
  );
  // A key '__proto__' is no member of plain data here, and MessagePack's decoder renames it.
  const key = fc.string().filter((name) => name !== '__proto__');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('value')),
      fc.dictionary(key, tie('value'), { noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (given) => {
      assert.deepStrictEqual(travelled(given), given);
    }),
    { numRuns: 200 },
  );
});

test('a message that is not what it says is refused', () => {
  const { header, bodies } = encodeValue({ bytes: Buffer.alloc(2000) });
  const refuses = (given: Buffer, body: Buffer) =>
    assert.throws(() => decodeValue(given, body), LinkProtocolError);
  refuses(received(header), Buffer.alloc(1999));
  refuses(received(header), Buffer.alloc(2001));
  refuses(Buffer.from([0xc1]), Buffer.alloc(0));
  refuses(Buffer.from([0x81, 0x01, 0x02]), Buffer.alloc(0)); // a map
  refuses(Buffer.from([0xc4, 0x02, 0x09, 0x00]), Buffer.alloc(0)); // an unknown kind of bytes
  refuses(Buffer.from([0xc4, 0x03, 0x02, 0x00, 0x00]), Buffer.alloc(0)); // half a number
  assert.equal(bodies.length, 1);
  assert.throws(() => encodeValue({ when: new BigInt64Array(1) }), TypeError);
});

test('what only the decoder knows, and no node sends, is refused as everything else', () => {
  const refuses = (...given: readonly number[]) =>
    assert.throws(() => decodeValue(Buffer.from(given), Buffer.alloc(0)), LinkProtocolError);
  refuses(0xc7, 6, 0x74, 1, 0x80, 0, 0, 0, 1); // a typed array, which is no Buffer
  refuses(0xc7, 6, 0x74, 16, 0x80, 0, 0, 0, 1); // an ArrayBuffer
  refuses(0xd6, 0xff, 1, 2, 3, 4); // a date
  // Part 1 is a list, part 2 has it twice: 60 parts of this kind have no end.
  refuses(0xd6, 0x69, 0, 0, 0, 2, 0x92, 0xd6, 0x69, 0, 0, 0, 1, 0x90, 0xd6, 0x70, 0, 0, 0, 1);
});
