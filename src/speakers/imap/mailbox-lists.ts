// The mailboxes that a session may see, its own and others', under the names that its client knows them by: for the commands
// that look at many. Built for one command from one answer of each account.
// An account of somebody else that cannot be asked just now has no mailboxes meanwhile: it must not keep anybody from his
// own. Otherwise fails as the session's own account does.

import type { AccountPort, MailboxInfo, SharedOwner } from '../../account/port.ts';
import { errorResponse } from './mail-error-responses.ts';
import { type PlacedMailbox, placedAt, portOf, prefixOf } from './mailbox-location.ts';
import { accountOf, type ImapSession } from './session.ts';

export interface PlacedMailboxes {
  readonly mailboxes: readonly PlacedMailbox[];
  /** Names; others' too. */
  readonly subscriptions: readonly string[];
  /** `Other Users/ann@example.org`: where others' mailboxes are. */
  readonly places: readonly string[];
}

export interface WantedOwners {
  /** Whether some owner's place may matter; false: nobody is asked for. */
  readonly any: boolean;
  /** Whether names that begin with this may matter. */
  readonly under: (prefix: string, subscriptions: readonly string[]) => boolean;
}

export async function placedMailboxes(session: ImapSession, wanted: WantedOwners): Promise<PlacedMailboxes> {
  const account = accountOf(session);
  const { mailboxes: own, subscriptions } = await account.listMailboxes();
  const mailboxes = own.map((info) => placedAt({ account, prefix: '' }, info));
  if (!wanted.any) return { mailboxes, subscriptions, places: [] };
  const owners = await account.accountsSharedWithMe();
  const places: string[] = [];
  for (const owner of owners) {
    const prefix = prefixOf(owner);
    places.push(prefix.slice(0, -1));
    if (!wanted.under(prefix, subscriptions)) continue;
    for (const { info, account: other } of await mailboxesOf(session, owner))
      mailboxes.push(placedAt({ account: other, prefix }, info));
  }
  return { mailboxes, subscriptions, places };
}

async function mailboxesOf(
  session: ImapSession,
  owner: SharedOwner,
): Promise<{ readonly info: MailboxInfo; readonly account: AccountPort }[]> {
  try {
    const account = await portOf(session, owner);
    if (account === undefined) return [];
    return (await account.listMailboxes()).mailboxes.map((info) => ({ info, account }));
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    const { log } = session.connection;
    log.warn({ err: error, owner: owner.accountId }, 'an account that is shared could not be listed');
    return [];
  }
}
