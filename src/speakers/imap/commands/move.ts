// MOVE and UID MOVE (RFC 9051 6.4.8, RFC 6851): copy and expunge in one commit. COPYUID goes before the EXPUNGEs, in
// an untagged OK (RFC 6851 4.3).

import type { CopyCommand } from '../../../wire/imap/command.ts';
import { formatStatusResponse, numberCode } from '../../../wire/imap/response-code.ts';
import { no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { copiedCode, copyMessages } from './copy.ts';

export async function move(session: ImapSession, command: CopyCommand): Promise<Reply> {
  if (viewOf(session).readOnly) return no('Mailbox is selected read-only', 'NOPERM');
  const outcome = await copyMessages(session, command, true);
  if ('status' in outcome) return outcome;
  if (outcome.targetUids.length === 0) return ok('No messages to move');
  session.connection.write(formatStatusResponse('*', 'OK', 'Moved', copiedCode(outcome)));
  session.stale = true;
  return session.condstore
    ? ok('Move completed', numberCode('HIGHESTMODSEQ', outcome.modSeq))
    : ok('Move completed');
}
