import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { forwardLines } from './forward-lines.ts';

test('whole lines go on in pieces that are written at once, whatever they came in', async () => {
  const pieces: string[] = [];
  const target = new Writable({
    highWaterMark: 1, // never takes more at once: the sources wait
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk.toString());
      setImmediate(done);
    },
  });
  const short = Array.from({ length: 500 }, (_, index) => `line ${index} ${'x'.repeat(index % 90)}\n`);
  const long = `${'y'.repeat(10_000)}\n`;
  const [one, two] = [new PassThrough(), new PassThrough()];
  forwardLines(one, target);
  forwardLines(two, target);
  const text = short.join('');
  for (let at = 0; at < text.length; at += 777) one.write(text.slice(at, at + 777));
  two.write(long.slice(0, 5000));
  two.write(long.slice(5000));
  two.write('no end');
  const ended = Promise.all([one, two].map((source) => new Promise((resolve) => source.on('end', resolve))));
  one.end();
  two.end();
  await ended;
  await new Promise<void>((resolve) => {
    target.end(resolve);
  });
  assert.ok(pieces.every((piece) => piece.endsWith('\n')));
  assert.ok(pieces.every((piece) => piece.length <= 4096 || piece === long));
  const lines = pieces.join('').split(/(?<=\n)/);
  assert.deepEqual(
    lines.filter((line) => line.startsWith('line')),
    short,
  );
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('line')),
    [long, 'no end\n'],
  );
});
