// Header text for people: RFC 2047 encoded words in all their broken forms, and raw 8-bit (RFC 6532 or older lies).
//
// Never fails, and takes linear time: what is no encoded word stays as it is.

import { decodeCharset, decodeGuessed } from './charset.ts';

interface EncodedWord {
  readonly charset: string;
  /** 'b' or 'q'. */
  readonly encoding: string;
  readonly text: string;
  readonly end: number;
}

/** A charset name with its language (RFC 2231 5); longer ones are no encoded word. */
const charsetLengthMax = 100;

/** Decodes an unfolded header value given as latin1 (one character a byte). */
export function decodeHeaderText(raw: string): string {
  const firstWord = raw.indexOf('=?');
  if (firstWord === -1) return decodeRaw(raw);
  let result = '';
  let from = 0;
  let start = firstWord;
  let previous: { charset: string; bytes: Buffer[] } | undefined;
  // When one search for the end of a word found nothing, none later will: that keeps this linear.
  while (start !== -1) {
    const word = encodedWordAt(raw, start);
    if (word === 'none follow') break;
    if (word === undefined) {
      start = raw.indexOf('=?', start + 2);
      continue;
    }
    const between = raw.slice(from, start);
    const bytes = word.encoding === 'b' ? decodeB(word.text) : decodeQ(word.text);
    // White space between encoded words is dropped (RFC 2047 6.2), and a character may be cut in two by them.
    if (previous !== undefined && between.trim() === '' && previous.charset === word.charset) {
      previous.bytes.push(bytes);
    } else {
      if (previous !== undefined) result += flushed(previous);
      if (previous === undefined || between.trim() !== '') result += decodeRaw(between);
      previous = { charset: word.charset, bytes: [bytes] };
    }
    from = word.end;
    start = raw.indexOf('=?', from);
  }
  if (previous !== undefined) result += flushed(previous);
  return result + decodeRaw(raw.slice(from));
}

function flushed(pending: { charset: string; bytes: Buffer[] }): string {
  const bytes = pending.bytes.length === 1 ? pending.bytes[0]! : Buffer.concat(pending.bytes);
  return decodeCharset(bytes, pending.charset);
}

/** The word at `=?`; undefined when it is none. White space within the text is tolerated. */
function encodedWordAt(raw: string, start: number): EncodedWord | 'none follow' | undefined {
  const charsetEnd = raw.indexOf('?', start + 2);
  if (charsetEnd === -1) return 'none follow';
  if (charsetEnd - start > charsetLengthMax || raw.charCodeAt(charsetEnd + 2) !== 63) return undefined;
  const encoding = raw[charsetEnd + 1]!.toLowerCase();
  if (encoding !== 'b' && encoding !== 'q') return undefined;
  const charset = raw.slice(start + 2, charsetEnd);
  if (/[\s<>@,;:"()]/.test(charset)) return undefined;
  const textStart = charsetEnd + 3;
  const textEnd = raw.indexOf('?=', textStart);
  if (textEnd === -1) return 'none follow';
  const language = charset.indexOf('*');
  return {
    charset: (language === -1 ? charset : charset.slice(0, language)).toLowerCase(),
    encoding,
    text: raw.slice(textStart, textEnd),
    end: textEnd + 2,
  };
}

/** Padding may be missing or stand in the middle (two words glued together by a careless encoder). */
function decodeB(text: string): Buffer {
  const padding = text.indexOf('=');
  if (padding === -1 || /^[=\s]*$/.test(text.slice(padding))) return Buffer.from(text, 'base64');
  return Buffer.concat(text.split(/=+/).map((piece) => Buffer.from(piece, 'base64')));
}

function decodeQ(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  let length = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!;
    if (byte === 95) bytes[length++] = 32;
    else if (byte === 61) {
      const high = hexDigit(bytes[index + 1]);
      const low = hexDigit(bytes[index + 2]);
      if (high < 0 || low < 0) bytes[length++] = byte;
      else {
        bytes[length++] = high * 16 + low;
        index += 2;
      }
    } else bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

/** The value of a hexadecimal digit's character code; -1 when it is none. */
export function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function decodeRaw(raw: string): string {
  for (let index = 0; index < raw.length; index++) {
    if (raw.charCodeAt(index) > 127) return decodeGuessed(Buffer.from(raw, 'latin1'));
  }
  return raw;
}
