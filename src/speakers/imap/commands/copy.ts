// COPY and UID COPY (RFC 9051 6.4.7), with COPYUID (RFC 4315), refused beyond the limit (RFC 9738).

import type { Copied } from '../../../account/port.ts';
import type { CopyCommand } from '../../../wire/imap/message-command.ts';
import { copyUidCode, type ResponseCode } from '../../../wire/imap/response-code.ts';
import { copyBetweenAccounts } from '../copy-between-accounts.ts';
import { locate, noSuchTarget, tellsUids } from '../mailbox-location.ts';
import { isTooMany, tooManyMessages } from '../message-limit.ts';
import { resolveUids } from '../message-set.ts';
import { expungeIssued, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';

export async function copy(session: ImapSession, command: CopyCommand): Promise<Reply> {
  const uids = resolveUids(viewOf(session), command.set, command.uid);
  if (isTooMany(session, uids.length)) return tooManyMessages(session, uids);
  const outcome = await copyMessages(session, command, { uids, move: false });
  if ('status' in outcome) return outcome;
  if (outcome.targetUids.length === 0) return noneThere(command);
  if (outcome.to === viewOf(session).mailboxId) session.stale = true;
  return ok('Copy completed', outcome.code);
}

/**
 * The answer when everything has gone that was to be copied or moved: a UID without a message is no error (RFC 9051 6.4.9), the
 * number of a message that the client was not told to be gone is one (RFC 5530: EXPUNGEISSUED).
 */
export function noneThere(command: CopyCommand): Reply {
  return command.uid ? ok('No messages matched') : expungeIssued;
}

/** What was copied or moved, with COPYUID where the session may know; or the answer that says why nothing was. */
export async function copyMessages(
  session: ImapSession,
  command: CopyCommand,
  { uids, move }: { readonly uids: Uint32Array; readonly move: boolean },
): Promise<(Copied & { readonly code: ResponseCode | undefined }) | Reply> {
  const view = viewOf(session);
  if (uids.length === 0) return ok('No messages matched');
  // RFC 9051 6.4.7: all or none; one that is known to be gone would be missing.
  if (!command.uid && view.owesExpunge && uids.some((uid) => view.isHeld(uid))) return expungeIssued;
  try {
    const to = await locate(session, command.mailbox);
    const tells = await tellsUids(to);
    const copied =
      to.account.accountId === view.account.accountId
        ? await copyWithin(session, { view, uids, to, move })
        : await copyBetweenAccounts(session, { view, uids, to, move });
    const { uidValidity, sourceUids, targetUids } = copied;
    return { ...copied, code: tells ? copyUidCode(uidValidity, sourceUids, targetUids) : undefined };
  } catch (error) {
    return noSuchTarget(error, command.mailbox);
  }
}

function copyWithin(
  session: ImapSession,
  { view, uids, to, move }: Parameters<typeof copyBetweenAccounts>[1],
): Promise<Copied> {
  const { mailboxId: from, account } = view;
  return account.copy({ operation: session.operation(), from, uids, to: { name: to.name }, move });
}
