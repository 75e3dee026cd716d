import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineTooLong } from './connection.ts';
import { InputBuffer } from './input-buffer.ts';

const bytesMax = 8;

/** What takes give for input that is there as a whole: lines, and 'too long' once for each line that is. */
function expectedLines(text: string): string[] {
  const lines = text.match(/[^\n]*\n/g) ?? [];
  const expected = lines.map((line) => (line.length > bytesMax ? 'too long' : line));
  const rest = text.slice(text.lastIndexOf('\n') + 1);
  return rest.length >= bytesMax ? [...expected, 'too long'] : expected;
}

function takeAll(buffer: InputBuffer): string[] {
  const lines: string[] = [];
  for (;;) {
    try {
      const line = buffer.takeLine(bytesMax);
      if (line === undefined) return lines;
      lines.push(line.toString('latin1'));
    } catch (error) {
      assert.ok(error instanceof LineTooLong);
      lines.push('too long');
    }
  }
}

test('lines come out the same however they are cut', () => {
  const chunk = fc
    .array(fc.constantFrom('a', 'bc', '\n', '\r\n', 'longer text', 'x\ny\n'))
    .map((parts) => parts.join(''));
  const property = fc.property(fc.array(chunk), (chunks) => {
    const buffer = new InputBuffer();
    const lines: string[] = [];
    for (const text of chunks) {
      buffer.push(Buffer.from(text, 'latin1'));
      lines.push(...takeAll(buffer));
    }
    assert.deepEqual(lines, expectedLines(chunks.join('')));
  });
  fc.assert(property, { numRuns: 500 });
});

test('bytes and lines mixed, with parts put back: nothing is lost or doubled', () => {
  const step = fc.oneof(
    fc.string({ maxLength: 12 }).map((text) => ({ push: text.replaceAll('x', '\n') })),
    fc.record({ take: fc.integer({ min: 1, max: 9 }), keep: fc.nat(9) }),
    fc.constant({ line: true }),
  );
  const property = fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const buffer = new InputBuffer();
    let pushed = '';
    let taken = '';
    for (const action of steps) {
      if ('push' in action) {
        const bytes = Buffer.from(action.push, 'latin1');
        pushed += bytes.toString('latin1');
        buffer.push(bytes);
      } else if ('take' in action) {
        const bytes = buffer.takeBytes(action.take);
        const kept = Math.min(action.keep, bytes?.length ?? 0);
        if (bytes !== undefined) buffer.putBack(bytes.subarray(kept));
        taken += bytes?.toString('latin1', 0, kept) ?? '';
      } else {
        taken += buffer.takeLine(1_000_000)?.toString('latin1') ?? '';
      }
      assert.equal(buffer.length, pushed.length - taken.length);
    }
    for (let bytes = buffer.takeBytes(5); bytes !== undefined; bytes = buffer.takeBytes(5)) {
      taken += bytes.toString('latin1');
    }
    assert.equal(taken, pushed);
  });
  fc.assert(property, { numRuns: 500 });
});

test('views stay valid and a long line that comes a byte at a time is whole', () => {
  const buffer = new InputBuffer();
  buffer.push(Buffer.from('first\n'));
  const first = buffer.takeLine(100)!;
  const text = 'x'.repeat(5_000);
  for (const byte of text) {
    buffer.push(Buffer.from(byte));
    assert.equal(buffer.takeLine(10_000), undefined);
  }
  buffer.push(Buffer.from('\n'));
  assert.equal(buffer.takeLine(10_000)!.toString(), `${text}\n`);
  assert.equal(first.toString(), 'first\n');
  assert.equal(buffer.length, 0);
});
