// How a piece of the search index lies in one engine row: a checksum, then columns of bytes, each beginning at a multiple
// of eight, so that numbers are read in place. Numbers are little-endian, as all machines Rookery runs on have them.
// Damage: unpackColumns throws RecordDamaged; the index is derived data and is built again.

import { endianness } from 'node:os';
import { crc32 } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import { RecordDamaged } from '../../storage/record.ts';

/** Version 1 of these rows; a number of its own beside the kinds of record.ts, which have no columns. */
const magic = 0x31584452; // "RDX1"
const headBytes = 16;

assert(endianness() === 'LE', 'the search index is written little-endian');

const aligned = (length: number): number => (length + 7) & ~7;

export function packColumns(columns: readonly Uint8Array[]): Buffer {
  const directoryBytes = aligned(columns.length * 4);
  const total = columns.reduce((sum, column) => sum + aligned(column.length), headBytes + directoryBytes);
  const packed = Buffer.alloc(total);
  packed.writeUInt32LE(magic, 0);
  packed.writeUInt32LE(columns.length, 8);
  let position = headBytes + directoryBytes;
  for (const [index, column] of columns.entries()) {
    packed.writeUInt32LE(column.length, headBytes + index * 4);
    packed.set(column, position);
    position += aligned(column.length);
  }
  packed.writeUInt32LE(crc32(packed.subarray(8)), 4);
  return packed;
}

/** Views into the value, or into an aligned copy of it. Throws RecordDamaged. */
export function unpackColumns(value: Uint8Array): Buffer[] {
  const packed =
    value.byteOffset % 8 === 0
      ? Buffer.from(value.buffer, value.byteOffset, value.length)
      : Buffer.from(Uint8Array.from(value).buffer);
  if (packed.length < headBytes || packed.readUInt32LE(0) !== magic) {
    throw new RecordDamaged('a row of the search index is of unknown form');
  }
  if (crc32(packed.subarray(8)) !== packed.readUInt32LE(4)) {
    throw new RecordDamaged('a row of the search index fails its checksum');
  }
  const count = packed.readUInt32LE(8);
  let position = headBytes + aligned(count * 4);
  const columns: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const length = packed.readUInt32LE(headBytes + index * 4);
    columns.push(packed.subarray(position, position + length));
    position += aligned(length);
  }
  return columns;
}

export function bytesOf(numbers: Float64Array | Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

export function doublesOf(column: Buffer): Float64Array {
  return new Float64Array(column.buffer, column.byteOffset, column.length >>> 3);
}

export function uint32sOf(column: Buffer): Uint32Array {
  return new Uint32Array(column.buffer, column.byteOffset, column.length >>> 2);
}

export function int32sOf(column: Buffer): Int32Array {
  return new Int32Array(column.buffer, column.byteOffset, column.length >>> 2);
}

const beyondLatin1 = /[^\x00-\xff]/;

/** Text in one byte a character when it can be: the first byte says which. */
export function bytesOfText(text: string): Buffer {
  const isWide = beyondLatin1.test(text);
  const bytes = Buffer.allocUnsafe(1 + text.length * (isWide ? 2 : 1));
  bytes[0] = isWide ? 1 : 0;
  bytes.write(text, 1, isWide ? 'utf16le' : 'latin1');
  return bytes;
}

export function textOf(column: Buffer): string {
  return column.toString(column[0] === 1 ? 'utf16le' : 'latin1', 1);
}
