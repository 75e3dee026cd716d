// One watch an account, however many sessions it has: events of the account mark the sessions that have the changed
// mailbox selected as stale and wake those that idle. Invariant: a watch is open exactly while sessions are joined.
// Nothing here fails; what waking leads to is the session's business.

import type { AccountEvent, AccountPort } from '../../account/port.ts';
import type { AccountId } from '../../mail/ids.ts';
import { wakeSession } from './notify/tell-notifications.ts';
import type { ImapSession } from './session.ts';

interface AccountWatch {
  readonly sessions: Set<ImapSession>;
  readonly stop: () => void;
}

export class AccountWatches {
  readonly #watches = new Map<AccountId, AccountWatch>();

  join(account: AccountPort, session: ImapSession): void {
    const watch = this.#watches.get(account.accountId);
    if (watch !== undefined) {
      watch.sessions.add(session);
      return;
    }
    const sessions = new Set([session]);
    const stop = account.watch((event) => tell(sessions, event));
    this.#watches.set(account.accountId, { sessions, stop });
  }

  leave(accountId: AccountId, session: ImapSession): void {
    const watch = this.#watches.get(accountId);
    if (watch === undefined || !watch.sessions.delete(session) || watch.sessions.size > 0) return;
    this.#watches.delete(accountId);
    watch.stop();
  }
}

function tell(sessions: ReadonlySet<ImapSession>, event: AccountEvent): void {
  for (const session of sessions) {
    switch (event.type) {
      case 'mailbox':
        if (session.notifications?.wants('messages'))
          session.notifications.changedMailboxes.add(event.mailboxId);
        // Without a view a SELECT may be under way, whose snapshot is older than this.
        if (session.view === undefined || session.view.mailboxId === event.mailboxId) session.stale = true;
        else if (session.notifications === undefined) continue;
        break;
      case 'mailboxes':
        // The selected mailbox may be among those deleted; asking costs little and happens rarely.
        session.stale = true;
        if (session.notifications !== undefined) session.notifications.namesChanged = true;
        break;
      case 'annotations':
        if (session.notifications?.wantsAnnotations !== true) continue;
        session.notifications.annotationsChanged(event.mailboxId, event.names);
        break;
      case 'closed':
        session.farewell = 'Account is no longer available';
        if (session.waiting) sayFarewell(session, session.farewell);
        break;
    }
    wakeSession(session);
  }
}

/** A session that waits for a command hears it now; one that runs a command at its end. */
function sayFarewell(session: ImapSession, farewell: string): void {
  session.connection.write(`* BYE ${farewell}\r\n`);
  void session.connection.end();
}
