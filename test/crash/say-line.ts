// How a process that is to be killed tells its parent what it did: a line at a time, written when the call returns, however
// slow the parent is to read. (Its standard output is a pipe that does not block: a full one answers EAGAIN.)

import { writeSync } from 'node:fs';

const retryMs = 1;

export function sayLine(text: string): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  let rest = Buffer.from(`${text}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(nobody, 0, 0, retryMs);
    }
  }
}
