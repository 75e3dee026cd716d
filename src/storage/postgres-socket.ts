// The socket of a connection to PostgreSQL, read into one buffer for all that comes: memory of its own for every piece costs more than
// carrying the piece to where it belongs.
// Invariant: what came is in the buffer only until the listener returns. Until somebody listens it is told as `data`, in memory of
// its own, to `pg`, which opens the connection. Over TLS that stays so: of a socket that it is given TLS reads by itself.

import { Socket } from 'node:net';

/** As much as the system gives in one read, mostly. */
const receiveBytes = 256 * 1024;

export class PostgresSocket {
  readonly socket: Socket;
  #listener: ((piece: Buffer) => void) | undefined;

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(receiveBytes);
    this.socket = new Socket({
      onread: {
        buffer,
        callback: (length) => {
          const piece = buffer.subarray(0, length);
          if (this.#listener === undefined) this.socket.emit('data', Buffer.from(piece));
          else this.#listener(piece);
          return true;
        },
      },
    });
  }

  listen(listener: (piece: Buffer) => void): void {
    this.#listener = listener;
  }
}
