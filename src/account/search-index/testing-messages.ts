// Messages for tests that compare the search index with a scan: texts of many scripts and foldings in many encodings, each
// with what is known to be in it. The same for the same seed. Not part of the program.

import iconv from 'iconv-lite';
import type { Random } from '../../base/random.ts';

export interface MadeMessage {
  readonly bytes: Buffer;
  /** Pieces of them are looked for. */
  readonly texts: readonly string[];
  /** Those of them that are in the body just as they are: whoever looks for a piece of one must find it. */
  readonly plainTexts: readonly string[];
}

/** Of all that folds, joins and parts in its own way. */
const words = [
  ...'school schoolbook a I t the Invoice ünder_score 4711 3.14 1,000.00 10:30'.split(' '),
  ...'Straße STRASSE ſtraſſe İstanbul ıstanbul naïve e\u0301tude étude ﬁle Ⅷ ½ x²'.split(' '),
  ...'ΟΔΟΣ οδός Σ σς Привет ЁЖИК Ё שלום שָׁלוֹם مرحبا مُحَمَّد ﷺ हिन्दी नमस्ते'.split(' '),
  ...'東京都 東 京都 中文字符 日本語テキスト カタカナ ｶﾞ が か\u3099 한국어 한 \u1112\u1161\u11ab ㅎ'.split(
    ' ',
  ),
  ...'แมว ภาษาไทย ລາວ ខ្មែរ မြန်မာ 😀 👨‍👩‍👧 ❤️ 🇩🇪 𝐀𝐁 𠮷野 \u{10FFFF}'.split(' '),
  ...'foo@bar.example http://x.example/?a=b&c=d - -- <tag> &amp; " \\ % _ __a__ it\'s'.split(' '),
  ...'\u00ad \u200b \u200d \ufeff \u0301 \ufffd \ud83d \ude00'.split(' '),
  ...['x'.repeat(31), 'x'.repeat(33), 'y'.repeat(64), 'y'.repeat(65), 'ab'.repeat(80)],
  ...[`${'z'.repeat(40)}q${'z'.repeat(40)}`, '東'.repeat(40), 'ß'.repeat(40)],
];
const gaps = [
  ...[' ', ' ', ' ', ' ', ' ', '', '', ', ', '. ', ' - ', '\r\n', '\r\n\r\n', '  '],
  ...['\t', '\u00a0', '\u3000', '-'.repeat(16), '-'.repeat(17), '\u2028', '/'],
];
const controls = ['\u0001', '\u0002', '\u0003', '\u007f', '\u0085', '\u0000', '\u001f'];

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.integer(from.length)]!;
}

export function madeText(random: Random, wordsMax: number): string {
  let text = '';
  for (let left = random.integer(wordsMax + 1); left > 0; left--) {
    let word = pick(random, random.integer(40) === 0 ? controls : words);
    if (random.integer(8) === 0) word = word.toUpperCase();
    if (random.integer(8) === 0) word = word.normalize(pick(random, ['NFD', 'NFC'] as const));
    if (random.integer(10) === 0) word += random.integer(100_000);
    text += word + pick(random, gaps);
  }
  return text;
}

const charsets =
  'utf-8 utf-8 utf-8 UTF-16LE utf-16 utf-7 iso-8859-1 windows-1252 koi8-r shift_jis euc-jp gb18030 big5 euc-kr tis-620'.split(
    ' ',
  );
const lies = ['us-ascii', 'utf-8', 'iso-8859-1', 'x-nonsense', 'iso-2022-jp', 'utf-16', 'gbk'];

function encodedText(text: string, charset: string): Buffer {
  return iconv.encode(text, charset === 'utf-16' ? 'utf-16' : charset);
}

/** Soft line ends anywhere, in the middle of characters too. */
function quotedPrintable(bytes: Buffer, random: Random): string {
  const every = 1 + random.integer(75);
  let line = 0;
  let text = '';
  for (const [at, byte] of bytes.entries()) {
    const isLineEnd = byte === 13 && bytes[at + 1] === 10;
    const isPlain =
      (byte > 32 && byte < 127 && byte !== 61) || isLineEnd || (byte === 10 && bytes[at - 1] === 13);
    text += isPlain ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    if (byte === 10) line = 0;
    else if (++line >= every && !isLineEnd) {
      text += pick(random, ['=\r\n', '=\r\n', '= \t\r\n', '=\n']);
      line = 0;
    }
  }
  return text;
}

