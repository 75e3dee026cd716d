// RENAME (RFC 9051 6.3.6).

import type { RenameCommand } from '../../../wire/imap/mailbox-command.ts';
import { locate, placedMailbox } from '../mailbox-location.ts';
import { withoutTrailingDelimiter } from '../mailbox-names.ts';
import { no, ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';

const done = ok('Rename completed');
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
  await account.renameMailbox({ operation: session.operation(), from: from.name, to: to.name });
  return done;
}
