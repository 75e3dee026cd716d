// How many octets longer a message is when POP3 sends it (RFC 1939 section 11, RFC 6856 section 2): bare LFs become CRLF, a
// last line without an end gets one, and for a client without UTF-8 a header with raw 8-bit text is replaced. What
// multiline.ts and surrogate-header.ts do is counted here, so that it can be noted when a message is stored and no
// maildrop has to be read for its sizes. Stuffed dots are not part of the size.

import { isAscii } from 'node:buffer';
import { headerEnd, surrogateHeader } from './surrogate-header.ts';

/** Octets that come to those stored. */
export interface SentSizeDifference {
  /** Of line ends. */
  readonly lineEnds: number;
  /** Of the header, for clients that did not ask for UTF-8. */
  readonly surrogate: number;
}

/** A header beyond this is no header a person wrote; what is behind goes out as it is. */
export const surrogateBytesMax = 64 * 1024;

const lineFeed = 10;
const carriageReturn = 13;

/** Undefined: it is sent with the size it has, as nearly every message is. `bareLineFeeds`: those with no CR before them. */
export function sentSizeDifference(bytes: Buffer, bareLineFeeds: number): SentSizeDifference | undefined {
  const last = bytes[bytes.length - 1] ?? lineFeed;
  const missingEnd = last === lineFeed ? 0 : last === carriageReturn ? 1 : 2;
  const lineEnds = bareLineFeeds + missingEnd;
  const surrogate = surrogateDifference(bytes);
  return lineEnds === 0 && surrogate === 0 ? undefined : { lineEnds, surrogate };
}

function surrogateDifference(bytes: Buffer): number {
  if (isAscii(bytes.subarray(0, surrogateBytesMax))) return 0;
  const { header, shown } = shownHeader(bytes);
  return shown.length - header.length;
}

/** The header of a message from its beginning, and what stands for it. Latin1 text. */
export function shownHeader(beginning: Buffer): { header: string; shown: string } {
  const text = beginning.toString('latin1', 0, surrogateBytesMax);
  const end = headerEnd(text);
  const header = end < 0 ? text : text.slice(0, end);
  return { header, shown: surrogateHeader(header) };
}
