// One blob's file, open for reading. It stays readable while it is open even if it is removed or replaced meanwhile:
// what a digest names never changes. Small reads are done at once, larger ones off the event loop's thread.

import { closeSync, fstatSync, openSync, read, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { assert } from '../../base/assert.ts';
import { Fault } from '../../base/fault.ts';
import {
  decompressFrame,
  type FrameIndex,
  footerBytes,
  frameBytes,
  indexBytesOf,
  parseIndex,
} from './blob-compression.ts';
import type { BlobRow } from './blob-row.ts';

const readAsync = promisify(read);

/**
 * Measured on warm files, 2026-11-22: 64 KiB take 5 µs at once and 13 µs by a thread. A file that is not in memory holds up
 * the event loop for the disk's time, which bounds what is read at once: more costs the thread's way.
 */
const readSyncBytesMax = 64 * 1024;

export class BlobFile {
  readonly bytes: number;
  readonly #descriptor: number;
  readonly #frames: FrameIndex | undefined;
  #lastFrame: { readonly number: number; readonly content: Buffer } | undefined;
  #holders = 0;
  #retired = false;

  /** Throws what openSync throws (ENOENT above all), or a Fault when the file is damaged. */
  constructor(path: string, row: BlobRow) {
    this.bytes = row.bytes;
    this.#descriptor = openSync(path, 'r');
    try {
      const { size } = fstatSync(this.#descriptor);
      if (size !== row.bytesStored) {
        throw new Fault(`a blob's file has ${size} bytes, not ${row.bytesStored}`, { temporary: false });
      }
      this.#frames = row.form === 'zstd' ? this.#readIndex(size) : undefined;
    } catch (error) {
      this.retire();
      throw error;
    }
  }

  /** Up to `length` bytes from `offset`; fewer only at the end. The caller holds the file. Rejects with Fault when it is damaged. */
  async read(offset: number, length: number): Promise<Buffer> {
    assert(this.#holders > 0, 'a blob file is read that nobody holds');
    const start = Math.min(offset, this.bytes);
    const end = Math.min(this.bytes, start + length);
    if (start === end) return Buffer.alloc(0);
    if (this.#frames === undefined) return await this.#readRaw(start, end - start);
    return await this.#readFrames(this.#frames, start, end);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    this.#closeIfUnused();
  }

  /** It is not to be held any more; closes when the last holder releases it. */
  retire(): void {
    this.#retired = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#retired && this.#holders === 0) closeSync(this.#descriptor);
  }

  #readIndex(size: number): FrameIndex {
    const footer = this.#readExactly(Math.max(0, size - footerBytes), footerBytes);
    const indexBytes = indexBytesOf(footer);
    return parseIndex(this.#readExactly(Math.max(0, size - footerBytes - indexBytes), indexBytes), footer);
  }

  #readExactly(position: number, length: number): Buffer {
    const target = Buffer.allocUnsafe(length);
    const found = readSync(this.#descriptor, target, 0, length, position);
    return this.#whole(target, found);
  }

  async #readRaw(position: number, length: number): Promise<Buffer> {
    if (length <= readSyncBytesMax) return this.#readExactly(position, length);
    const target = Buffer.allocUnsafe(length);
    const { bytesRead } = await readAsync(this.#descriptor, target, 0, length, position);
    return this.#whole(target, bytesRead);
  }

  #whole(target: Buffer, found: number): Buffer {
    if (found !== target.length) throw new Fault('a blob ends early', { temporary: false });
    return target;
  }

  async #readFrames(frames: FrameIndex, start: number, end: number): Promise<Buffer> {
    const first = Math.floor(start / frameBytes);
    const last = Math.floor((end - 1) / frameBytes);
    const contents: Buffer[] = [];
    for (let number = first; number <= last; number++) contents.push(await this.#frame(frames, number));
    const content = contents.length === 1 ? contents[0]! : Buffer.concat(contents);
    const from = start - first * frameBytes;
    // A copy, so that a small range does not hold the whole frame.
    return Buffer.from(content.subarray(from, from + end - start));
  }

  async #frame(frames: FrameIndex, number: number): Promise<Buffer> {
    if (this.#lastFrame?.number === number) return this.#lastFrame.content;
    const start = frames.offsets[number];
    const end = frames.offsets[number + 1];
    if (start === undefined || end === undefined)
      throw new Fault('a compressed blob ends early', { temporary: false });
    const content = await decompressFrame(await this.#readRaw(start, end - start));
    const expected = Math.min(frameBytes, this.bytes - number * frameBytes);
    if (content.length !== expected) throw new Fault('a compressed blob is damaged', { temporary: false });
    this.#lastFrame = { number, content };
    return content;
  }
}
