// Content-Transfer-Encoding undone (RFC 2045 6): base64, quoted-printable, uuencode, and the three that change
// nothing. Tolerant: bytes outside the alphabet are passed over, padding may be missing or in the middle, broken
// quoted-printable stands for itself. Never fails; memory is bounded by the output limit and one chunk.

import { finishAtOnce } from '../base/slicer.ts';
import { hexDigit } from './encoded-word.ts';

const encodedNames = new Set(['base64', 'quoted-printable', 'x-uuencode', 'uuencode', 'x-uue', 'uue']);

/** True when the body is stored as it is meant: 7bit, 8bit, binary, and names that nobody knows. */
export function isIdentityEncoding(encoding: string): boolean {
  return !encodedNames.has(encoding);
}

/** Takes a body in chunks of any size and gives what is decoded so far. Use one for one body. */
export interface TransferDecoder {
  push(chunk: Uint8Array): Buffer;
  /** What was held back. */
  end(): Buffer;
}

/** `encoding` in lower case, as MessagePart has it. */
export function transferDecoder(encoding: string): TransferDecoder {
  if (encoding === 'base64') return new Base64Decoder();
  if (encoding === 'quoted-printable') return new QuotedPrintableDecoder();
  if (isIdentityEncoding(encoding)) return identityDecoder;
  return new UuDecoder();
}

const decodeChunkBytes = 16 * 1024;

/** Decodes `bytes` at once, up to about `outputBytesMax` bytes of output (never more). */
export function decodeTransfer(bytes: Buffer, encoding: string, outputBytesMax: number): Buffer {
  return finishAtOnce(decodeTransferSteps(bytes, encoding, outputBytesMax));
}

/** The same in steps of 16 KiB. */
export function* decodeTransferSteps(
  bytes: Buffer,
  encoding: string,
  outputBytesMax: number,
): Generator<undefined, Buffer, void> {
  if (isIdentityEncoding(encoding)) return bytes.subarray(0, outputBytesMax);
  const decoder = transferDecoder(encoding);
  const pieces: Buffer[] = [];
  let length = 0;
  for (let start = 0; start < bytes.length && length < outputBytesMax; start += decodeChunkBytes) {
    const piece = decoder.push(bytes.subarray(start, start + decodeChunkBytes));
    length += piece.length;
    pieces.push(piece);
    if (start + decodeChunkBytes < bytes.length) yield undefined;
  }
  pieces.push(decoder.end());
  const decoded = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  return decoded.subarray(0, outputBytesMax);
}

const identityDecoder: TransferDecoder = {
  push: (chunk) => Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
  end: () => Buffer.alloc(0),
};

const equals = 61;
const space = 32;
const tab = 9;
const lineFeed = 10;
const carriageReturn = 13;

/** Value of each base64 character, -1 for all others; both alphabets of RFC 4648. */
const base64Values = base64Table();

function base64Table(): Int8Array {
  const table = new Int8Array(256).fill(-1);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  for (let value = 0; value < alphabet.length; value++) table[alphabet.charCodeAt(value)] = value;
  table[45] = 62;
  table[95] = 63;
  return table;
}

class Base64Decoder implements TransferDecoder {
  #bits = 0;
  #characters = 0;

