// Strings of responses: the atom, quoted or literal form (RFC 9051 section 4.3), chosen so that no content
// can end the string early. All results are latin1 (one char an octet), as Connection.write takes them.
// 8-bit octets go in literals, which IMAP4rev1 and rev2 both read; in quoted strings only where the caller
// knows that UTF-8 is enabled. NUL stands in no string at all (RFC 9051 section 4.3.1) and is left out.

import { atomCharacter, isAll } from './character-class.ts';
import { encodeMailboxName } from './mailbox-name.ts';

/** Longer ones become literals: clients bound their lines, not their literals. */
const quotedBytesMax = 4096;

/** string: octets (latin1) quoted, or as a literal when they are 8-bit, long or hold a line end. */
export function formatString(octets: string): string {
  return quoteOctets(octets, false);
}

/** nstring. */
export function formatNstring(octets: string | undefined): string {
  return octets === undefined ? 'NIL' : quoteOctets(octets, false);
}

/** astring: an atom where that says the same. */
export function formatAstring(octets: string): string {
  return isPlainAtom(octets) ? octets : quoteOctets(octets, false);
}

/** Text (Unicode) as a string of UTF-8 octets; `utf8`: the client reads UTF-8 in quoted strings. */
export function formatText(text: string, utf8: boolean): string {
  return quoteOctets(Buffer.from(text, 'utf8').toString('latin1'), utf8);
}

/** A mailbox name as an astring: modified UTF-7, or UTF-8 once enabled. */
export function formatMailboxName(name: string, utf8: boolean): string {
  const octets = encodeMailboxName(name, utf8);
  return isPlainAtom(octets) ? octets : quoteOctets(octets, utf8);
}

/**
 * Quoted all the same: NIL, lest it be read as none, and brackets, in which some readers look for a section.
 */
function isPlainAtom(octets: string): boolean {
  if (octets.length > 255 || !isAll(octets, atomCharacter)) return false;
  return octets.toUpperCase() !== 'NIL' && !octets.includes('[');
}

/**
 * Human text of a response (resp-text): anything but printable ASCII becomes '?', '' one space's worth of
 * text.
 */
export function formatResponseText(text: string): string {
  return text.replace(/[^ -~]/g, '?') || '-';
}

function quoteOctets(octets: string, utf8: boolean): string {
  let quotable = octets.length <= quotedBytesMax;
  let escapes = false;
  let nul = false;
  for (let index = 0; index < octets.length; index++) {
    const octet = octets.charCodeAt(index);
    if (octet === 0x22 || octet === 0x5c) escapes = true;
    else if (octet === 0) nul = true;
    else if (octet === 0x0d || octet === 0x0a || (octet >= 0x80 && !utf8)) quotable = false;
  }
  const clean = nul ? octets.replaceAll('\0', '') : octets;
  if (!quotable) return `{${clean.length}}\r\n${clean}`;
  return escapes ? `"${clean.replace(/["\\]/g, '\\$&')}"` : `"${clean}"`;
}
