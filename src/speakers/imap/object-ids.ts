// Identifiers as clients see them (RFC 8474): a letter that tells the kind, then our number. The letters keep them
// apart, and keep a purely numeric id from looking like a UID. Each account counts by itself, so what is somebody else's has
// the account behind it: no id stands for two things in one session (sections 4 and 5.1).
// A copy into another account has ids of its own there, though section 5.1 says that it MUST keep its EMAILID: that is why RFC
// 8474 is done in part only. An id that goes along would be a second one beside the email's own: stored, looked for by SEARCH,
// and the same for two emails once a copy is copied back, which an account must then hold as one (JMAP's Email ids, which are
// to be the same, are unique in an account). One made of the content would need no place, but 5.2 binds the THREADID to it:
// made of the content too, it would part answers that name their parent only from the conversation; or else the copy stood
// outside the conversation that it belongs to where it came to, for ids that were told may not change. Clients read a
// copied message once more, and group it rightly.

import type { AccountPort } from '../../account/port.ts';
import type { MailboxId } from '../../mail/ids.ts';
import type { ImapSession } from './session.ts';

/** What stands behind the ids of an account's mailboxes and messages in this session. */
export function idSuffix(session: ImapSession, { accountId }: AccountPort): string {
  return accountId === session.account?.accountId ? '' : `-${accountId}`;
}

export function mailboxIdText(id: MailboxId, suffix: string): string {
  return `F${id}${suffix}`;
}

export function emailIdText(id: number, suffix: string): string {
  return `M${id}${suffix}`;
}

export function threadIdText(id: number, suffix: string): string {
  return `T${id}${suffix}`;
}

/** The number between the letter and the suffix; undefined when it is none of these: it then matches no message. */
export function parseObjectId(text: string, letter: 'M' | 'T', suffix: string): number | undefined {
  if (!text.startsWith(letter) || !text.endsWith(suffix)) return undefined;
  const number = text.slice(1, text.length - suffix.length);
  return /^[1-9][0-9]{0,15}$/.test(number) ? Number(number) : undefined;
}
