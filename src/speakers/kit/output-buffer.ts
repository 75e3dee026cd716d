// What a session has written and the socket has not been given yet. Invariant: it leaves in the order it was written, all of it in one
// write. Strings are latin1 text; several in a row are joined, since a write costs more than a few characters.

import type { Writable } from 'node:stream';

export class OutputBuffer {
  /** Undefined: there is text only, as for nearly all answers. */
  #parts: (string | Uint8Array)[] | undefined;
  /** Behind the parts. */
  #text = '';
  #length = 0;

  /** Bytes. */
  get length(): number {
    return this.#length;
  }

  /** Bytes must not change any more. */
  push(data: string | Uint8Array): void {
    this.#length += data.length;
    if (typeof data === 'string') {
      this.#text += data;
      return;
    }
    this.#parts ??= [];
    if (this.#text !== '') this.#parts.push(this.#text);
    this.#text = '';
    this.#parts.push(data);
  }

  clear(): void {
    this.#parts = undefined;
    this.#text = '';
    this.#length = 0;
  }

  /** All of it: strings and bytes in the order they were written. */
  take(): readonly (string | Uint8Array)[] {
    const parts = this.#parts ?? [];
    if (this.#text !== '') parts.push(this.#text);
    this.clear();
    return parts;
  }

  writeTo(socket: Writable): void {
    const parts = this.#parts;
    const text = this.#text;
    this.clear();
    if (parts === undefined) {
      socket.write(text, 'latin1');
      return;
    }
    socket.cork();
    for (const part of parts) {
      if (typeof part === 'string') socket.write(part, 'latin1');
      else socket.write(part);
    }
    if (text !== '') socket.write(text, 'latin1');
    socket.uncork();
  }
}
