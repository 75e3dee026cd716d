// Where a socket reads to: one buffer for all that comes. Without it Node makes an event and memory of its own for every piece (TLS
// gives what it decrypted 16 KB at a time), which costs more than carrying the piece to where it belongs.
// Invariant: what came is in the buffer only until the listener returns. Nothing here fails.

import type { OnReadOpts } from 'node:net';

export interface ReadBufferOptions {
  /** As much as one read is to give at the most. */
  readonly bytes: number;
  /** Has what comes before anybody listens; undefined: that is lost. */
  readonly unheard?: (piece: Buffer) => void;
}

export class ReadBuffer {
  /** For `connect` and `new Socket`. Of a socket that it is given TLS reads by itself. */
  readonly onread: OnReadOpts;
  #listener: ((piece: Buffer) => void) | undefined;

  constructor({ bytes, unheard }: ReadBufferOptions) {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    this.#listener = unheard;
    this.onread = {
      buffer,
      callback: (length) => {
        this.#listener?.(buffer.subarray(0, length));
        return true;
      },
    };
  }

  /** From now on this listener has it, and nobody else. */
  listen(listener: (piece: Buffer) => void): void {
    this.#listener = listener;
  }
}