function base64Lines(bytes: Buffer, random: Random): string {
  const text = bytes.toString('base64');
  const width = 1 + random.integer(76);
  let lines = '';
  for (let at = 0; at < text.length; at += width) lines += `${text.slice(at, at + width)}\r\n`;
  return lines;
}

interface Part {
  readonly bytes: Buffer;
  /** As it was meant. */
  readonly text: string;
  /** That is how it is read. */
  readonly isPlain: boolean;
}

function encodedPart(
  random: Random,
  given: { readonly subtype: string; readonly text: string; readonly body: string },
): Part {
  const charset = pick(random, charsets);
  const bytes = encodedText(given.body, charset);
  const isLie = random.integer(8) === 0;
  const encoding = pick(random, ['base64', 'quoted-printable', '8bit']);
  const named = isLie ? pick(random, lies) : charset;
  const head =
    `Content-Type: text/${given.subtype}; charset="${named}"\r\n` +
    `Content-Transfer-Encoding: ${pick(random, [encoding, encoding.toUpperCase()])}\r\n\r\n`;
  const body =
    encoding === 'base64'
      ? Buffer.from(base64Lines(bytes, random))
      : encoding === '8bit'
        ? bytes
        : Buffer.from(quotedPrintable(bytes, random), 'latin1');
  const isPlain =
    !isLie &&
    charset === 'utf-8' &&
    encoding !== '8bit' &&
    given.subtype === 'plain' &&
    given.text.isWellFormed();
  return { bytes: Buffer.concat([Buffer.from(head), body]), text: given.text, isPlain };
}

function htmlOf(text: string, random: Random): string {
  let html = pick(random, [
    '',
    '<style>p { school: hidden }</style>',
    '<!-- comment school -->',
    '<html><body>',
  ]);
  for (const character of text) {
    const chance = random.integer(24);
    if (chance === 0)
      html += pick(random, [
        '<b>',
        '</b>',
        '<br>',
        '<p>',
        '<wbr>',
        '<script>var school;</script>',
        '<i x=">">',
      ]);
    if (character === '<') html += '&lt;';
    else if (character === '&') html += '&amp;';
    else if (chance === 1) html += `&#${character.codePointAt(0)};`;
    else if (chance === 2) html += `&#x${character.codePointAt(0)!.toString(16)};`;
    else if (character === 'ß') html += '&szlig;';
    else html += character;
  }
  return html;
}

/** Seldom one that is searched in several pieces, in lines or all in one. */
function bodyText(random: Random): string {
  switch (random.integer(200)) {
    case 0:
      return madeText(random, 25_000);
    case 1: {
      const line = madeText(random, 400).replace(/[\r\n]/g, '');
      return line === '' ? line : `${line.repeat(Math.ceil(300_000 / line.length))}${madeText(random, 20)}`;
    }
    case 2:
      return madeText(random, 2_000);
    default:
      return madeText(random, 14);
  }
}

function textPart(random: Random): Part {
  const text = bodyText(random);
  if (random.integer(3) > 0) return encodedPart(random, { subtype: 'plain', text, body: text });
  return encodedPart(random, {
    subtype: pick(random, ['html', 'HTML', 'enriched']),
    text,
    body: htmlOf(text, random),
  });
}

