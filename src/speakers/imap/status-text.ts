// The items of a STATUS response (RFC 9051 6.3.11, 7.3.4), for STATUS and for LIST RETURN (STATUS …).

import type { AccountPort, MailboxInfo } from '../../account/port.ts';
import type { StatusItem } from '../../wire/imap/command.ts';
import { formatStatus } from '../../wire/imap/format-status.ts';
import { mailboxIdText } from './object-ids.ts';
import { accountOf, type ImapSession } from './session.ts';

/** `* STATUS "INBOX" (MESSAGES 3)` with its line end. */
export async function statusResponse(
  session: ImapSession,
  info: MailboxInfo,
  items: readonly StatusItem[],
): Promise<string> {
  const recent = items.includes('RECENT') ? await countRecent(accountOf(session), info) : 0;
  // RFC 7162 3.1: asking for it enables CONDSTORE.
  if (items.includes('HIGHESTMODSEQ')) session.condstore = true;
  const { appendBytesMax } = session.environment.limits;
  const values = items.map((item) => [item, statusValue(info, item, { recent, appendBytesMax })] as const);
  return formatStatus(info.name, values, session);
}

function statusValue(
  info: MailboxInfo,
  item: StatusItem,
  known: { readonly recent: number; readonly appendBytesMax: number },
): number | string {
  switch (item) {
    case 'MESSAGES':
      return info.messages;
    case 'RECENT':
      return known.recent;
    case 'UIDNEXT':
      return info.uidNext;
    case 'UIDVALIDITY':
      return info.uidValidity;
    case 'UNSEEN':
      return info.unseen;
    case 'DELETED':
      return info.deleted;
    case 'SIZE':
      return info.bytes;
    case 'HIGHESTMODSEQ':
      return info.highestModSeq;
    case 'MAILBOXID':
      return mailboxIdText(info.id);
    case 'APPENDLIMIT':
      return known.appendBytesMax;
  }
}

/** IMAP4rev1's RECENT: what the next session that selects the mailbox would be told of first. */
async function countRecent(account: AccountPort, info: MailboxInfo): Promise<number> {
  const opened = await account.openMailbox({ id: info.id }, { claimRecent: false });
  let count = 0;
  for (let at = opened.uids.length - 1; at >= 0 && opened.uids[at]! >= opened.recentFrom; at--) count++;
  return count;
}
