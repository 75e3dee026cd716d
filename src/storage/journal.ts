// The write-ahead journal of the embedded engine: what makes a group of commits durable is one piece of it, written in one
// place and flushed once. The tree (LMDB) takes the groups in a transaction that stays open for a while (lmdb-writer.ts);
// when that is on disk, the journal is written from its beginning again. After a crash its groups are done again.
//
// A group: magic, payload length, CRC-32 of sequence and payload, sequence number (8 bytes), payload; little-endian.
// Invariants: a group is on disk when `append` returns; sequence numbers rise by one, so what an earlier round left behind the
// last group is never taken for the next one; a group cut short by a crash does not check and ends the journal.
// When the disk fails, `append` throws and the group may or may not be there: `cancel` takes it back.

import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { crc32 } from 'node:zlib';
import { assert } from '../base/assert.ts';
import { Fault } from '../base/fault.ts';

const magic = 0x4c4a6b52; // 'RkJL'
const headerBytes = 20;
/** The file grows in pieces of zeros: a write into a file that need not grow costs half the flush. */
const growthBytes = 512 * 1024;
/** What a very large group made of the file is given back. */
const keptBytes = 16 * 1024 * 1024;
/** Much above the largest group: batches are bounded by batch-limits.ts. */
const payloadBytesMax = 1024 * 1024 * 1024;

/** A file that was just made is durable when its directory is. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export class Journal {
  readonly #descriptor: number;
  #size: number;
  #position = 0;
  #lastPosition = 0;
  /** Of the last group that was appended or found. */
  #sequence = 0;

  /** Makes the file when it is missing; its directory is the caller's to sync. */
  constructor(path: string) {
    // O_DSYNC: a write returns when it is on disk, which saves the call that flushes it.
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  /** Of the last group. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Hands over the groups behind `after`, in order; to be run once, before the first append. They stay until `startOver`.
   * Throws Fault when the first of them is missing: then the tree is older than the journal, which no crash makes.
   */
  recover(after: number, redo: (payload: Buffer) => void): void {
    this.#sequence = after;
    for (const { sequence, payload } of this.#groups()) {
      if (sequence <= this.#sequence) continue;
      if (sequence !== this.#sequence + 1) {
        const missing = `${this.#sequence + 1} to ${sequence - 1}`;
        throw new Fault(`the journal lacks groups ${missing}: the store is damaged`, { temporary: false });
      }
      redo(payload);
      this.#sequence = sequence;
    }
  }

  /** Everything so far is on disk elsewhere: the next group is written at the beginning. */
  startOver(): void {
    this.#position = 0;
    if (this.#size <= keptBytes) return;
    ftruncateSync(this.#descriptor, keptBytes);
    this.#size = keptBytes;
  }

  /** Writes the next group and flushes it. */
  append(pieces: readonly Buffer[]): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    assert(length <= payloadBytesMax, `a group of ${length} bytes`);
    const header = Buffer.allocUnsafe(headerBytes);
    header.writeUInt32LE(magic, 0);
    header.writeUInt32LE(length, 4);
    header.writeBigUInt64LE(BigInt(this.#sequence + 1), 12);
    let checksum = crc32(header.subarray(12));
    for (const piece of pieces) checksum = crc32(piece, checksum);
    header.writeUInt32LE(checksum, 8);
    this.#lastPosition = this.#position;
    this.#write([header, ...pieces], headerBytes + length);
    this.#sequence++;
  }

  /** Takes back the last append, or one that threw, so that no recovery finds it; it is the last call. Throws when the disk does not take that. */
  cancel(): void {
    writeSync(this.#descriptor, Buffer.alloc(headerBytes), 0, headerBytes, this.#lastPosition);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #write(pieces: readonly Buffer[], length: number): void {
    if (this.#position + length > this.#size) this.#grow(this.#position + length);
    let written = writevSync(this.#descriptor, pieces, this.#position);
    if (written < length) {
      // A write may be cut short by a disk that is full; the next one then says so.
      const whole = Buffer.concat(pieces);
      while (written < length)
        written += writeSync(this.#descriptor, whole, written, length - written, this.#position + written);
    }
    this.#position += length;
  }

  #grow(wanted: number): void {
    const zeros = Buffer.alloc(growthBytes);
    while (this.#size < wanted) this.#size += writeSync(this.#descriptor, zeros, 0, growthBytes, this.#size);
  }

  /** From the file's beginning to the first that does not follow or does not check. */
  *#groups(): Generator<{ readonly sequence: number; readonly payload: Buffer }> {
    let position = 0;
    let previous: number | undefined;
    for (;;) {
      const header = this.#read(position, headerBytes);
      if (header === undefined || header.readUInt32LE(0) !== magic) return;
      const length = header.readUInt32LE(4);
      const sequence = Number(header.readBigUInt64LE(12));
      if (length > payloadBytesMax || (previous !== undefined && sequence !== previous + 1)) return;
      const payload = this.#read(position + headerBytes, length);
      if (payload === undefined) return;
      if (crc32(payload, crc32(header.subarray(12))) !== header.readUInt32LE(8)) return;
      yield { sequence, payload };
      previous = sequence;
      position += headerBytes + length;
    }
  }

  #read(position: number, length: number): Buffer | undefined {
    if (position + length > this.#size) return undefined;
    const bytes = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#descriptor, bytes, done, length - done, position + done);
      if (count === 0) return undefined;
      done += count;
    }
    return bytes;
  }
}
