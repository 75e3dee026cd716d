// RENAME (RFC 9051 6.3.6). A revision 2 session is told the mailbox as another's rename would be told it: LIST with OLDNAME.

import { normalName } from '../../../account/mailbox-name.ts';
import type { RenameCommand } from '../../../wire/imap/mailbox-command.ts';
import { locate, type PlacedMailbox, placedAt, placedMailbox } from '../mailbox-location.ts';
import { withoutTrailingDelimiter } from '../mailbox-names.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { listOfNamed } from '../told-names.ts';

const done = ok('Rename completed');
/**
 * It would be a copy and a deletion: no such thing is done at once in two accounts, so a crash would leave a tree in halves,
 * where RENAME is all or nothing; the mailboxes would lose their MAILBOXIDs (RFC 8474 section 4: they MUST keep them), UIDs and
 * lists of rights. Clients that are told so create, move and delete by themselves, and know what they got.
 */
const otherAccount = no('Not from one account to another', 'CANNOT');

export async function rename(session: ImapSession, command: RenameCommand): Promise<Reply> {
  const from = await locate(session, command.from);
  const to = await locate(session, withoutTrailingDelimiter(command.to));
  const { account } = from;
  if (to.account.accountId !== account.accountId) {
    // Of what is not there, or not to be known of, that is told first.
    await placedMailbox(session, command.from);
    return otherAccount;
  }
  const info = await account.renameMailbox({ operation: session.operation(), from: from.name, to: to.name });
  if (session.revision2) session.connection.write(told(session, command, placedAt(to, info)));
  return done;
}

/** INBOX is there as before: nothing is told of it, unless the new name was written in another way than it is kept. */
function told(session: ImapSession, { from, to }: RenameCommand, mailbox: PlacedMailbox): string {
  const isInbox = normalName(from) === 'INBOX';
  return isInbox && mailbox.name === withoutTrailingDelimiter(to) ? '' : listOfNamed(session, mailbox, from);
}
