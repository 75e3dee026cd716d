// EXPUNGE and UID EXPUNGE (RFC 9051 6.4.3, 6.4.9, RFC 4315; a limit for the latter, RFC 9738). The EXPUNGE responses are the dispatcher's updates.

import type { ExpungeCommand } from '../../../wire/imap/message-command.ts';
import { numberCode } from '../../../wire/imap/response-code.ts';
import type { SequenceSet } from '../../../wire/imap/sequence-set.ts';
import { highestOf, isTooMany, withLimit } from '../message-limit.ts';
import { resolveUids } from '../message-set.ts';
import { no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import type { MailboxView } from '../view.ts';

const done = ok('Expunge completed');

export async function expunge(session: ImapSession, command: ExpungeCommand): Promise<Reply> {
  const view = viewOf(session);
  if (view.readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  const named = command.set === undefined ? undefined : await namedUids(session, view, command.set);
  if (named?.length === 0) return done;
  const uids = named && highestOf(session, named);
  const lowestUid = uids === named ? undefined : uids![0]!;
  const { mailboxId } = view;
  const operation = session.operation();
  const expunged = await view.account.expunge({ operation, mailboxId, uids, anyFlags: false });
  if (expunged.uids.length === 0) return withLimit(session, done, lowestUid);
  // Ours are told with this answer, whatever the order of events.
  session.stale = true;
  // RFC 7162 3.2.7: what the client knows afterwards.
  const reply = session.condstore
    ? ok('Expunge completed', numberCode('HIGHESTMODSEQ', expunged.modSeq))
    : done;
  return withLimit(session, reply, lowestUid);
}

/** When they are too many for one command, those alone that there is anything to do about. */
async function namedUids(session: ImapSession, view: MailboxView, set: SequenceSet): Promise<Uint32Array> {
  const uids = resolveUids(view, set);
  if (!isTooMany(session, uids.length)) return uids;
  const named = new Set(uids);
  const deleted = await view.account.search(view.mailboxId, { type: 'flag', name: '\\Deleted', set: true });
  return deleted.filter((uid) => named.has(uid));
}
