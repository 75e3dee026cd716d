// Order-preserving tuple encoding: comparing two encodings byte by byte gives the order of the tuples, element
// by element. Strings are UTF-8 with 0x00 escaped, numbers are unsigned integers of 0..2^53-1 in 1 + n bytes.
// A tuple's encoding is a prefix of the encodings of all tuples that start with it: ranges follow from that.

import { assert } from '../base/assert.ts';
import type { Bytes, Range } from './engine.ts';

export type TupleElement = string | number | Uint8Array;

const tagBytes = 0x01;
const tagString = 0x02;
const tagNumber = 0x10; // 0x10 + length of the big-endian number: 0x10 (zero) .. 0x17
const terminator = 0x00;
const escaped = 0xff; // 0x00 inside is written 0x00 0xff, so the terminator 0x00 sorts before any continuation

function numberLength(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, `tuple number out of range: ${value}`);
  let length = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) length++;
  return length;
}

function escapedLength(bytes: Uint8Array): number {
  let zeros = 0;
  for (const byte of bytes) if (byte === 0) zeros++;
  return bytes.length + zeros;
}

function writeEscaped(target: Buffer, at: number, bytes: Uint8Array): number {
  let position = at;
  for (const byte of bytes) {
    target[position++] = byte;
    if (byte === 0) target[position++] = escaped;
  }
  target[position++] = terminator;
  return position;
}

/** Encodes a tuple; the result is its own buffer. */
export function encodeTuple(elements: readonly TupleElement[]): Buffer {
  let length = 0;
  const encoded: (number | Uint8Array)[] = [];
  for (const element of elements) {
    if (typeof element === 'number') {
      encoded.push(element);
      length += 1 + numberLength(element);
    } else {
      const bytes = typeof element === 'string' ? Buffer.from(element, 'utf8') : element;
      encoded.push(bytes);
      length += 2 + escapedLength(bytes);
    }
  }
  const target = Buffer.allocUnsafe(length);
  let position = 0;
  for (let index = 0; index < encoded.length; index++) {
    const element = encoded[index]!;
    if (typeof element === 'number') {
      const size = numberLength(element);
      target[position++] = tagNumber + size;
      if (size > 0)
        target.writeUIntBE(element % 2 ** 48, position + Math.max(0, size - 6), Math.min(size, 6));
      if (size === 7) target[position] = Math.floor(element / 2 ** 48);
      position += size;
    } else {
      target[position++] = typeof elements[index] === 'string' ? tagString : tagBytes;
      position = writeEscaped(target, position, element);
    }
  }
  return target;
}

/** Decodes what encodeTuple wrote; fails an assertion on anything else. */
export function decodeTuple(bytes: Uint8Array): TupleElement[] {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const elements: TupleElement[] = [];
  let position = 0;
  while (position < source.length) {
    const tag = source[position++]!;
    if (tag >= tagNumber && tag <= tagNumber + 7) {
      const size = tag - tagNumber;
      assert(position + size <= source.length, 'tuple number cut short');
      let value = 0;
      for (let index = 0; index < size; index++) value = value * 256 + source[position + index]!;
      elements.push(value);
      position += size;
      continue;
    }
    assert(tag === tagString || tag === tagBytes, `unknown tuple tag ${tag}`);
    const plain: number[] = [];
    for (;;) {
      const byte = source[position++];
      assert(byte !== undefined, 'tuple string cut short');
      if (byte === terminator && source[position] !== escaped) break;
      if (byte === terminator) position++;
      plain.push(byte);
    }
    const content = Buffer.from(plain);
    elements.push(tag === tagString ? content.toString('utf8') : content);
  }
  return elements;
}

/**
 * All keys whose tuple starts with `elements` (and, for a whole key, that key itself). What follows a whole element is a
 * tag, and no tag is 0xff; 0xff goes on with an element that had only seemed to end (`a` beside `a\0b`), so it is left out.
 */
export function tuplePrefixRange(elements: readonly TupleElement[]): Range & { start: Bytes; end: Bytes } {
  const start = encodeTuple(elements);
  return { start, end: Buffer.concat([start, Buffer.of(escaped)]) };
}

/** The smallest key that is greater than every key starting with `prefix`. */
export function successorOfPrefix(prefix: Uint8Array): Bytes {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  assert(length > 0, 'no key is greater than all keys');
  const end = Buffer.from(prefix.subarray(0, length));
  end[length - 1] = end[length - 1]! + 1;
  return end;
}