  push(chunk: Uint8Array): Buffer {
    const output = Buffer.allocUnsafe(Math.ceil((chunk.length + 4) / 4) * 3);
    let length = 0;
    let bits = this.#bits;
    let characters = this.#characters;
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index]!;
      const value = base64Values[byte]!;
      if (value >= 0) {
        bits = (bits << 6) | value;
        if (++characters === 4) {
          output[length] = bits >> 16;
          output[length + 1] = bits >> 8;
          output[length + 2] = bits;
          length += 3;
          characters = 0;
          bits = 0;
        }
      } else if (byte === equals && characters > 0) {
        // Padding, at the end or where two encodings were joined.
        length += writeRest(output, length, bits, characters);
        characters = 0;
        bits = 0;
      }
    }
    this.#bits = bits;
    this.#characters = characters;
    return output.subarray(0, length);
  }

  end(): Buffer {
    const output = Buffer.alloc(2);
    return output.subarray(0, writeRest(output, 0, this.#bits, this.#characters));
  }
}

/** One or two bytes out of two or three characters. */
function writeRest(output: Buffer, at: number, bits: number, characters: number): number {
  if (characters < 2) return 0;
  if (characters === 2) {
    output[at] = bits >> 4;
    return 1;
  }
  output[at] = bits >> 10;
  output[at + 1] = bits >> 2;
  return 2;
}

/** White space before a line end is dropped (RFC 2045 6.7 rule 3) unless there is more of it than a line may hold. */
const heldBackMax = 1000;

class QuotedPrintableDecoder implements TransferDecoder {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Buffer {
    const input = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const cut = input.length - undecidedLength(input);
    this.#held = Buffer.from(input.subarray(cut));
    return decodeQuotedPrintable(input, cut);
  }

  end(): Buffer {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return decodeQuotedPrintable(rest, rest.length);
  }
}

/** Bytes at the end whose meaning depends on what follows: "=", "=4", "= \r", white space. */
function undecidedLength(input: Uint8Array): number {
  let index = input.length;
  const limit = Math.max(0, input.length - heldBackMax);
  if (index > limit && input[index - 1] === carriageReturn) index--;
  while (index > limit && (input[index - 1] === space || input[index - 1] === tab)) index--;
  if (index > 0 && input[index - 1] === equals) return input.length - index + 1;
  if (index === input.length && index > 1 && input[index - 2] === equals) return 2;
  return input.length - index;
}

/** Decodes what lies before `end`; what an "=" there means may depend on the bytes after it. */
function decodeQuotedPrintable(input: Uint8Array, end: number): Buffer {
  const output = Buffer.allocUnsafe(end);
  let length = 0;
  /** After the last output byte that is no white space of the source. */
  let solid = 0;
  for (let index = 0; index < end; index++) {
    const byte = input[index]!;
    if (byte === equals) {
      const high = hexDigit(input[index + 1]);
      const low = hexDigit(input[index + 2]);
      if (high >= 0 && low >= 0) {
        output[length++] = high * 16 + low;
        index += 2;
      } else {
        const next = afterSoftBreak(input, index + 1);
        if (next === -1) output[length++] = byte;
        else index = next - 1;
      }
      solid = length;
    } else if (byte === lineFeed) {
      const withReturn = index > 0 && input[index - 1] === carriageReturn;
      length = solid;
      if (withReturn) output[length++] = carriageReturn;
      output[length++] = byte;
      solid = length;
    } else {
      output[length++] = byte;
      if (byte !== space && byte !== tab && !(byte === carriageReturn && input[index + 1] === lineFeed))
        solid = length;
    }
  }
  return output.subarray(0, length);
}

/** Where the text goes on after `=` and a line break (white space between them tolerated); -1 when it is none. */
function afterSoftBreak(input: Uint8Array, from: number): number {
  let index = from;
  while (index < input.length && (input[index] === space || input[index] === tab)) index++;
  // A body that ends in "=" was cut at a soft break.
  if (index >= input.length) return index;
  if (input[index] === lineFeed) return index + 1;
  return input[index] === carriageReturn && input[index + 1] === lineFeed ? index + 2 : -1;
}

/** A line of uuencode has 61 characters and a length byte; what is longer is no such line. */
const uuLineBytesMax = 1000;

class UuDecoder implements TransferDecoder {
  #line: Buffer = Buffer.alloc(0);
  #state: 'before' | 'within' | 'after' = 'before';

  push(chunk: Uint8Array): Buffer {
    const input = Buffer.concat([this.#line, chunk]);
    const pieces: Buffer[] = [];
    let start = 0;
    for (let next = input.indexOf(lineFeed); next !== -1; next = input.indexOf(lineFeed, start)) {
      this.#take(input.subarray(start, next), pieces);
      start = next + 1;
    }
    // Of an overlong line only the beginning matters: it decides that this is no data.
    this.#line = Buffer.from(input.subarray(start, start + uuLineBytesMax));
    return Buffer.concat(pieces);
  }

  end(): Buffer {
    const pieces: Buffer[] = [];
    this.#take(this.#line, pieces);
    this.#line = Buffer.alloc(0);
    return Buffer.concat(pieces);
  }

  #take(line: Buffer, pieces: Buffer[]): void {
    if (this.#state === 'after') return;
    if (this.#state === 'before') {
      if (/^begin(?:-base64)? [0-7]{3,4} /.test(line.toString('latin1', 0, 20))) this.#state = 'within';
      return;
    }
    if (line.toString('latin1', 0, 4).trimEnd() === 'end') this.#state = 'after';
    else pieces.push(decodeUuLine(line));
  }
}

function decodeUuLine(line: Buffer): Buffer {
  const claimed = line.length === 0 ? 0 : (line[0]! - 32) & 63;
  if (claimed === 0 || line.length > uuLineBytesMax) return Buffer.alloc(0);
  const output = Buffer.alloc(claimed + 3);
  let length = 0;
  for (let index = 1; length < claimed; index += 4) {
    // Spaces at the end of a line get lost on the way; they mean 0.
    const bits =
      (uuValue(line, index) << 18) |
      (uuValue(line, index + 1) << 12) |
      (uuValue(line, index + 2) << 6) |
      uuValue(line, index + 3);
    output[length] = bits >> 16;
    output[length + 1] = bits >> 8;
    output[length + 2] = bits;
    length += 3;
  }
  return output.subarray(0, claimed);
}

function uuValue(line: Buffer, index: number): number {
  const byte = line[index];
  return byte === undefined || byte === carriageReturn ? 0 : (byte - 32) & 63;
}