/** A file whose name is written as RFC 2231, RFC 2047 or plainly. */
function filePart(random: Random): Part {
  const name = madeText(random, 3).replace(/[\r\n"\\\0]/g, '');
  const percent = [...Buffer.from(name)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`);
  const half = Math.floor(percent.length / 2);
  const parameter = pick(random, [
    `filename*=utf-8''${percent.join('')}`,
    `filename*0*=utf-8'de'${percent.slice(0, half).join('')};\r\n filename*1*=${percent.slice(half).join('')}`,
    `filename="=?utf-8?b?${Buffer.from(name).toString('base64')}?="`,
    `filename="${name}"`,
  ]);
  const head = `Content-Type: ${pick(random, ['image/png', 'application/pdf', 'text/plain'])}\r\nContent-Disposition: attachment;\r\n ${parameter}\r\n\r\n`;
  return {
    bytes: Buffer.concat([Buffer.from(head), random.bytes(random.integer(60))]),
    text: name,
    isPlain: false,
  };
}

function encodedWords(text: string, random: Random): string {
  const raw = text.replace(/[\r\n]+/g, random.integer(2) === 0 ? '\r\n ' : ' ');
  switch (random.integer(4)) {
    case 0:
      return raw;
    case 1: {
      const pieces: string[] = [];
      const bytes = Buffer.from(raw);
      const size = 1 + random.integer(40);
      for (let at = 0; at < bytes.length; at += size)
        pieces.push(`=?utf-8?B?${bytes.subarray(at, at + size).toString('base64')}?=`);
      return pieces.join('\r\n ');
    }
    case 2: {
      const charset = pick(random, charsets);
      return `=?${charset}?b?${encodedText(raw, charset).toString('base64')}?=`;
    }
    default:
      return [...Buffer.from(raw)]
        .map(
          (byte, at, all) =>
            (at === 0 ? '=?utf-8?q?' : '') +
            `=${byte.toString(16).padStart(2, '0')}` +
            (at === all.length - 1 ? '?=' : ''),
        )
        .join('');
  }
}

function addressOf(name: string, random: Random): string {
  const address = `${pick(random, ['ann', 'bob', 'Zoë', '東'])}@${pick(random, ['bar.example', 'x.test'])}`;
  const quoted = name.replace(/[\r\n"\\]/g, '');
  return pick(random, [
    address,
    `"${quoted}" <${address}>`,
    `${encodedWords(name, random)} <${address}>`,
    `${quoted}: ${address}, <b@c.test>;`,
    `<${address}> (${quoted})`,
  ]);
}

/** Longer than what the index keeps of a field. */
function longField(random: Random): string {
  const count = pick(random, [50, 300, 3_000]);
  return Array.from({ length: count }, () => addressOf(madeText(random, 1), random)).join(',\r\n ');
}

export function madeMessage(random: Random, depth = 0): MadeMessage {
  const texts: string[] = [];
  const header: string[] = [];
  const field = (name: string, value: string): void => {
    if (random.integer(5) > 0) header.push(`${name}: ${value}\r\n`);
  };
  const headerText = (most: number): string => {
    const text = madeText(random, most);
    texts.push(text);
    return text;
  };
  field('Subject', encodedWords(headerText(8), random));
  for (const name of ['From', 'To', 'Cc', 'Bcc', 'Reply-To', 'to'])
    if (random.integer(2) === 0) field(name, addressOf(headerText(3), random));
  field('X-Other', encodedWords(headerText(5), random));
  field(
    'Date',
    pick(random, [
      'Sun, 1 Mar 2026 23:30:00 -0500',
      '1 Mar 26 00:10 +1400',
      'yesterday',
      'Mon, 31 Dec 1969 23:59:59 GMT',
    ]),
  );
  if (random.integer(12) === 0) header.push('Subject: a second one\r\n');
  if (random.integer(25) === 0)
    header.push(`${pick(random, ['To', 'Subject', 'X-Other'])}: ${longField(random)}\r\n`);
  if (random.integer(12) === 0)
    header.push(`${pick(random, ['no field', ' continued', ': nameless', 'Sub ject: x'])}\r\n`);
  header.push('MIME-Version: 1.0\r\n');
  const parts: Part[] = [];
  for (let left = 1 + random.integer(3); left > 0; left--)
    parts.push(random.integer(4) === 0 ? filePart(random) : textPart(random));
  const plainTexts = parts.filter(({ isPlain }) => isPlain).map(({ text }) => text);
  texts.push(...parts.map(({ text }) => text));
  const all = parts.map(({ bytes }) => bytes);
  if (depth < 3 && random.integer(4) === 0) {
    const nested = madeMessage(random, depth + 1);
    texts.push(...nested.texts);
    all.push(Buffer.concat([Buffer.from('Content-Type: message/rfc822\r\n\r\n'), nested.bytes]));
  }
  if (all.length === 1)
    return { bytes: Buffer.concat([Buffer.from(header.join('')), all[0]!]), texts, plainTexts };
  const boundary = `b${depth}-${random.identifier(8)}`;
  const pieces: Buffer[] = [
    Buffer.from(`${header.join('')}Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n`),
  ];
  for (const bytes of all) pieces.push(Buffer.from(`\r\n--${boundary}\r\n`), bytes);
  // One that is cut off ends where its bytes do.
  if (random.integer(10) > 0) pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  return { bytes: Buffer.concat(pieces), texts, plainTexts };
}

/** A piece of a text, in units: it may be cut between the halves of a character. */
export function pieceOf(text: string, random: Random): string {
  const length = pick(random, [
    1,
    1,
    2,
    3,
    1 + random.integer(12),
    1 + random.integer(40),
    1 + random.integer(200),
  ]);
  const start = random.integer(text.length + 1);
  return text.slice(start, start + length);
}
