// METADATA responses with values (RFC 5464 4.4.1). A line with CRLF; latin1.

import { formatAstring, formatMailboxName, formatString } from './format-string.ts';

/** Undefined: NIL. */
export type MetadataEntry = readonly [name: string, value: Uint8Array | undefined];

/** `* METADATA INBOX (/private/comment "My own")`; '' is the server. */
export function formatMetadata(
  mailbox: string,
  entries: readonly MetadataEntry[],
  options: { readonly utf8: boolean },
): string {
  const list = entries.map(([name, value]) => `${formatAstring(name)} ${formatValue(value)}`);
  return `* METADATA ${formatMailboxName(mailbox, options.utf8)} (${list.join(' ')})\r\n`;
}

/** `* METADATA INBOX /shared/comment /private/comment`: which changed (RFC 5464 4.4.2). */
export function formatMetadataNames(
  mailbox: string,
  names: readonly string[],
  options: { readonly utf8: boolean },
): string {
  const list = names.map((name) => formatAstring(name)).join(' ');
  return `* METADATA ${formatMailboxName(mailbox, options.utf8)} ${list}\r\n`;
}

function formatValue(value: Uint8Array | undefined): string {
  if (value === undefined) return 'NIL';
  const octets = Buffer.from(value).toString('latin1');
  // Only a literal8 may hold NUL.
  return octets.includes('\0') ? `~{${octets.length}}\r\n${octets}` : formatString(octets);
}
