// CLOSE (RFC 9051 6.4.1): expunges without telling, unless read-only or without the right (RFC 4314 section 4), and leaves
// the mailbox.

import type { OperationId } from '../../../mail/ids.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import type { MailboxView } from '../view.ts';

const done = ok('Close completed');

export async function close(session: ImapSession): Promise<Reply> {
  const view = viewOf(session);
  const operation = session.operation();
  if (!view.readOnly && view.rights.includes('e')) await expungeIfAllowed(view, operation);
  session.unselect();
  return done;
}

/** The right may have been taken since the mailbox was opened. */
async function expungeIfAllowed({ account, mailboxId }: MailboxView, operation: OperationId): Promise<void> {
  try {
    await account.expunge({ operation, mailboxId, uids: undefined, anyFlags: false });
  } catch (error) {
    if (!isMailError(error, 'permissionDenied')) throw error;
  }
}
