// EXPUNGE and UID EXPUNGE (RFC 9051 6.4.3, 6.4.9, RFC 4315). The EXPUNGE responses are the dispatcher's updates.

import type { ExpungeCommand } from '../../../wire/imap/command.ts';
import { numberCode } from '../../../wire/imap/response-code.ts';
import { resolveUids } from '../message-set.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession, viewOf } from '../session.ts';

const done = ok('Expunge completed');

export async function expunge(session: ImapSession, command: ExpungeCommand): Promise<Reply> {
  const view = viewOf(session);
  if (view.readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  const uids = command.set === undefined ? undefined : resolveUids(view, command.set);
  if (uids?.length === 0) return done;
  const { mailboxId } = view;
  const operation = session.operation();
  const expunged = await accountOf(session).expunge({ operation, mailboxId, uids, anyFlags: false });
  if (expunged.uids.length === 0) return done;
  // Ours are told with this answer, whatever the order of events.
  session.stale = true;
  // RFC 7162 3.2.7: what the client knows afterwards.
  return session.condstore ? ok('Expunge completed', numberCode('HIGHESTMODSEQ', expunged.modSeq)) : done;
}
