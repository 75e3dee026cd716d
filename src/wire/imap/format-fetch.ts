// Pieces of a FETCH response, made for the loop over many messages: strings only, the common ones from a
// table.
// The session puts them together: `* 12 FETCH (` items joined by spaces `)`, CRLF.

import { systemFlagBits, systemFlags } from '../../mail/flags.ts';
import { formatDateTime } from './date-time.ts';

const systemCombinations = 1 << systemFlagBits;
const systemMask = systemCombinations - 1;

/** The inside of the parentheses for each combination of system flags. */
const systemFlagTexts: readonly string[] = Array.from({ length: systemCombinations }, (_, bits) =>
  systemFlags.filter((_flag, bit) => (bits >>> bit) & 1).join(' '),
);

/** `FLAGS (\Seen $Forwarded)`; `keywords` is the mailbox's table, `recent` adds \Recent (IMAP4rev1 only). */
export function formatFlagBits(
  low: number,
  high: number,
  keywords: readonly string[],
  recent: boolean,
): string {
  let text = systemFlagTexts[low & systemMask]!;
  if (recent) text = text === '' ? '\\Recent' : `${text} \\Recent`;
  if (low >>> systemFlagBits === 0 && high === 0) return `FLAGS (${text})`;
  for (let index = 0; index < keywords.length; index++) {
    const bit = index + systemFlagBits;
    if (((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1) === 0) continue;
    text = text === '' ? keywords[index]! : `${text} ${keywords[index]}`;
  }
  return `FLAGS (${text})`;
}

/** `(\Answered … $Forwarded)`: the lists of FLAGS and PERMANENTFLAGS responses. */
export function formatFlagList(names: readonly string[]): string {
  return `(${names.join(' ')})`;
}

/** `MODSEQ (12345)`, RFC 7162 3.1.4. */
export function formatModSeq(modSeq: number): string {
  return `MODSEQ (${modSeq})`;
}

/** `INTERNALDATE "17-Jul-1996 02:44:25 +0000"` from seconds since 1970. */
export function formatInternalDate(seconds: number): string {
  return `INTERNALDATE ${formatDateTime(seconds)}`;
}
