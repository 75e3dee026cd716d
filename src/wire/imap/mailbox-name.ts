// Mailbox names on the wire: modified UTF-7 for IMAP4rev1 (RFC 3501 5.1.3), UTF-8 once it is enabled (RFC
// 6855, RFC 9051 5.1). Invariant: one name has one encoding, so what decodes encodes back to the same octets;
// anything else (superfluous shifts, encoded ASCII, stray bits, lone surrogates, 8-bit octets) is refused
// with undefined.

import { isUtf8 } from 'node:buffer';

/**
 * Latin1 octets as the client sent them to the name; undefined when they are no valid encoding. Wildcards
 * stay.
 */
export function decodeMailboxName(octets: string, utf8: boolean): string | undefined {
  let plain = true;
  for (let index = 0; index < octets.length && plain; index++) {
    const octet = octets.charCodeAt(index);
    plain = octet >= 0x20 && octet < 0x7f && (octet !== 0x26 || utf8);
  }
  if (plain) return octets;
  if (!utf8) return decodeModifiedUtf7(octets);
  const bytes = Buffer.from(octets, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** The name to latin1 octets for the wire, not yet quoted: see formatMailboxName in format-string.ts. */
export function encodeMailboxName(name: string, utf8: boolean): string {
  if (utf8) return Buffer.from(name, 'utf8').toString('latin1');
  let encoded = '';
  let start = 0;
  while (start < name.length) {
    const shift = isPrintable(name.charCodeAt(start));
    let end = start + 1;
    while (end < name.length && isPrintable(name.charCodeAt(end)) === shift) end++;
    const run = name.slice(start, end);
    encoded += shift ? run.replaceAll('&', '&-') : `&${encodeShifted(run)}-`;
    start = end;
  }
  return encoded;
}

function isPrintable(unit: number): boolean {
  return unit >= 0x20 && unit < 0x7f;
}

function encodeShifted(run: string): string {
  const bytes = Buffer.from(run, 'utf16le').swap16();
  return bytes.toString('base64').replaceAll('=', '').replaceAll('/', ',');
}

function decodeModifiedUtf7(octets: string): string | undefined {
  let name = '';
  let start = 0;
  for (;;) {
    const shift = octets.indexOf('&', start);
    if (shift < 0) break;
    const end = octets.indexOf('-', shift);
    if (end < 0) return undefined;
    name += octets.slice(start, shift);
    if (end === shift + 1) name += '&';
    else {
      const bytes = Buffer.from(octets.slice(shift + 1, end).replaceAll(',', '/'), 'base64');
      if (bytes.length === 0 || bytes.length % 2 !== 0) return undefined;
      name += bytes.swap16().toString('utf16le');
    }
    start = end + 1;
  }
  name += octets.slice(start);
  // Encoding again and comparing refuses every form but the one the RFC asks for, in one place.
  return name.isWellFormed() && encodeMailboxName(name, false) === octets ? name : undefined;
}
