// How the fuzzer changes an input: the mistakes and tricks that parsers of mail protocols meet. Everything is drawn
// from one Random, so that a seed gives the same inputs again.

import type { Random } from '../src/base/random.ts';

/** Larger inputs test the machine rather than the parser. */
export const inputBytesMax = 256 * 1024;

/** Pieces of the protocols' own grammars, which blind bit flips would take ages to find. */
// biome-ignore format: one a line would be a hundred lines
const tokens = [
  '\r\n', '\n', '\r', '\0', '\r\n\r\n', '\r\n.\r\n', '\n.\n', '\r\n..\r\n', ' ', '\t', '\r\n ', '\r\n\t',
  '(', ')', '((((((((', '))))))))', '[', ']', '{', '}', '<', '>', '"', '\\', '\\"', "'", '@', ',', ';',
  ':', '=', '*', '%', '&', '&-', '+', '{0}\r\n', '{5}\r\n', '{5+}\r\n', '{4294967296}\r\n',
  '{99999999999999999999+}\r\n', '~{3}\r\n', '""', 'NIL', '*:*', '1:*', '4294967295', '4294967296', '0',
  '-1', '9007199254740993', '18446744073709551616', '1,2,3:5', 'a001 ', 'UID ', 'BODY[]',
  'BODY.PEEK[HEADER.FIELDS (', '<0.10>', '(MODSEQ ', 'CHANGEDSINCE ', 'EHLO ', 'MAIL FROM:<>', 'RCPT TO:<',
  ' SIZE=', ' BODY=8BITMIME', ' SMTPUTF8', 'DATA\r\n', 'BDAT 5 LAST\r\n', 'AUTH PLAIN ', 'STARTTLS\r\n',
  'PROXY TCP4 ', '\r\n\r\n\0\r\nQUIT\n', 'Content-Type: ', 'multipart/mixed; boundary=',
  'multipart/mixed; boundary="', 'message/rfc822', '\r\n--', '--\r\n', 'boundary=""',
  "filename*0*=utf-8''", "filename*1*=%", '=?utf-8?q?', '=?utf-8?b?', '?=', '=?iso-2022-jp?B?GyRC?=',
  '=\r\n', '=0D=0A', '====', 'Content-Transfer-Encoding: base64\r\n', 'charset=utf-7', 'charset=x-unknown',
  'Mon, 31 Feb 9999 99:99:99 +9999', '01-Jan-1970 00:00:00 +0000', ' -0000', '(comment (nested', 'group:;',
  '@[127.0.0.1]', '@[IPv6:::]', '\u00e9', '\ud83d\udce8', '\ufeff', '\u2028', 'xn--', '\u0130', 'a\u0301',
].map((token) => Buffer.from(token));

/** Bytes that are not UTF-8, or are on its edges. */
const brokenBytes = ['ff', 'c0af', 'eda080', 'f4908080', '80', 'e282', 'fffe', '1b2442'].map((hex) =>
  Buffer.from(hex, 'hex'),
);

type Mutation = (input: Buffer, random: Random, seeds: readonly Uint8Array[]) => Buffer;

const place = (input: Buffer, random: Random): number => random.integer(input.length + 1);
const pick = <T>(list: readonly T[], random: Random): T => list[random.integer(list.length)]!;

function insertAt(input: Buffer, at: number, piece: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);
}

const mutations: readonly Mutation[] = [
  function flipBits(input, random) {
    const copy = Buffer.from(input);
    for (let flips = 1 + random.integer(4); flips > 0 && copy.length > 0; flips--) {
      const at = random.integer(copy.length);
      copy[at] = copy[at]! ^ (1 << random.integer(8));
    }
    return copy;
  },
  function setByte(input, random) {
    const copy = Buffer.from(input);
    if (copy.length > 0) copy[random.integer(copy.length)] = random.integer(256);
    return copy;
  },
  (input, random) => insertAt(input, place(input, random), pick(tokens, random)),
  function overwriteWithToken(input, random) {
    const at = place(input, random);
    const token = pick(tokens, random);
    return Buffer.concat([input.subarray(0, at), token, input.subarray(at + token.length)]);
  },
  (input, random) => insertAt(input, place(input, random), pick(brokenBytes, random)),
  (input, random) => input.subarray(0, place(input, random)),
  function removePiece(input, random) {
    const at = place(input, random);
    return Buffer.concat([input.subarray(0, at), input.subarray(at + 1 + random.integer(32))]);
  },
  function repeatPiece(input, random) {
    const at = place(input, random);
    const piece = input.subarray(at, at + 1 + random.integer(32));
    const times = 1 << random.integer(12);
    return insertAt(input, at, Buffer.concat(Array<Buffer>(times).fill(piece)));
  },
  function splice(input, random, seeds) {
    const other = Buffer.from(pick(seeds, random));
    return Buffer.concat([input.subarray(0, place(input, random)), other.subarray(place(other, random))]);
  },
  function copyPieceFromOther(input, random, seeds) {
    const other = pick(seeds, random);
    const at = random.integer(other.length + 1);
    return insertAt(input, place(input, random), other.subarray(at, at + 1 + random.integer(64)));
  },
  function swapLines(input, random) {
    const lines = input.toString('latin1').split('\n');
    const [one, other] = [random.integer(lines.length), random.integer(lines.length)];
    [lines[one], lines[other]] = [lines[other]!, lines[one]!];
    return Buffer.from(lines.join('\n'), 'latin1');
  },
  (input) => Buffer.from(input.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
  (input) => Buffer.from(input.toString('latin1').replaceAll('\r\n', '\r'), 'latin1'),
  (input) => Buffer.from(input.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1'),
];

/** One to eight changes of a random seed, at most `inputBytesMax` long. */
export function mutate(seeds: readonly Uint8Array[], random: Random): Buffer {
  let input: Buffer = Buffer.from(pick(seeds, random));
  for (let rounds = 1 << random.integer(4); rounds > 0; rounds--) {
    input = pick(mutations, random)(input, random, seeds).subarray(0, inputBytesMax);
  }
  return Buffer.from(input);
}
