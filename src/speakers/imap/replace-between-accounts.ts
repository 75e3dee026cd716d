// REPLACE (RFC 8508) whose new message goes into another account than the one the old message is in: it is stored there,
// then the old one is expunged. Invariant: the old message goes only after the new one is durable; a crash in between, or an
// account that cannot be reached then, leaves both, never neither. When taking the old one away is refused, the new one is
// taken back.
// Fails as both accounts do.

import type { AccountPort, Appended, AppendOptions, ReplaceOptions } from '../../account/port.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { requireTakingAway } from './copy-between-accounts.ts';
import { errorResponse } from './mail-error-responses.ts';
import { type ImapSession, viewOf } from './session.ts';

/** `replaces`: of the view. `append.target`: in `account`. */
export async function replaceBetweenAccounts(
  session: ImapSession,
  account: AccountPort,
  { append, replaces }: { readonly append: AppendOptions; readonly replaces: ReplaceOptions['replaces'] },
): Promise<Appended> {
  const source = viewOf(session).account;
  const { mailboxId } = replaces;
  const uids = Uint32Array.of(replaces.uid);
  // Before anything is stored: what cannot be taken away would be there twice.
  const from = await source.findMailbox({ id: mailboxId });
  if (from !== undefined) requireTakingAway(from);
  if (from === undefined || (await source.columns(mailboxId, uids)).uids.length === 0)
    throw new MailError('noSuchMessage', 'the message is gone');
  const appended = await account.append(append);
  try {
    // If somebody else was quicker, it has gone as well.
    await source.expunge({ operation: session.operation(), mailboxId, uids, anyFlags: true });
  } catch (error) {
    // With any other failure it may have happened, or may yet.
    if (isMailError(error) && !isMailError(error, 'unavailable')) await takeBack(session, account, appended);
    throw error;
  }
  return appended;
}

/** What was stored, where the rights allow it; what they do not allow is logged. */
async function takeBack(
  session: ImapSession,
  account: AccountPort,
  { mailboxId, uids }: Appended,
): Promise<void> {
  const operation = session.operation();
  try {
    await account.expunge({ operation, mailboxId, uids, anyFlags: true });
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    session.connection.log.warn({ err: error }, 'what was stored could not be taken back');
  }
}
