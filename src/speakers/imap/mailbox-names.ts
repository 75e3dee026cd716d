// Mailbox names and attributes as IMAP writes them. Pure tables; nothing fails.

import type { MailboxRole } from '../../account/port.ts';

export const delimiter = '/';

const attributeByRole: Readonly<Record<MailboxRole, string | undefined>> = {
  // INBOX is known by its name.
  inbox: undefined,
  drafts: '\\Drafts',
  sent: '\\Sent',
  junk: '\\Junk',
  trash: '\\Trash',
  archive: '\\Archive',
  all: '\\All',
  flagged: '\\Flagged',
  important: '\\Important',
};

/** RFC 6154 attributes that CREATE may give; \All and \Flagged would be views of other mailboxes, which we have not. */
const creatableRoles: readonly MailboxRole[] = ['drafts', 'sent', 'junk', 'trash', 'archive'];

/** What a LIST response says of a mailbox's special use. */
export function attributesOfRole(role: MailboxRole | undefined): string[] {
  const attribute = role === undefined ? undefined : attributeByRole[role];
  return attribute === undefined ? [] : [attribute];
}

export function roleOfAttribute(attribute: string): MailboxRole | undefined {
  const wanted = attribute.toLowerCase();
  return creatableRoles.find((role) => attributeByRole[role]?.toLowerCase() === wanted);
}

export function withoutTrailingDelimiter(name: string): string {
  return name.length > 1 && name.endsWith(delimiter) ? name.slice(0, -1) : name;
}
