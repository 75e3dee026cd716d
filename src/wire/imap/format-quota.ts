// QUOTA and QUOTAROOT responses (RFC 9208 4.2). Lines with CRLF; latin1.

import { formatMailboxName, formatString } from './format-string.ts';

export interface QuotaResource {
  /** As `STORAGE`: our own word. */
  readonly name: string;
  readonly used: number;
  readonly max: number;
}

/** `* QUOTA "" (STORAGE 10 512)`; resources without a limit are left out. */
export function formatQuota(root: string, resources: readonly QuotaResource[]): string {
  const list = resources.map(({ name, used, max }) => `${name} ${used} ${max}`).join(' ');
  return `* QUOTA ${formatString(root)} (${list})\r\n`;
}

/** `* QUOTAROOT INBOX ""`. */
export function formatQuotaRoot(
  mailbox: string,
  roots: readonly string[],
  options: { readonly utf8: boolean },
): string {
  const list = roots.map((root) => ` ${formatString(root)}`).join('');
  return `* QUOTAROOT ${formatMailboxName(mailbox, options.utf8)}${list}\r\n`;
}
