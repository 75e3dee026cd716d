// COPY and UID COPY (RFC 9051 6.4.7), with COPYUID (RFC 4315).

import type { Copied } from '../../../account/port.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import type { CopyCommand } from '../../../wire/imap/command.ts';
import { copyUidCode, type ResponseCode } from '../../../wire/imap/response-code.ts';
import { resolveUids } from '../message-set.ts';
import { expungeIssued, no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession, viewOf } from '../session.ts';

export async function copy(session: ImapSession, command: CopyCommand): Promise<Reply> {
  const outcome = await copyMessages(session, command, false);
  if ('status' in outcome) return outcome;
  if (outcome.targetUids.length === 0) return ok('No messages to copy');
  if (outcome.to === viewOf(session).mailboxId) session.stale = true;
  return ok('Copy completed', copiedCode(outcome));
}

export function copiedCode(copied: Copied): ResponseCode {
  return copyUidCode(copied.uidValidity, copied.sourceUids, copied.targetUids);
}

/** What was copied or moved, or the answer that says why nothing was. */
export async function copyMessages(
  session: ImapSession,
  command: CopyCommand,
  move: boolean,
): Promise<Copied | Reply> {
  const view = viewOf(session);
  const uids = resolveUids(view, command.set, command.uid);
  if (uids.length === 0) return ok('No messages matched');
  // RFC 9051 6.4.7: all or none; one that is known to be gone would be missing.
  if (!command.uid && view.owesExpunge && uids.some((uid) => view.isHeld(uid))) return expungeIssued;
  const operation = session.operation();
  const to = { name: command.mailbox };
  try {
    return await accountOf(session).copy({ operation, from: view.mailboxId, uids, to, move });
  } catch (error) {
    if (!isMailError(error, 'noSuchMailbox')) throw error;
    // RFC 9051 6.4.7: the client may create it and try again.
    return no('No such mailbox', 'TRYCREATE');
  }
}
