// Which data some octets are, by RFC 2045 sections 2.7 to 2.9: the least of the three identity encodings that may be said of
// them. Lines end with CRLF and have 998 octets at the most in all but binary data. Pure, never fails, time linear in the octets.

import { isAscii } from 'node:buffer';

export type TransferDomain = '7bit' | '8bit' | 'binary';

/** RFC 2045 2.7, without the CRLF. */
const lineOctetsMax = 998;
/** A quarter of a millisecond. */
const stepBytes = 256 * 1024;
const lineFeed = 10;
const carriageReturn = 13;

/** Of the bytes `start` … `end` - 1, by themselves, in steps. */
export function* transferDomain(
  bytes: Buffer,
  start: number,
  end: number,
): Generator<undefined, TransferDomain> {
  let domain: TransferDomain = '7bit';
  let lineStart = start;
  for (let from = start; from < end; from += stepBytes) {
    const until = Math.min(from + stepBytes, end);
    const step = bytes.subarray(from, until);
    if (step.includes(0)) return 'binary';
    if (domain === '7bit' && !isAscii(step)) domain = '8bit';
    for (let at = from; at < until; at++) {
      const byte = bytes[at];
      if (byte === carriageReturn) {
        if (at + 1 === end || bytes[at + 1] !== lineFeed) return 'binary';
      } else if (byte === lineFeed) {
        if (at === start || bytes[at - 1] !== carriageReturn) return 'binary';
        if (at - 1 - lineStart > lineOctetsMax) return 'binary';
        lineStart = at + 1;
      }
    }
    yield undefined;
  }
  return end - lineStart > lineOctetsMax ? 'binary' : domain;
}

/** What may be said of both together. */
export function widerDomain(one: TransferDomain, other: TransferDomain): TransferDomain {
  return one === '7bit' || other === 'binary' ? other : one;
}
