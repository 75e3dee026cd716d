// REPLACE and UID REPLACE (RFC 8508): a message comes and another goes, in one change. APPENDUID comes before the
// EXPUNGE (4.3), which the dispatcher's updates tell.

import type { Uid } from '../../../mail/ids.ts';
import type { ReplaceCommand } from '../../../wire/imap/message-command.ts';
import { formatStatusResponse } from '../../../wire/imap/response-code.ts';
import { resolveUids } from '../message-set.ts';
import { expungeIssued, no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { appendMessages } from './append.ts';

const done = ok('Replace completed');

export async function replace(session: ImapSession, command: ReplaceCommand): Promise<Reply> {
  const view = viewOf(session);
  if (view.readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  const uid = resolveUids(view, command.set, command.uid)[0];
  if (uid === undefined) return no('No such message', 'NONEXISTENT');
  if (view.isHeld(uid)) return expungeIssued;
  const { mailboxId } = view;
  const appended = await appendMessages(session, command, { mailboxId, uid: uid as Uid });
  if ('status' in appended) return appended;
  session.stale = true;
  const { code } = appended;
  if (code !== undefined)
    session.connection.write(formatStatusResponse('*', 'OK', 'Replacement is ready', code));
  return done;
}
