// MOVE and UID MOVE (RFC 9051 6.4.8, RFC 6851), under a limit (RFC 9738): copy and expunge in one commit. COPYUID goes before the EXPUNGEs, in
// an untagged OK (RFC 6851 4.3).

import type { CopyCommand } from '../../../wire/imap/message-command.ts';
import { formatStatusResponse, numberCode } from '../../../wire/imap/response-code.ts';
import { highestOf, withLimit } from '../message-limit.ts';
import { resolveUids } from '../message-set.ts';
import { no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { copyMessages, noneThere } from './copy.ts';

export async function move(session: ImapSession, command: CopyCommand): Promise<Reply> {
  if (viewOf(session).readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  const named = resolveUids(viewOf(session), command.set, command.uid);
  const uids = highestOf(session, named);
  const lowestUid = uids === named ? undefined : uids[0]!;
  const outcome = await copyMessages(session, command, { uids, move: true });
  if ('status' in outcome) return outcome;
  if (outcome.targetUids.length === 0) return withLimit(session, noneThere(command), lowestUid);
  const { code } = outcome;
  if (code !== undefined) session.connection.write(formatStatusResponse('*', 'OK', 'Moved', code));
  session.stale = true;
  const reply = session.condstore
    ? ok('Move completed', numberCode('HIGHESTMODSEQ', outcome.modSeq))
    : ok('Move completed');
  return withLimit(session, reply, lowestUid);
}
