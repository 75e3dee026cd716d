// Header blocks over the bytes of a message: where each field starts and ends, nothing decoded.
//
// Invariant: the fields cover the block without gap or overlap, from its start to the blank line that ends it. A line
// that is no field (no colon, a "From " line of an mbox) is a field without a name, so that what was received is
// given back. Never fails: a block without end goes to where its text stops looking like a header, or to `end`.

import { asBuffer } from './bytes.ts';

/** More fields than any real message has; the rest of the block stays one nameless field. Bounds memory. */
export const headerFieldsMax = 10_000;
/**
 * Bytes of one header block; the rest of a longer one is body. Far above real headers (which servers cut at some
 * 100 KB), low enough for one scan to be over in milliseconds.
 */
export const headerBytesMax = 1024 * 1024;

const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const tab = 9;
const colon = 58;

/** Four numbers a field in `offsets`: nameStart, nameEnd (the same when it has no name), valueStart, end. */
export interface HeaderBlock {
  readonly offsets: Int32Array;
  readonly count: number;
  readonly start: number;
  /** After the last field, before the blank line. */
  readonly fieldsEnd: number;
  /** After the blank line: where the body starts. */
  readonly end: number;
  /** Bytes looked at; more than the block when its end had to be guessed. */
  readonly scanned: number;
}

export const offsetsPerField = 4;

/** Asked at each line that starts with "--": true when the line is a boundary and so ends the block. */
export interface HeaderEnd {
  endsAt(lineStart: number): boolean;
}

export interface HeaderScanOptions {
  readonly fieldsMax?: number;
  readonly bytesMax?: number;
  readonly end?: HeaderEnd | undefined;
}

/** Scans the header block that starts at `start` and goes no further than `end`. */
export function headerFields(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  options: HeaderScanOptions = {},
): HeaderBlock {
  return new HeaderScanner(asBuffer(bytes), start, end, options).scan();
}

class HeaderScanner {
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #end: number;
  readonly #fieldsMax: number;
  readonly #headerEnd: HeaderEnd | undefined;
  #offsets = new Int32Array(32 * offsetsPerField);
  #count = 0;
  /** The first line that is no field and no continuation, and how many fields came before it. */
  #strangerStart = -1;
  #strangerIndex = 0;
  /** The line before is a continuation of nothing but white space. */
  #afterBlank = false;

