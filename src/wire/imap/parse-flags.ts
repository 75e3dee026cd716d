// Flags as arguments of STORE and APPEND (RFC 9051 flag, flag-list). \Recent and \* are not the client's to
// set.

import { keywordBytesMax, systemFlagBit, systemFlags } from '../../mail/flags.ts';
import type { ArgumentCursor } from './argument-cursor.ts';
import { ImapSyntaxError } from './imap-syntax-error.ts';

/** One command cannot name more: a message holds 64. */
const flagsMax = 128;

/** A system flag in the RFC's spelling, or a keyword as it was sent. */
function parseFlag(cursor: ArgumentCursor): string {
  if (!cursor.take('\\')) {
    const keyword = cursor.atom('flag');
    if (keyword.length > keywordBytesMax) throw new ImapSyntaxError('keyword is too long');
    return keyword;
  }
  const bit = systemFlagBit(`\\${cursor.atom('flag')}`);
  if (bit === undefined) throw new ImapSyntaxError('no such system flag');
  return systemFlags[31 - Math.clz32(bit)]!;
}

/** `(…)`, perhaps empty; each flag once. */
export function parseFlagList(cursor: ArgumentCursor): string[] {
  cursor.expect('(');
  if (cursor.take(')')) return [];
  const flags = parseFlags(cursor);
  cursor.expect(')');
  return flags;
}

/** 1*(flag SP) without parentheses, as STORE allows it. */
export function parseFlags(cursor: ArgumentCursor): string[] {
  const flags: string[] = [];
  const seen = new Set<string>();
  do {
    const flag = parseFlag(cursor);
    // Keywords are compared without regard to case (RFC 9051 2.3.2).
    const folded = flag.toLowerCase();
    if (seen.has(folded)) continue;
    seen.add(folded);
    flags.push(flag);
    if (flags.length > flagsMax) throw new ImapSyntaxError('too many flags');
  } while (cursor.take(' '));
  return flags;
}
