// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 6.3.7, 6.3.8).

import type { MailboxCommand } from '../../../wire/imap/mailbox-command.ts';
import { canonicalName } from '../mailbox-location.ts';
import { withoutTrailingDelimiter } from '../mailbox-names.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

export async function subscribe(session: ImapSession, command: MailboxCommand): Promise<Reply> {
  const subscribed = command.name === 'SUBSCRIBE';
  // Others' mailboxes too are subscribed to in the session's own account, by the names they have here.
  const name = canonicalName(withoutTrailingDelimiter(command.mailbox));
  await accountOf(session).setSubscribed({ operation: session.operation(), name, subscribed });
  return ok(subscribed ? 'Subscribe completed' : 'Unsubscribe completed');
}
