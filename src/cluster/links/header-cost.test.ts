// What a peer that is not trusted can make a node build out of few bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { LinkProtocolError } from './frame.ts';
import { headerCost } from './header-cost.ts';
import { decodeValue, encodeValue } from './link-value.ts';

const random = seededRandom(7);

/** Of all forms that travel. */
function anyValue(depth: number): unknown {
  const kind = random.integer(depth > 4 ? 9 : 12);
  const count = random.integer(depth > 2 ? 4 : 20);
  switch (kind) {
    case 0:
      return [undefined, null, true, false][random.integer(4)];
    case 1:
      return random.integer(300);
    case 2:
      return -random.integer(2 ** 31);
    case 3:
      return random.integer(2 ** 20) * 2 ** 30;
    case 4:
      return random.integer(1000) / 7;
    case 5:
      return 'x'.repeat(random.integer(40));
    case 6:
      return 'ü'.repeat(random.integer(70_000));
    case 7:
      return random.bytes(random.integer(1500));
    case 8:
      return new Uint32Array(random.integer(9));
    case 9:
      return Array.from({ length: count }, () => anyValue(depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: count }, () => [`k${random.integer(50)}`, anyValue(depth + 1)]),
      );
  }
}

test('all that our encoder writes passes, and costs what it takes', () => {
  for (let time = 0; time < 1_000; time++) {
    const { header } = encodeValue(anyValue(0));
    assert.ok(headerCost(header) >= header.length);
  }
  for (const length of [15, 16, 65_535, 65_536]) {
    const { header, bodies } = encodeValue(Array.from({ length }, (_, index) => index));
    assert.ok(headerCost(header) > 8 * length);
    assert.equal((decodeValue(header, Buffer.concat(bodies)) as unknown[]).length, length);
  }
  // More shapes than there are numbers for.
  const shapes = Array.from({ length: 300 }, (_, index) => ({ [`a${index}`]: index, [`b${index}`]: {} }));
  headerCost(encodeValue([shapes, shapes]).header);
  // What a session asks.
  assert.ok(headerCost(encodeValue(['accounts', 'search', undefined, ['id', [1, {}]], 0]).header) < 2_000);
});

test('what would take far more than it is, is told so, or refused before it is decoded', () => {
  const empty = (count: number): Buffer => {
    const header = Buffer.alloc(5 + count, 0x80);
    header[0] = 0xdd;
    header.writeUInt32BE(count, 1);
    return header;
  };
  assert.ok(headerCost(empty(10_000)) > 2_000_000);
  // Five bytes each, that ask for an array of thirty million.
  const huge = Buffer.from('dd01c9c380'.repeat(1000), 'hex');
  // As many as there are bytes, each of which does so again.
  const nested = Buffer.from('dc4000'.repeat(8000), 'hex');
  const shape = Buffer.concat([Buffer.from('9fd4724091a161c0', 'hex'), Buffer.alloc(14, 0x40)]);
  const refused: readonly Buffer[] = [
    empty(400_000),
    huge,
    nested,
    shape,
    Buffer.alloc(0),
    Buffer.from('0000', 'hex'),
    Buffer.from('92c0', 'hex'),
    Buffer.from('a5', 'hex'),
    Buffer.from('c6ffffffff', 'hex'),
    // Dates, extensions, big objects by number, and shapes of two bytes.
    Buffer.from('d6ff00000000', 'hex'),
    Buffer.from('c70042', 'hex'),
    Buffer.from('d5724000', 'hex'),
    Buffer.from('d47240c0', 'hex'),
    Buffer.from('d4724091c0c0', 'hex'),
    Buffer.from('c1', 'hex'),
  ];
  for (const header of refused)
    assert.throws(() => headerCost(header), LinkProtocolError, header.subarray(0, 10).toString('hex'));
});
