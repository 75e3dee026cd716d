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

/**
 * The labels of the web's encodings (WHATWG Encoding 4.2) that mail uses, first the one TextDecoder is asked for. A table, because
 * asking TextDecoder for what it does not know costs an exception, and a header can hold thousands of such names.
 */
const webEncodings = [
  'ibm866 866 cp866 csibm866',
  'iso-8859-2 csisolatin2 iso-ir-101 iso88592 iso_8859-2:1987 l2 latin2 latin-2',
  'iso-8859-3 csisolatin3 iso-ir-109 iso88593 l3 latin3',
  'iso-8859-4 csisolatin4 iso-ir-110 iso88594 l4 latin4',
  'iso-8859-5 csisolatincyrillic cyrillic iso-ir-144 iso88595',
  'iso-8859-6 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127',
  'iso-8859-7 csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 sun_eu_greek',
  'iso-8859-8 csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 visual',
  'iso-8859-8-i csiso88598i logical',
  'iso-8859-10 csisolatin6 iso-ir-157 l6 latin6',
  'iso-8859-13',
  'iso-8859-14',
  'iso-8859-15 csisolatin9 l9 latin9 latin-9',
  'iso-8859-16',
  'koi8-r cskoi8r koi koi8 koi8_r',
  'koi8-u koi8-ru',
  'macintosh csmacintosh mac x-mac-roman',
  'windows-874 dos-874 iso-8859-11 tis-620',
  'windows-1250 x-cp1250',
  'windows-1251 x-cp1251',
  'windows-1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso88591 l1 latin1 x-cp1252',
  'windows-1253 x-cp1253',
  'windows-1254 csisolatin5 iso-8859-9 iso-ir-148 iso88599 l5 latin5 x-cp1254',
  'windows-1255 x-cp1255',
  'windows-1256 x-cp1256',
  'windows-1257 x-cp1257',
  'windows-1258 x-cp1258',
  'x-mac-cyrillic x-mac-ukrainian',
  'gbk chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk',
  'gb18030',
  'big5 big5-hkscs cn-big5 csbig5 x-x-big5',
  'euc-jp cseucpkdfmtjapanese x-euc-jp',
  'iso-2022-jp csiso2022jp',
  'shift_jis csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis',
  'euc-kr cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949',
  'utf-16le',
  'utf-16be',
];
const encodingByLabel = new Map(
  webEncodings.flatMap((line) => {
    const labels = line.split(' ');
    return labels.map((label) => [label, labels[0]!] as const);
  }),
);

/** What iconv-lite adds. Its base64, hex and the like are for JavaScript strings, not charsets. */
const iconvLabels = new Set(
  (
    'utf-7 utf-7-imap utf-32 utf-32le utf-32be cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862 ' +
    'cp863 cp864 cp865 cp869 cp1125 cp1133 ibm437 ibm850 maccroatian maccyrillic macgreek maciceland macroman macromania macthai ' +
    'macturkish macukraine maccenteuro koi8-t armscii-8 rk1048 tcvn georgianacademy georgianps pt154 viscii hproman8'
  ).split(' '),
);

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
  const encoding = encodingByLabel.get(label);
  if (encoding !== undefined) return new TextDecoder(encoding).decode(buffer);
  if (iconvLabels.has(label)) return iconv.decode(buffer, label);
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
