// Brings what several processes print to one stream, in whole lines: the system writes up to 4096 bytes to a pipe in one
// piece, so lines of this process's own log do not get between either. When the stream does not take more, the process waits.

import type { Readable, Writable } from 'node:stream';

/** What the system promises to write in one piece (PIPE_BUF). */
const pieceBytesMax = 4096;
/** A line without an end is cut: no log line is so long. */
const lineBytesMax = 1024 * 1024;
const lineEnd = 0x0a;

export function forwardLines(source: Readable, target: Writable): void {
  let rest: Buffer = Buffer.alloc(0);
  const write = (bytes: Buffer): void => {
    if (target.write(bytes)) return;
    source.pause();
    target.once('drain', () => source.resume());
  };
  source.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = rest.length > lineBytesMax ? rest.length : rest.lastIndexOf(lineEnd) + 1;
    for (const piece of piecesOf(rest.subarray(0, whole))) write(piece);
    rest = rest.subarray(whole);
  });
  source.on('end', () => {
    if (rest.length > 0) write(Buffer.concat([rest, Buffer.from([lineEnd])]));
  });
}

/** As many lines in each as fit into what is written in one piece. */
function* piecesOf(lines: Buffer): Generator<Buffer> {
  for (let start = 0; start < lines.length; ) {
    const limit = Math.min(start + pieceBytesMax, lines.length);
    let end = lines.lastIndexOf(lineEnd, limit - 1) + 1;
    if (end <= start) end = lines.indexOf(lineEnd, limit - 1) + 1;
    if (end <= start) end = lines.length;
    yield lines.subarray(start, end);
    start = end;
  }
}
