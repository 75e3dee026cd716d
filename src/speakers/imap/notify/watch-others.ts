// Which accounts of others a session watches for NOTIFY (RFC 5465): those that the event groups name mailboxes of and that
// share some with it. Invariant: bounded; what is watched is watched until the next NOTIFY, also while nothing is shared,
// because rights may come back (5.9).
// An account that cannot be asked now is looked at with its next event. Otherwise fails as the session's own account does.

import { errorResponse } from '../mail-error-responses.ts';
import { type PlacedMailbox, portOf, prefixOf } from '../mailbox-location.ts';
import { accountOf, type ImapSession } from '../session.ts';
import type { Notifications } from './notifications.ts';
import { WatchedAccount } from './watched-account.ts';

/** Each is a watch at the account's host. Half of the ports that a session keeps (mailbox-location.ts). */
const othersWatchedMax = 32;

/** Begins to watch the accounts that are not watched yet, and gives them. Undefined: they are too many. */
export async function watchOthers(
  session: ImapSession,
  notifications: Notifications,
): Promise<readonly WatchedAccount[] | undefined> {
  if (!notifications.mayNameOthers) return [];
  const { others } = notifications;
  const begun: WatchedAccount[] = [];
  for (const owner of await accountOf(session).accountsSharedWithMe()) {
    const prefix = prefixOf(owner);
    if (others.has(owner.accountId) || !notifications.reaches(prefix)) continue;
    if (others.size === othersWatchedMax) return undefined;
    const account = await portOf(session, owner);
    if (account === undefined) continue;
    const watched = new WatchedAccount(account, prefix);
    others.set(owner.accountId, watched);
    // Before anything of it is looked at, so that nothing that happens meanwhile is missed.
    session.environment.watches.join(account, session);
    begun.push(watched);
  }
  return begun;
}

/** Takes what is there for told. */
export async function rememberOthers(
  session: ImapSession,
  watched: WatchedAccount,
): Promise<readonly PlacedMailbox[]> {
  try {
    const { mailboxes } = await watched.list();
    watched.remember(mailboxes);
    return mailboxes;
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    watched.isOwed = true;
    const { accountId: owner } = watched.account;
    session.connection.log.warn({ err: error, owner }, 'an account that is watched could not be listed');
    return [];
  }
}
