// The items of a STATUS response (RFC 9051 6.3.11, 7.3.4), for STATUS and for LIST RETURN (STATUS …).

import type { AccountPort, MailboxInfo } from '../../account/port.ts';
import { flagDeleted } from '../../mail/flags.ts';
import { formatStatus } from '../../wire/imap/format-status.ts';
import type { StatusItem } from '../../wire/imap/mailbox-command.ts';
import type { PlacedMailbox } from './mailbox-location.ts';
import { idSuffix, mailboxIdText } from './object-ids.ts';
import type { ImapSession } from './session.ts';

/** `* STATUS "INBOX" (MESSAGES 3)` with its line end. */
export async function statusResponse(
  session: ImapSession,
  info: PlacedMailbox,
  items: readonly StatusItem[],
): Promise<string> {
  const deletedBytes = items.includes('DELETED-STORAGE') ? await sumDeleted(info.account, info) : 0;
  const recent = items.includes('RECENT') ? await countRecent(info.account, info) : 0;
  const { appendBytesMax } = session.environment.limits;
  const mailboxId = mailboxIdText(info.id, idSuffix(session, info.account));
  const known = { recent, appendBytesMax, deletedBytes, mailboxId };
  const values = items.map((item) => [item, statusValue(info, item, known)] as const);
  return formatStatus(info.name, values, session);
}

function statusValue(
  info: MailboxInfo,
  item: StatusItem,
  known: {
    readonly recent: number;
    readonly appendBytesMax: number;
    readonly deletedBytes: number;
    readonly mailboxId: string;
  },
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
      return known.mailboxId;
    case 'APPENDLIMIT':
      return known.appendBytesMax;
    case 'DELETED-STORAGE':
      return known.deletedBytes;
  }
}

/** RFC 9208 4.1.4: the sum of their sizes will do. */
async function sumDeleted(account: AccountPort, info: MailboxInfo): Promise<number> {
  if (info.deleted === 0) return 0;
  const { flagsLow, sizes } = await account.columns(info.id, undefined);
  let bytes = 0;
  for (let at = 0; at < sizes.length; at++) if ((flagsLow[at]! & flagDeleted) !== 0) bytes += sizes[at]!;
  return bytes;
}

/** IMAP4rev1's RECENT: what the next session that selects the mailbox would be told of first. */
async function countRecent(account: AccountPort, info: MailboxInfo): Promise<number> {
  const opened = await account.openMailbox({ id: info.id }, { claimRecent: false });
  let count = 0;
  for (let at = opened.uids.length - 1; at >= 0 && opened.uids[at]! >= opened.recentFrom; at--) count++;
  return count;
}