  constructor(bytes: Buffer, start: number, end: number, options: HeaderScanOptions) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = Math.min(end, start + (options.bytesMax ?? headerBytesMax));
    this.#fieldsMax = options.fieldsMax ?? headerFieldsMax;
    this.#headerEnd = options.end;
  }

  scan(): HeaderBlock {
    const bytes = this.#bytes;
    const end = this.#end;
    let position = this.#start;
    while (position < end) {
      const first = bytes[position]!;
      if (first === lineFeed) return this.#block(position, position + 1);
      if (first === carriageReturn && position + 1 < end && bytes[position + 1] === lineFeed)
        return this.#block(position, position + 2);
      if (first === 45 && bytes[position + 1] === 45 && this.#headerEnd?.endsAt(position) === true) break;
      const next = this.#lineEnd(position);
      if ((first === space || first === tab) && this.#count > 0) {
        this.#offsets[this.#count * offsetsPerField - 1] = next;
        this.#afterBlank = isBlankLine(bytes, position, next);
      } else if (!this.#field(position, next)) return this.#block(position, position);
      else this.#afterBlank = false;
      position = next;
    }
    return this.#withoutBlankLine(position);
  }

  #lineEnd(position: number): number {
    const found = this.#bytes.indexOf(lineFeed, position);
    return found === -1 || found >= this.#end ? this.#end : found + 1;
  }

  /** Takes the line as a field or as a stranger; false when the block has no header at all and this is its body. */
  #field(position: number, next: number): boolean {
    const nameEnd = fieldNameEnd(this.#bytes, position, next);
    if (nameEnd > position) {
      this.#push(position, nameEnd, valueStartAfter(this.#bytes, nameEnd), next);
      return true;
    }
    if (isMailboxFromLine(this.#bytes, position)) {
      this.#push(position, position, position, next);
      return true;
    }
    // " \r\n" can be an obsolete folding (RFC 5322 4.2) or a blank line gone wrong; what follows tells.
    if (this.#afterBlank) return false;
    // A first line that is no field: garbage before the header when a field follows, else a body without header.
    if (this.#count === 0 && fieldNameEnd(this.#bytes, next, this.#lineEnd(next)) <= next) return false;
    // Beyond the limit fields are no longer told apart, and so the body can't be cut off any more.
    if (this.#strangerStart === -1 && this.#count < this.#fieldsMax) {
      this.#strangerStart = position;
      this.#strangerIndex = this.#count;
    }
    this.#push(position, position, position, next);
    return true;
  }

  #push(nameStart: number, nameEnd: number, valueStart: number, end: number): void {
    let base = this.#count * offsetsPerField;
    if (this.#count >= this.#fieldsMax) {
      // One nameless field swallows the rest.
      base -= offsetsPerField;
      this.#offsets[base + 1] = this.#offsets[base]!;
      this.#offsets[base + 2] = this.#offsets[base]!;
      this.#offsets[base + 3] = end;
      return;
    }
    if (base === this.#offsets.length) {
      const larger = new Int32Array(this.#offsets.length * 2);
      larger.set(this.#offsets);
      this.#offsets = larger;
    }
    this.#offsets[base] = nameStart;
    this.#offsets[base + 1] = nameEnd;
    this.#offsets[base + 2] = valueStart;
    this.#offsets[base + 3] = end;
    this.#count++;
  }

  /** No blank line before the end: the text from the first line that is no field is taken for the body. */
  #withoutBlankLine(position: number): HeaderBlock {
    if (this.#strangerStart === -1 || this.#strangerIndex === 0) return this.#block(position, position);
    this.#count = this.#strangerIndex;
    return this.#block(this.#strangerStart, this.#strangerStart, position);
  }

  #block(fieldsEnd: number, end: number, scannedTo = end): HeaderBlock {
    return {
      offsets: this.#offsets.subarray(0, this.#count * offsetsPerField),
      count: this.#count,
      start: this.#start,
      fieldsEnd,
      end,
      scanned: scannedTo - this.#start,
    };
  }
}

/** Where the name ends when the line is `name *WSP ":"` (RFC 5322 4.5), else `position`. */
function fieldNameEnd(bytes: Buffer, position: number, end: number): number {
  let index = position;
  while (index < end) {
    const byte = bytes[index]!;
    if (byte <= space || byte >= 127 || byte === colon) break;
    index++;
  }
  const nameEnd = index;
  while (index < end && (bytes[index] === space || bytes[index] === tab)) index++;
  return index < end && bytes[index] === colon ? nameEnd : position;
}

function isBlankLine(bytes: Buffer, start: number, end: number): boolean {
  let index = start;
  while (index < end && bytes[index]! <= space) index++;
  return index === end;
}

function valueStartAfter(bytes: Buffer, nameEnd: number): number {
  let index = nameEnd;
  while (bytes[index] !== colon) index++;
  return index + 1;
}

/** "From " or ">From " (an mbox separator that came along). */
function isMailboxFromLine(bytes: Buffer, position: number): boolean {
  const at = bytes[position] === 62 ? position + 1 : position;
  return (
    bytes[at] === 70 &&
    bytes[at + 1] === 114 &&
    bytes[at + 2] === 111 &&
    bytes[at + 3] === 109 &&
    bytes[at + 4] === space
  );
}

/** The field's name in lower case; '' for a line that is no field. */
export function fieldName(bytes: Uint8Array, block: HeaderBlock, index: number): string {
  const base = index * offsetsPerField;
  return asBuffer(bytes)
    .toString('latin1', block.offsets[base], block.offsets[base + 1])
    .toLowerCase();
}

/** The field's value unfolded and trimmed, one character a byte. */
export function fieldValue(bytes: Uint8Array, block: HeaderBlock, index: number): string {
  const base = index * offsetsPerField;
  return unfold(asBuffer(bytes).toString('latin1', block.offsets[base + 2], block.offsets[base + 3]));
}

const lineBreaks = /\r?\n/g;

/** Takes the line breaks of a folded value out and trims white space (RFC 5322 2.2.3). */
export function unfold(raw: string): string {
  const trimmed = raw.trim();
  return trimmed.includes('\n') ? trimmed.replace(lineBreaks, '') : trimmed;
}

/** The index of the first field at or after `from` with that name (any letter case); -1 when there is none. */
export function findField(bytes: Uint8Array, block: HeaderBlock, name: string, from = 0): number {
  for (let index = from; index < block.count; index++) {
    if (isNamed(bytes, block, index, name)) return index;
  }
  return -1;
}

function isNamed(bytes: Uint8Array, { offsets }: HeaderBlock, index: number, name: string): boolean {
  const start = offsets[index * offsetsPerField]!;
  return offsets[index * offsetsPerField + 1]! - start === name.length && isFieldName(bytes, start, name);
}

/** The bytes from `start` on are this name, in any letter case. */
export function isFieldName(bytes: Uint8Array, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (lowerCase(bytes[start + at]!) !== lowerCase(name.charCodeAt(at))) return false;
  }
  return true;
}

function lowerCase(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** The unfolded values of all fields with that name, in order. */
export function fieldValues(bytes: Uint8Array, block: HeaderBlock, name: string): string[] {
  const values: string[] = [];
  for (
    let index = findField(bytes, block, name);
    index !== -1;
    index = findField(bytes, block, name, index + 1)
  )
    values.push(fieldValue(bytes, block, index));
  return values;
}
