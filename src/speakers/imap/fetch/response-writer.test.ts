import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Connection } from '../../kit/connection.ts';
import { ResponseWriter } from './response-writer.ts';

/** What was written, copied only at the end: a buffer that is touched after it was handed over shows. */
function recorder(): { readonly connection: Connection; written(): string } {
  const parts: Uint8Array[] = [];
  const write = (data: string | Uint8Array): void => {
    parts.push(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  };
  return { connection: { write } as Connection, written: () => Buffer.concat(parts).toString('latin1') };
}

test('numbers, labels, texts and bytes come out in order, whatever the sizes', () => {
  const piece = fc.oneof(
    fc.maxSafeNat().map((value) => ({ kind: 'number' as const, value })),
    fc.nat(9).map((value) => ({ kind: 'number' as const, value })),
    fc.integer({ min: 0, max: 300 }).map((value) => ({ kind: 'label' as const, value })),
    fc.integer({ min: 0, max: 70_000 }).map((value) => ({ kind: 'text' as const, value })),
    fc.integer({ min: 0, max: 40_000 }).map((value) => ({ kind: 'bytes' as const, value })),
    fc.constant({ kind: 'flush' as const, value: 0 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat(200_000), (pieces, expected) => {
      const { connection, written } = recorder();
      const writer = new ResponseWriter(connection, expected);
      let wanted = '';
      for (const { kind, value } of pieces) {
        const text = kind === 'number' ? String(value) : 'xyz'.repeat(value).slice(0, value);
        if (kind !== 'flush') wanted += text;
        if (kind === 'number') writer.number(value);
        else if (kind === 'label') writer.label(Buffer.from(text));
        else if (kind === 'text') writer.text(text);
        else if (kind === 'bytes') writer.bytes(Buffer.from(text));
        else writer.flush();
      }
      writer.flush();
      assert.equal(written(), wanted);
    }),
    { numRuns: 200 },
  );
});

test('numbers at the edges', () => {
  for (const value of [
    0,
    9,
    10,
    99,
    100,
    2 ** 31 - 2,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    Number.MAX_SAFE_INTEGER,
  ]) {
    const { connection, written } = recorder();
    const writer = new ResponseWriter(connection, 10);
    writer.number(value);
    writer.byte(0x20);
    writer.flush();
    assert.equal(written(), `${value} `);
  }
});
