// What came from the peer and was not taken yet: a list of chunks as the socket gave them, cut into lines or runs of
// bytes without copying unless a line spans chunks. Invariant: views handed out are never overwritten. Its size is
// bounded by its owner, which stops the socket. Work is linear in what came, even when it came a byte at a time.

import { LineTooLong } from './connection.ts';

const lineFeed = 0x0a;
/** More chunks than this are joined into one: many tiny chunks cost more memory than their bytes. */
const chunksMax = 64;

export class InputBuffer {
  #chunks: Buffer[] | undefined;
  /** Bytes of the first chunk that were taken. */
  #offset = 0;
  #length = 0;
  /** No LF is in the first so many bytes after the offset. */
  #scanned = 0;
  /** The rest of a line that was too long is dropped up to its LF. */
  #discarding = false;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#length += chunk.length;
    if (this.#chunks === undefined) {
      this.#chunks = [chunk];
      return;
    }
    this.#chunks.push(chunk);
    if (this.#chunks.length > chunksMax) this.#join();
  }

  /** See Connection.takeLine. */
  takeLine(bytesMax: number): Buffer | undefined {
    if (this.#discarding && !this.#discard()) return undefined;
    const end = this.#findLineFeed();
    if (end >= 0 && end < bytesMax) return this.#take(end + 1);
    if (end < 0 && this.#length < bytesMax) return undefined;
    if (end >= 0) {
      this.#take(end + 1);
    } else {
      this.clear();
      this.#discarding = true;
    }
    throw new LineTooLong();
  }

  /** See Connection.takeBytes: what the first chunk has, so nothing is copied. */
  takeBytes(bytesMax: number): Buffer | undefined {
    if (this.#discarding && !this.#discard()) return undefined;
    if (this.#chunks === undefined) return undefined;
    return this.#take(Math.min(bytesMax, this.#chunks[0]!.length - this.#offset));
  }

  putBack(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const chunks = this.#chunks ?? [];
    if (this.#offset > 0) chunks[0] = chunks[0]!.subarray(this.#offset);
    chunks.unshift(bytes);
    this.#chunks = chunks;
    this.#offset = 0;
    this.#scanned = 0;
    this.#length += bytes.length;
  }

  clear(): void {
    this.#chunks = undefined;
    this.#offset = 0;
    this.#length = 0;
    this.#scanned = 0;
  }

  /** Index of the first LF after the offset, or -1. Looks at every byte once. */
  #findLineFeed(): number {
    const chunks = this.#chunks;
    if (chunks === undefined) return -1;
    let start = -this.#offset;
    for (const chunk of chunks) {
      const end = start + chunk.length;
      if (end > this.#scanned) {
        const found = chunk.indexOf(lineFeed, Math.max(this.#scanned - start, 0));
        if (found >= 0) return start + found;
      }
      start = end;
    }
    this.#scanned = this.#length;
    return -1;
  }

  #discard(): boolean {
    const end = this.#findLineFeed();
    if (end < 0) {
      this.clear();
      return false;
    }
    this.#discarding = false;
    this.#take(end + 1);
    return true;
  }

  #take(count: number): Buffer {
    this.#scanned = 0;
    if (this.#chunks!.length > 1 && this.#chunks![0]!.length - this.#offset < count) this.#join();
    const chunks = this.#chunks!;
    const first = chunks[0]!;
    const end = this.#offset + count;
    const taken = count === first.length ? first : first.subarray(this.#offset, end);
    this.#length -= count;
    if (this.#length === 0) {
      this.clear();
    } else if (end === first.length) {
      chunks.shift();
      this.#offset = 0;
    } else {
      this.#offset = end;
    }
    return taken;
  }

  #join(): void {
    const chunks = this.#chunks!;
    if (this.#offset > 0) chunks[0] = chunks[0]!.subarray(this.#offset);
    this.#chunks = [Buffer.concat(chunks, this.#length)];
    this.#offset = 0;
  }
}
