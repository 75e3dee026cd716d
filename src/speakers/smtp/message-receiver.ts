// The bytes of a message on their way in. Invariants: what is held is covered by the shared byte budget, and `release`
// gives it back whatever happened; a message beyond the size limit, or one the budget had no room for, is read to its
// end and dropped, so that the client hears why. Small pieces are gathered, so that memory follows the bytes.

import type { ByteBudget } from '../../base/byte-budget.ts';
import type { DataSink } from '../../wire/smtp/data-decoder.ts';

/** The message is in memory as it came and, a moment later, as it is stored. */
export const copiesPerMessage = 2;
/**
 * Helpings of the budget: nearly all messages need only the first, and nearly all others only the second. Whoever needs
 * more gets all it may need at once, in its turn: growing step by step, large messages would wait for each other. The
 * second is given only while one message still has room to grow to its end: then it is never all that wait.
 */
const firstBytes = 128 * 1024;
const secondBytes = 2 * 1024 * 1024;
/** Pieces below this are copied together. */
const smallPieceBytes = 4 * 1024;
const slabBytes = 64 * 1024;

export interface ReceiverOptions {
  readonly bytesMax: number;
  /** How long to wait for memory. */
  readonly timeoutMs: number;
  readonly expectedBytes: number | undefined;
}

export class MessageReceiver implements DataSink {
  readonly #budget: ByteBudget;
  readonly #bytesMax: number;
  readonly #timeoutMs: number;
  #pieces: Buffer[] = [];
  #length = 0;
  #reserved = 0;
  readonly #expectedBytes: number;
  #slab: Buffer | undefined;
  #slabUsed = 0;
  #slabStart = 0;
  #failure: 'tooLarge' | 'noMemory' | undefined;

  /** `expectedBytes`: what the client said (SIZE); wrong values cost it a second wait at the most. */
  constructor(budget: ByteBudget, options: ReceiverOptions) {
    this.#budget = budget;
    this.#bytesMax = options.bytesMax;
    this.#timeoutMs = options.timeoutMs;
    this.#expectedBytes = options.expectedBytes ?? options.bytesMax;
  }

  /** Why nothing is kept. */
  get failure(): 'tooLarge' | 'noMemory' | undefined {
    return this.#failure;
  }

  get length(): number {
    return this.#length;
  }

  /** The message; call once, at its end. */
  takePieces(): Buffer[] {
    this.#closeSlab();
    return this.#pieces;
  }

  /** Makes room for `bytes` more before they are added: true at once, or a promise that resolves when there is an answer. */
  reserve(bytes: number): true | Promise<void> {
    const needed = (this.#length + bytes) * copiesPerMessage;
    if (this.#failure !== undefined || needed <= this.#reserved) return true;
    const more = this.#helping(needed) - this.#reserved;
    if (this.#budget.tryAcquire(more, this.#reserved > 0)) {
      this.#reserved += more;
      return true;
    }
    return this.#wait(more);
  }

  add(bytes: Buffer): void {
    if (this.#failure !== undefined) return;
    this.#length += bytes.length;
    if (this.#length > this.#bytesMax) {
      this.#drop('tooLarge');
      return;
    }
    // The first piece is most often all of a small message: a view of what the socket gave, never copied.
    if (bytes.length >= smallPieceBytes || this.#pieces.length === 0) {
      this.#closeSlab();
      this.#pieces.push(bytes);
      return;
    }
    if (this.#slab === undefined || this.#slab.length - this.#slabUsed < bytes.length) {
      this.#closeSlab();
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#slabUsed = 0;
      this.#slabStart = 0;
    }
    this.#slabUsed += bytes.copy(this.#slab, this.#slabUsed);
  }

  /** Gives the memory back to the budget. Twice is fine. */
  release(): void {
    this.#pieces = [];
    this.#slab = undefined;
    this.#budget.release(this.#reserved);
    this.#reserved = 0;
  }

  #helping(needed: number): number {
    if (needed <= firstBytes) return firstBytes;
    const largest = this.#bytesMax * copiesPerMessage;
    const said = Math.min(this.#expectedBytes, this.#bytesMax) * copiesPerMessage;
    const all = Math.max(needed, needed <= said ? said : largest);
    if (needed > secondBytes || all <= secondBytes) return all;
    // Twice: first helpings that are given later take of it too.
    const roomBehind = this.#budget.bytesMax - (this.#budget.bytesUsed - this.#reserved) - 2 * secondBytes;
    return roomBehind >= largest ? secondBytes : all;
  }

  async #wait(more: number): Promise<void> {
    if (await this.#budget.acquire(more, this.#timeoutMs, this.#reserved > 0)) this.#reserved += more;
    else this.#drop('noMemory');
  }

  #drop(failure: 'tooLarge' | 'noMemory'): void {
    this.#failure = failure;
    this.release();
  }

  #closeSlab(): void {
    if (this.#slab === undefined || this.#slabUsed === this.#slabStart) return;
    this.#pieces.push(this.#slab.subarray(this.#slabStart, this.#slabUsed));
    this.#slabStart = this.#slabUsed;
  }
}
