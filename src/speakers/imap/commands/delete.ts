// DELETE (RFC 9051 6.3.5), with the LIST of a name that was written in another way. The session's own selected mailbox may be
// deleted: it is then selected no more.

import { isMailError } from '../../../mail/mail-error.ts';
import type { MailboxCommand } from '../../../wire/imap/mailbox-command.ts';
import { isSelected, locate } from '../mailbox-location.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { tellNameOf } from '../told-names.ts';

const done = ok('Delete completed');

export async function deleteMailbox(session: ImapSession, command: MailboxCommand): Promise<Reply> {
  const location = await locate(session, command.mailbox);
  const { account, name } = location;
  const mailbox = session.view === undefined ? undefined : await account.findMailbox({ name });
  try {
    await account.deleteMailbox({ operation: session.operation(), name });
  } catch (error) {
    if (!isMailError(error, 'conflict')) throw error;
    return no('Only a place for the mailboxes in it', 'HASCHILDREN');
  }
  if (mailbox !== undefined && isSelected(session, account, mailbox.id)) session.unselect();
  await tellNameOf(session, location, command.mailbox);
  return done;
}
