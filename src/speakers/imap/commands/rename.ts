// RENAME (RFC 9051 6.3.6).

import type { RenameCommand } from '../../../wire/imap/command.ts';
import { withoutTrailingDelimiter } from '../mailbox-names.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

const done = ok('Rename completed');

export async function rename(session: ImapSession, command: RenameCommand): Promise<Reply> {
  const { from } = command;
  const to = withoutTrailingDelimiter(command.to);
  await accountOf(session).renameMailbox({ operation: session.operation(), from, to });
  return done;
}
