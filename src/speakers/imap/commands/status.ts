// STATUS (RFC 9051 6.3.11).

import { MailError } from '../../../mail/mail-error.ts';
import type { StatusCommand } from '../../../wire/imap/command.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';

const done = ok('Status completed');

export async function status(session: ImapSession, command: StatusCommand): Promise<Reply> {
  const info = await accountOf(session).findMailbox({ name: command.mailbox });
  if (info === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  if (!info.selectable) throw new MailError('mailboxNotSelectable', 'only a place');
  session.connection.write(await statusResponse(session, info, command.items));
  return done;
}
