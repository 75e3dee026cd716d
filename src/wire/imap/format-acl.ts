// ACL, LISTRIGHTS and MYRIGHTS responses (RFC 4314 3.6 to 3.8). Lines with CRLF; latin1. Rights are told with the obsolete c
// and d (2.1.1).

import { type AclEntry, allRights, formatRights, type Rights } from '../../mail/rights.ts';
import { formatAstring, formatMailboxName, formatText } from './format-string.ts';

interface Options {
  readonly utf8: boolean;
}

/** `* ACL INBOX fred@example.org lrswipkxteacd`. */
export function formatAcl(mailbox: string, entries: readonly AclEntry[], options: Options): string {
  const list = entries.map(
    ({ identifier, rights }) =>
      ` ${formatText(identifier, options.utf8)} ${formatAstring(formatRights(rights))}`,
  );
  return `* ACL ${formatMailboxName(mailbox, options.utf8)}${list.join('')}\r\n`;
}

/** `* MYRIGHTS INBOX lrs`. */
export function formatMyRights(mailbox: string, rights: Rights, options: Options): string {
  return `* MYRIGHTS ${formatMailboxName(mailbox, options.utf8)} ${formatAstring(formatRights(rights))}\r\n`;
}

/** `required`: what the identifier has always; the rest may be given one by one. */
export function formatListRights(
  mailbox: string,
  { identifier, required }: { readonly identifier: string; readonly required: Rights },
  options: Options,
): string {
  const always = formatRights(required);
  const optional = [...formatRights(allRights)].filter((right) => !always.includes(right));
  const list = [formatAstring(always), ...optional].join(' ');
  const name = formatMailboxName(mailbox, options.utf8);
  return `* LISTRIGHTS ${name} ${formatText(identifier, options.utf8)} ${list}\r\n`;
}
