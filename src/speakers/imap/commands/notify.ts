// NOTIFY (RFC 5465): replaces what the client wants to be told of unasked. The selected mailbox is told by the
// dispatcher's updates, as after a NOOP (3.1).

import type { MailboxList } from '../../../account/port.ts';
import type { NotifyCommand, StatusItem } from '../../../wire/imap/mailbox-command.ts';
import { isSelected } from '../mailbox-location.ts';
import { Notifications } from '../notify/notifications.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';

/** Of an account whose mailboxes are watched: each is kept in the session's memory. */
const watchedMailboxesMax = 2000;

const done = ok('Notify completed');

export async function notify(session: ImapSession, command: NotifyCommand): Promise<Reply> {
  const notifications = new Notifications(command.selected, command.groups);
  const before = session.notifications;
  // Before the list is taken, so that nothing that happens meanwhile is missed.
  session.notifications = notifications;
  try {
    if (command.groups.length > 0) {
      const list = await accountOf(session).listMailboxes();
      if (list.mailboxes.length > watchedMailboxesMax) {
        session.notifications = before;
        return no('Too many mailboxes to watch', 'NOTIFICATIONOVERFLOW');
      }
      notifications.remember(list);
      if (command.status) await tellStatus(session, notifications, list);
    }
  } catch (error) {
    session.notifications = before;
    throw error;
  }
  // What was kept back by the one before is told now.
  session.stale = session.view !== undefined;
  return done;
}

/** RFC 5465 3.1: of those that are not selected. */
async function tellStatus(
  session: ImapSession,
  notifications: Notifications,
  { mailboxes }: MailboxList,
): Promise<void> {
  for (const info of mailboxes) {
    const account = accountOf(session);
    if (!info.selectable || isSelected(session, account, info.id)) continue;
    const items: StatusItem[] = [];
    if (notifications.covers(info.name, 'messages')) items.push('MESSAGES', 'UIDNEXT', 'UIDVALIDITY');
    if (notifications.covers(info.name, 'flags')) items.push('HIGHESTMODSEQ');
    if (items.length === 0) continue;
    // The client did not ask for CONDSTORE by it.
    const { condstore } = session;
    session.connection.write(await statusResponse(session, { ...info, account }, items));
    session.condstore = condstore;
    if (session.connection.congested) await session.connection.drain();
  }
}
