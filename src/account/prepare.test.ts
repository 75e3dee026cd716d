import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { slowTurns } from '../base/testing-turns.ts';
import { mimeLimits } from '../mail/mime/parse-message.ts';
import { prepareMessage, prepareSmallMessage } from './prepare.ts';

/** Parts are parsed, encoded and formatted by a thousand, with a look between two steps. */
const looks = 3 * (mimeLimits.partsMax / 1000 - 1);
/** Of slowTurns. */
const looksPerTurn = 6;

/** As many parts as are looked into, and more. */
function manyParts(part: string): Buffer {
  const parts = part.repeat(2 * mimeLimits.partsMax);
  return Buffer.from(`Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${parts}--b--\r\n`);
}

for (const [name, part] of [
  ['large', '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'],
  ['small', '--b\n\n\n'],
] as const) {
  test(`a ${name} message of thousands of parts gives others their turns while it is prepared`, async () => {
    const clock = slowTurns();
    const bytes = manyParts(part);
    const prepared = await prepareMessage(bytes, { clock });
    assert.ok(
      clock.turnsGiven >= Math.floor(looks / looksPerTurn),
      `${clock.turnsGiven} turns, ${looks} looks`,
    );
    assert.deepEqual(prepared, prepareSmallMessage(bytes));
  });
}

test('an ordinary message is prepared without a look at the clock', async () => {
  const clock = { ...slowTurns(), turnMs: () => assert.fail('the clock was asked') };
  const bytes = Buffer.from('Subject: one\r\n\r\ntext\r\n');
  assert.deepEqual(await prepareMessage(bytes, { clock }), prepareSmallMessage(bytes));
});

for (const size of [1_000, 300_000, 5_000_000]) {
  test(`a NUL is found wherever it is in ${size} bytes`, async () => {
    for (const at of [undefined, 0, 512 * 1024 - 1, 512 * 1024, size - 1]) {
      const bytes = Buffer.alloc(size, 'text\r\n');
      if (at !== undefined && at < size) bytes[at] = 0;
      const isNulFree = at === undefined || at >= size;
      for (const isCrlf of [false, true])
        assert.equal((await prepareMessage(bytes, { clock: systemClock, isCrlf })).isNulFree, isNulFree);
      assert.equal(prepareSmallMessage(bytes).isNulFree, isNulFree);
    }
  });
}

for (const size of [100_000, 300_000, 5_000_000]) {
  test(`${size} bytes are prepared as a whole would be, wherever they are hashed`, async () => {
    const line = Buffer.from('a line of text that ends with a line feed alone\n');
    const bytes = Buffer.concat([Buffer.from('Subject: s\r\n\r\n'), Buffer.alloc(size, line)]);
    assert.deepEqual(await prepareMessage(bytes, { clock: systemClock }), prepareSmallMessage(bytes));
  });
}
