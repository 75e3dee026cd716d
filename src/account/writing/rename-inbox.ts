// Renaming INBOX: it stays, and what is in it goes to the new mailbox (RFC 9051 6.3.6), with a copy of its annotations.
// Invariant: each step is an operation of its own that follows from the given one, so that a retry goes on where the first
// try ended. Fails as copying does.

import type { OperationId } from '../../mail/ids.ts';
import type { AccountPort, MailboxInfo } from '../port.ts';

/** `to` was made for it by `operation`. */
export async function emptyInbox(
  account: AccountPort,
  to: MailboxInfo,
  operation: OperationId,
): Promise<MailboxInfo> {
  const { info, uids } = await account.openMailbox({ role: 'inbox' }, { claimRecent: false });
  const move = `${operation}#move` as OperationId;
  await account.copy({ operation: move, from: info.id, uids, to: { id: to.id }, move: true });
  // RFC 5464 4.1: INBOX keeps its own.
  const changes = await account.annotations(info.id);
  const annotate = `${operation}#annotations` as OperationId;
  if (changes.length > 0) await account.setAnnotations({ operation: annotate, mailboxId: to.id, changes });
  return (await account.findMailbox({ id: to.id })) ?? to;
}
