// DELETE (RFC 9051 6.3.5). The session's own selected mailbox may be deleted: it is then selected no more.

import type { MailboxCommand } from '../../../wire/imap/command.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

const done = ok('Delete completed');

export async function deleteMailbox(session: ImapSession, command: MailboxCommand): Promise<Reply> {
  const account = accountOf(session);
  const name = command.mailbox;
  const selectedId = session.view?.mailboxId;
  const mailbox = selectedId === undefined ? undefined : await account.findMailbox({ name });
  await account.deleteMailbox({ operation: session.operation(), name });
  if (mailbox !== undefined && mailbox.id === selectedId) session.unselect();
  return done;
}
