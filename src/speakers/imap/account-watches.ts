// One watch an account and user of it, however many sessions he has that could begin now: events of the account mark the sessions that have the
// changed mailbox selected as stale and wake those that idle. Invariant: a watch is open exactly while sessions are joined; a
// guest's is his own, for it tells what he may know.
// Nothing here fails; what waking leads to is the session's business.

import type { AccountEvent, AccountPort } from '../../account/port.ts';
import type { AccountId, MailboxId } from '../../mail/ids.ts';
import { wakeSession } from './notify/tell-notifications.ts';
import type { WatchedAccount } from './notify/watched-account.ts';
import type { ImapSession } from './session.ts';

interface AccountWatch {
  readonly sessions: Set<ImapSession>;
  readonly stop: () => void;
}

export class AccountWatches {
  readonly #watches = new Map<string, AccountWatch>();

  join(account: AccountPort, session: ImapSession): void {
    const key = keyOf(account, session);
    const watch = this.#watches.get(key);
    if (watch !== undefined) {
      watch.sessions.add(session);
      return;
    }
    const sessions = new Set([session]);
    // Guests are not counted as sessions of the account.
    const isOwn = session.account?.accountId === account.accountId;
    const counted = { service: 'imap', count: () => sessions.size, epoch: session.epoch } as const;
    const told = (event: AccountEvent): void => tell(sessions, account.accountId, event);
    const stop = account.watch(told, isOwn ? counted : undefined);
    this.#watches.set(key, { sessions, stop });
  }

  /** The session acts for somebody: it ends with the login of the administrator whose account this is, begun under `epoch`. */
  watchActor(account: AccountPort, session: ImapSession, epoch: string | undefined): () => void {
    const told = (event: AccountEvent): void => {
      if (event.type === 'closed') tellOwn(session, event);
    };
    return account.watch(told, { service: 'imap', count: () => 0, epoch });
  }

  leave(account: AccountPort, session: ImapSession): void {
    const key = keyOf(account, session);
    const watch = this.#watches.get(key);
    if (watch === undefined || !watch.sessions.delete(session) || watch.sessions.size > 0) return;
    this.#watches.delete(key);
    watch.stop();
  }
}

function keyOf(account: AccountPort, session: ImapSession): string {
  return `${account.accountId} ${session.account?.accountId ?? ''} ${session.epoch ?? ''}`;
}

function tell(sessions: ReadonlySet<ImapSession>, accountId: AccountId, event: AccountEvent): void {
  for (const session of sessions) {
    if (session.account?.accountId === accountId) tellOwn(session, event);
    else tellGuest(session, accountId, event);
  }
}

/** Or may be: without a view a SELECT may be under way, whose snapshot is older than what happened. */
function isSelectedMailbox({ view }: ImapSession, mailboxId: MailboxId): boolean {
  return view === undefined || view.mailboxId === mailboxId;
}

/** Of an account whose mailbox the session has selected, or that it watches by NOTIFY; of others it hears by asking. */
function tellGuest(session: ImapSession, accountId: AccountId, event: AccountEvent): void {
  const watched = session.notifications?.others.get(accountId);
  if (watched !== undefined) noteIn(session, watched, event);
  if (watched !== undefined && event.type === 'closed') watched.isClosed = true;
  if (session.visits(accountId)) {
    if (event.type === 'closed') leaveSelected(session);
    else if (event.type === 'mailboxes') session.stale = true;
    else if (event.type === 'mailbox' && isSelectedMailbox(session, event.mailboxId)) session.stale = true;
  } else if (watched === undefined) return;
  wakeSession(session);
}

function tellOwn(session: ImapSession, event: AccountEvent): void {
  const { notifications } = session;
  if (notifications !== undefined && event.type !== 'closed') noteIn(session, notifications.own, event);
  const isSelected =
    session.view === undefined || session.view.account.accountId === session.account?.accountId;
  switch (event.type) {
    case 'mailbox':
      if (isSelected && isSelectedMailbox(session, event.mailboxId)) session.stale = true;
      else if (notifications === undefined) return;
      break;
    case 'mailboxes':
      // The selected mailbox may be among those deleted; asking costs little and happens rarely.
      if (isSelected) session.stale = true;
      break;
    case 'annotations':
      if (notifications?.wantsAnnotations !== true) return;
      break;
    case 'closed':
      session.farewell = 'Account is no longer available';
      if (session.waiting) sayFarewell(session, session.farewell);
      break;
  }
  wakeSession(session);
}

/** What of it NOTIFY asked to be told of. */
function noteIn({ notifications }: ImapSession, watched: WatchedAccount, event: AccountEvent): void {
  if (event.type === 'mailbox' && notifications?.wants('messages') !== true) return;
  if (event.type === 'annotations' && notifications?.wantsAnnotations !== true) return;
  watched.happened(event);
}

/** The account is closed: as if the mailbox had been deleted. */
function leaveSelected(session: ImapSession): void {
  session.farewell = 'Selected mailbox is no longer there';
  if (session.waiting) sayFarewell(session, session.farewell);
}

/** A session that waits for a command hears it now; one that runs a command at its end. */
function sayFarewell(session: ImapSession, farewell: string): void {
  session.connection.write(`* BYE ${farewell}\r\n`);
  void session.connection.end();
}
