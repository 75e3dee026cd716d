// STATUS responses (RFC 9051 7.3.4). A line with CRLF; latin1.

import { formatMailboxName } from './format-string.ts';
import type { StatusItem } from './mailbox-command.ts';

/** Values in the order to write; a string is a MAILBOXID (objectid), undefined is NIL (APPENDLIMIT: none). */
export type StatusValue = readonly [item: StatusItem, value: number | string | undefined];

export function formatStatus(
  mailbox: string,
  values: readonly StatusValue[],
  options: { utf8: boolean },
): string {
  const items = values.map(([item, value]) => {
    if (item === 'MAILBOXID') return `${item} (${value})`;
    return `${item} ${value ?? 'NIL'}`;
  });
  return `* STATUS ${formatMailboxName(mailbox, options.utf8)} (${items.join(' ')})\r\n`;
}
