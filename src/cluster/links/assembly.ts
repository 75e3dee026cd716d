// A message that is being taken in: one buffer, filled as pieces come.
// Invariant: a large message has its whole buffer, and gives credit, only once the budget of all links has room for
// it; before that it takes no more than the window that was promised.
// Fails with LinkProtocolError when the peer sends more than it announced or was given credit for.

import { LinkProtocolError, type MessageStart } from './frame.ts';
import { smallBytesMax } from './outbox.ts';

export class Assembly {
  readonly start: MessageStart;
  readonly bytes: number;
  #buffer: Buffer | undefined;
  #filled = 0;
  #whole: boolean;

  /** `windowBytes` undefined: there is room for all of it. Not `wanted`: see discard. */
  constructor(start: MessageStart, windowBytes: number | undefined, wanted: boolean) {
    this.start = start;
    this.bytes = start.headerBytes + start.bodyBytes;
    this.#whole = windowBytes === undefined;
    if (wanted) this.#buffer = allocate(windowBytes ?? this.bytes);
  }

  /** False: a window's worth of it may come, until there is room for all. */
  get whole(): boolean {
    return this.#whole;
  }

  get isDiscarded(): boolean {
    return this.#buffer === undefined;
  }

  get isLarge(): boolean {
    return this.bytes > smallBytesMax;
  }

  get isComplete(): boolean {
    return this.#filled === this.bytes;
  }

  get header(): Buffer {
    return this.#buffer!.subarray(0, this.start.headerBytes);
  }

  get body(): Buffer {
    return this.#buffer!.subarray(this.start.headerBytes);
  }

  /** There is room for all of it now. */
  widen(): void {
    if (this.#whole || this.#buffer === undefined) return;
    this.#whole = true;
    const wide = allocate(this.bytes);
    this.#buffer.copy(wide, 0, 0, this.#filled);
    this.#buffer = wide;
  }

  /** Nobody wants it any more: what still comes is counted and forgotten. */
  discard(): void {
    this.#buffer = undefined;
    this.#whole = true;
  }

  add(piece: Buffer): void {
    const end = this.#filled + piece.length;
    if (end > this.bytes) throw new LinkProtocolError('a message longer than announced');
    if (this.#buffer !== undefined) {
      if (end > this.#buffer.length) throw new LinkProtocolError('more than there was credit for');
      piece.copy(this.#buffer, this.#filled);
    }
    this.#filled = end;
  }
}

/** Large ones get memory of their own: a piece of Node's shared pool would be kept alive by them. */
function allocate(bytes: number): Buffer {
  return bytes > smallBytesMax ? Buffer.allocUnsafeSlow(bytes) : Buffer.allocUnsafe(bytes);
}
