// A message that is being taken in: one buffer, filled as pieces come.
// Invariant: a large message has its whole buffer, and gives credit, only once the budget of all links has room for
// it; before that it takes no more than the window that was promised. The buffer of one whose peer is not trusted grows with what
// comes: memory that is given back is free only when the collector comes to it, and saying that much will come costs nothing.
// Fails with LinkProtocolError when the peer sends more than it announced or was given credit for.

import { LinkProtocolError, type MessageStart } from './frame.ts';
import { smallBytesMax } from './outbox.ts';

export interface AssemblyOptions {
  /** Undefined: there is room for all of it. */
  readonly windowBytes: number | undefined;
  /** So much memory is had for it at once, if it is as long. */
  readonly firstBytes: number;
  /** False: see discard. */
  readonly isWanted: boolean;
}

/** So many times as much memory when the one before is full: little is copied, and as much of it has come. */
const growth = 16;

export class Assembly {
  readonly start: MessageStart;
  readonly bytes: number;
  readonly #firstBytes: number;
  #buffer: Buffer | undefined;
  #filled = 0;
  #whole: boolean;

  constructor(start: MessageStart, { windowBytes, firstBytes, isWanted }: AssemblyOptions) {
    this.start = start;
    this.bytes = start.headerBytes + start.bodyBytes;
    this.#firstBytes = firstBytes;
    this.#whole = windowBytes === undefined;
    if (isWanted) this.#buffer = allocate(windowBytes ?? Math.min(this.bytes, firstBytes));
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
    this.#grow(Math.min(this.bytes, Math.max(this.#firstBytes, this.#buffer.length)));
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
      if (end > this.#buffer.length) {
        if (!this.#whole) throw new LinkProtocolError('more than there was credit for');
        this.#grow(Math.min(this.bytes, Math.max(end, growth * this.#buffer.length)));
      }
      piece.copy(this.#buffer, this.#filled);
    }
    this.#filled = end;
  }

  #grow(bytes: number): void {
    const wide = allocate(bytes);
    this.#buffer!.copy(wide, 0, 0, this.#filled);
    this.#buffer = wide;
  }
}

/** Large ones get memory of their own: a piece of Node's shared pool would be kept alive by them. */
function allocate(bytes: number): Buffer {
  return bytes > smallBytesMax ? Buffer.allocUnsafeSlow(bytes) : Buffer.allocUnsafe(bytes);
}
