// One file of the journal: groups of commits, one behind the other from the file's beginning.
//
// A group: magic, payload length, CRC-32 of sequence and payload, sequence number (8 bytes), payload; little-endian.
// Invariants: a group is on disk when `append` returns; sequence numbers rise by one, so what an earlier round left behind the
// last group is never taken for the next one; a group cut short by a crash does not check and ends the file's groups.
// When the disk fails, `append` throws and the group may or may not be there: `cancel` takes it back.

import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';

const magic = 0x4c4a6b52; // 'RkJL'
const headerBytes = 20;
/** The file grows in pieces of zeros: a write into a file that need not grow costs half the flush. */
const growthBytes = 512 * 1024;
/** What a very large group made of the file is given back. */
const keptBytes = 16 * 1024 * 1024;
/** Much above the largest group: batches are bounded by batch-limits.ts. */
const payloadBytesMax = 1024 * 1024 * 1024;

/** Where a group's payload is in its file. */
export interface PayloadPlace {
  readonly position: number;
  readonly length: number;
}

export interface FoundGroup extends PayloadPlace {
  readonly sequence: number;
}

/** Fills `target` from the position; false: the file ends before. */
export function readFully(descriptor: number, target: Uint8Array, position: number): boolean {
  let done = 0;
  while (done < target.length) {
    const count = readSync(descriptor, target, done, target.length - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

export class JournalFile {
  readonly #descriptor: number;
  #size: number;
  #position = 0;
  #lastPosition = 0;

  /** Makes the file when it is missing; its directory is the caller's to sync. */
  constructor(path: string) {
    // O_DSYNC: a write returns when it is on disk, which saves the call that flushes it.
    this.#descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o600);
    this.#size = fstatSync(this.#descriptor).size;
  }

  /** Writes a group and flushes it. */
  append(sequence: number, pieces: readonly Buffer[]): PayloadPlace {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    assert(length <= payloadBytesMax, `a group of ${length} bytes`);
    const header = Buffer.allocUnsafe(headerBytes);
    header.writeUInt32LE(magic, 0);
    header.writeUInt32LE(length, 4);
    header.writeBigUInt64LE(BigInt(sequence), 12);
    let checksum = crc32(header.subarray(12));
    for (const piece of pieces) checksum = crc32(piece, checksum);
    header.writeUInt32LE(checksum, 8);
    this.#lastPosition = this.#position;
    this.#write([header, ...pieces], headerBytes + length);
    return { position: this.#lastPosition + headerBytes, length };
  }

  /** Takes back the last append, or one that threw, so that no recovery finds it; it is the last call. Throws when the disk does not take that. */
  cancel(): void {
    writeSync(this.#descriptor, Buffer.alloc(headerBytes), 0, headerBytes, this.#lastPosition);
  }

  /** The next group is written at the beginning. */
  startOver(): void {
    this.#position = 0;
    if (this.#size <= keptBytes) return;
    ftruncateSync(this.#descriptor, keptBytes);
    this.#size = keptBytes;
  }

  /** Those from the file's beginning to the first that does not follow or does not check. */
  *groups(): Generator<FoundGroup> {
    const header = Buffer.alloc(headerBytes);
    let position = 0;
    let previous: number | undefined;
    while (this.#fill(header, position) && header.readUInt32LE(0) === magic) {
      const length = header.readUInt32LE(4);
      const sequence = Number(header.readBigUInt64LE(12));
      if (length > payloadBytesMax || (previous !== undefined && sequence !== previous + 1)) return;
      if (position + headerBytes + length > this.#size) return;
      const payload = Buffer.allocUnsafeSlow(length);
      if (!this.#fill(payload, position + headerBytes)) return;
      if (crc32(payload, crc32(header.subarray(12))) !== header.readUInt32LE(8)) return;
      yield { sequence, position: position + headerBytes, length };
      previous = sequence;
      position += headerBytes + length;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #fill(target: Buffer, position: number): boolean {
    return readFully(this.#descriptor, target, position);
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
}
