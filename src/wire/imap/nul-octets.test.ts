import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutNul } from './nul-octets.ts';

test('every NUL becomes 0x80, and nothing else changes', () => {
  const bytes = fc.uint8Array({ max: 3, maxLength: 100 });
  fc.assert(
    fc.property(bytes, (given) => {
      const before = given.slice();
      const expected = before.map((octet) => (octet === 0 ? 0x80 : octet));
      assert.deepEqual(Uint8Array.from(withoutNul(given)), expected);
      assert.deepEqual(given, before);
    }),
  );
});

test('bytes without NUL are not copied', () => {
  const bytes = Uint8Array.of(1, 2, 128);
  assert.equal(withoutNul(bytes), bytes);
});
