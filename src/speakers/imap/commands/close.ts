// CLOSE (RFC 9051 6.4.1): expunges without telling, unless read-only, and leaves the mailbox.

import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession, viewOf } from '../session.ts';

const done = ok('Close completed');

export async function close(session: ImapSession): Promise<Reply> {
  const view = viewOf(session);
  const operation = session.operation();
  if (!view.readOnly) {
    const { mailboxId } = view;
    await accountOf(session).expunge({ operation, mailboxId, uids: undefined, anyFlags: false });
  }
  session.unselect();
  return done;
}
