// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 6.3.7, 6.3.8).

import type { MailboxCommand } from '../../../wire/imap/command.ts';
import { withoutTrailingDelimiter } from '../mailbox-names.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

export async function subscribe(session: ImapSession, command: MailboxCommand): Promise<Reply> {
  const subscribed = command.name === 'SUBSCRIBE';
  const name = withoutTrailingDelimiter(command.mailbox);
  await accountOf(session).setSubscribed({ operation: session.operation(), name, subscribed });
  return ok(subscribed ? 'Subscribe completed' : 'Unsubscribe completed');
}
