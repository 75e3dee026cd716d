// Where the socket of a link reads to: one buffer for all that comes. TLS gives what it decrypted 16 KB at a time, and without
// this Node makes an event and memory of its own for each of them.
// Invariant: what came is in the buffer only until the listener returns.
// What comes before anybody listens is lost: the called side speaks second, so such a link ends for want of a hello.

import type { OnReadOpts } from 'node:net';

/** As much as the system gives in one read. */
const readBytes = 64 * 1024;

export class ReadBuffer {
  /** For `connect`. */
  readonly onread: OnReadOpts;
  #listener: ((chunk: Buffer) => void) | undefined;

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    this.onread = {
      buffer,
      callback: (length) => {
        this.#listener?.(buffer.subarray(0, length));
        return true;
      },
    };
  }

  listen(listener: (chunk: Buffer) => void): void {
    this.#listener = listener;
  }
}
