// STATUS (RFC 9051 6.3.11).

import { MailError } from '../../../mail/mail-error.ts';
import type { StatusCommand } from '../../../wire/imap/mailbox-command.ts';
import { placedMailbox } from '../mailbox-location.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';

const done = ok('Status completed');

export async function status(session: ImapSession, command: StatusCommand): Promise<Reply> {
  const info = await placedMailbox(session, command.mailbox);
  // RFC 4314 section 4; of what may not be looked up nothing is told.
  if (!info.rights.includes('r')) {
    const kind = info.rights.includes('l') ? 'permissionDenied' : 'noSuchMailbox';
    throw new MailError(kind, 'its messages are not for this session');
  }
  if (!info.selectable) throw new MailError('mailboxNotSelectable', 'only a place');
  if (command.items.includes('HIGHESTMODSEQ')) session.enableCondstore();
  session.connection.write(await statusResponse(session, info, command.items));
  return done;
}
