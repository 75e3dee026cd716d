// Bytes in any charset to text. The platform's TextDecoder knows the web's encodings, iconv-lite some more (UTF-7,
// code pages), and two shift encodings of old mail are brought to what those know.
//
// Never fails: an unknown charset and plain lies (8-bit in us-ascii) are read as UTF-8 when they are valid UTF-8
// and as windows-1252 when not.

import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import { asBuffer } from './bytes.ts';

/** Longer names are nonsense; they are not looked up. */
const labelLengthMax = 64;

/** Names that mail uses and TextDecoder does not know. */
const aliases = new Map<string, string>([
  ['utf8mb4', 'utf-8'],
  ['cp65001', 'utf-8'],
  ['utf-8-mac', 'utf-8'],
  ['latin-1', 'windows-1252'],
  ['iso8859-1', 'windows-1252'],
  ['cp1252', 'windows-1252'],
  ['gb18030-2000', 'gb18030'],
  ['cp936', 'gbk'],
  ['ms936', 'gbk'],
  ['cp932', 'shift_jis'],
  ['cp949', 'euc-kr'],
  ['ms949', 'euc-kr'],
  ['uhc', 'euc-kr'],
  ['cp950', 'big5'],
  ['big5-eten', 'big5'],
  ['iso-2022-jp-1', 'iso-2022-jp'],
  ['iso-2022-jp-2', 'iso-2022-jp'],
  ['iso-2022-jp-ms', 'iso-2022-jp'],
  ['cp50220', 'iso-2022-jp'],
  ['cp50221', 'iso-2022-jp'],
  ['unicode-1-1-utf-7', 'utf-7'],
]);

/** Names that say nothing about the bytes: they are guessed. */
const guessed = new Set([
  '',
  'us-ascii',
  'ascii',
  'ansi_x3.4-1968',
  'iso646-us',
  'unknown',
  'unknown-8bit',
  'x-unknown',
  'default',
  'default_charset',
  '8bit',
  '7bit',
  'binary',
  'none',
  'n/a',
]);

/** The text of bytes that claim to be in `charset` (any letter case). */
export function decodeCharset(bytes: Uint8Array, charset: string): string {
  const buffer = asBuffer(bytes);
  const label = normalLabel(charset);
  if (guessed.has(label)) return decodeGuessed(buffer);
  if (label === 'utf-8' || label === 'utf8') return decodeUtf8(buffer);
  if (label === 'utf-16') return decodeUtf16(buffer);
  if (label === 'iso-2022-kr')
    return new TextDecoder('euc-kr').decode(shiftedToHighBit(buffer, koreanShifts));
  if (label === 'hz-gb-2312') return new TextDecoder('gbk').decode(shiftedToHighBit(buffer, chineseShifts));
  const decoder = textDecoder(label);
  if (decoder !== undefined) return decoder.decode(buffer);
  // iconv-lite's base64 and hex "encodings" are for JavaScript strings, not charsets.
  if (!internalLabels.has(label) && iconv.encodingExists(label)) return iconv.decode(buffer, label);
  return decodeGuessed(buffer);
}

/** UTF-8 when the bytes are valid UTF-8, else windows-1252 (what raw 8-bit in old mail most often is). */
export function decodeGuessed(bytes: Uint8Array): string {
  const buffer = asBuffer(bytes);
  if (isAscii(buffer)) return buffer.toString('latin1');
  if (isUtf8(buffer)) return buffer.toString('utf8');
  return new TextDecoder('windows-1252').decode(buffer);
}

function decodeUtf8(buffer: Buffer): string {
  const marked = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf;
  return buffer.toString('utf8', marked ? 3 : 0);
}

/** RFC 2781 4.3: big-endian without a mark; but little-endian is what is sent, so the zero bytes decide. */
function decodeUtf16(buffer: Buffer): string {
  const marked = (buffer[0] === 0xfe && buffer[1] === 0xff) || (buffer[0] === 0xff && buffer[1] === 0xfe);
  const bigEndian = marked ? buffer[0] === 0xfe : buffer[0] === 0;
  return new TextDecoder(bigEndian ? 'utf-16be' : 'utf-16le').decode(buffer);
}

const internalLabels = new Set(['base64', 'hex', 'internal', 'cesu8', 'ucs2', 'utf16le', 'binary']);

function normalLabel(charset: string): string {
  if (charset.length > labelLengthMax) return '';
  const label = charset.toLowerCase().replace(/["'\s]/g, '');
  const known = aliases.get(label);
  if (known !== undefined) return known;
  // `windows1251`, `win-1251`, `iso8859_15`, `iso-8859-15-windows`
  const windows = /^(?:x-)?(?:windows|win|cp|ms)[-_]?(125\d|874)$/.exec(label);
  if (windows !== null) return `windows-${windows[1]}`;
  const iso = /^iso[-_]?8859[-_]?(\d{1,2})(?:[-_][a-z]+)?$/.exec(label);
  return iso === null ? label : `iso-8859-${iso[1]}`;
}

function textDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label);
  } catch (error) {
    // The only way to ask TextDecoder whether it knows a label.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Byte sequences that switch to two 7-bit bytes a character and back, and those that mean nothing. */
interface Shifts {
  readonly on: string;
  readonly off: string;
  readonly ignored: string;
}

/** RFC 1557: SO, SI, after a designator. */
const koreanShifts: Shifts = { on: '\x0e', off: '\x0f', ignored: '\x1b$)C' };
/** RFC 1843. */
const chineseShifts: Shifts = { on: '~{', off: '~}', ignored: '~\n' };

/** Sets the high bit of what stands between the shifts: ISO-2022-KR becomes EUC-KR, HZ becomes GB 2312. */
function shiftedToHighBit(bytes: Buffer, shifts: Shifts): Buffer {
  const result = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let shifted = false;
  for (let index = 0; index < bytes.length; ) {
    if (startsWithAt(bytes, index, shifts.ignored)) index += shifts.ignored.length;
    else if (startsWithAt(bytes, index, shifts.on)) {
      shifted = true;
      index += shifts.on.length;
    } else if (startsWithAt(bytes, index, shifts.off)) {
      shifted = false;
      index += shifts.off.length;
    } else {
      const byte = bytes[index++]!;
      result[length++] = shifted && byte > 32 ? byte | 0x80 : byte;
    }
  }
  return result.subarray(0, length);
}

function startsWithAt(bytes: Buffer, index: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[index + at] !== text.charCodeAt(at)) return false;
  return true;
}
