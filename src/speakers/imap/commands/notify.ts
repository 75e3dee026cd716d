// NOTIFY (RFC 5465): replaces what the client wants to be told of unasked. The selected mailbox is told by the
// dispatcher's updates, as after a NOOP (3.1).

import type { NotifyCommand, StatusItem } from '../../../wire/imap/mailbox-command.ts';
import { isSelected, type PlacedMailbox } from '../mailbox-location.ts';
import { Notifications } from '../notify/notifications.ts';
import { tellUnreadable } from '../notify/tell-names.ts';
import { rememberOthers, watchOthers } from '../notify/watch-others.ts';
import { no, ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';

const done = ok('Notify completed');
const tooMuch = no('Too many mailboxes to watch', 'NOTIFICATIONOVERFLOW');

export async function notify(session: ImapSession, command: NotifyCommand): Promise<Reply> {
  const notifications = new Notifications(accountOf(session), command);
  const before = session.notifications;
  // Before the lists are taken, so that nothing that happens meanwhile is missed.
  session.notify(notifications);
  try {
    if (command.groups.length > 0) {
      const mailboxes = await watched(session, notifications);
      if (mailboxes === undefined || notifications.isTooMuch) {
        session.notify(before);
        return tooMuch;
      }
      await tellUnreadable(session, notifications, mailboxes);
      if (command.status) await tellStatus(session, notifications, mailboxes);
    }
  } catch (error) {
    session.notify(before);
    throw error;
  }
  // What was kept back by the one before is told now.
  session.stale = session.view !== undefined;
  return done;
}

/** All mailboxes that may be told of, taken for told. Undefined: they are in too many accounts. */
async function watched(
  session: ImapSession,
  notifications: Notifications,
): Promise<readonly PlacedMailbox[] | undefined> {
  const { mailboxes, subscriptions } = await notifications.own.list();
  notifications.own.remember(mailboxes);
  notifications.subscribed = new Set(subscriptions);
  const others = await watchOthers(session, notifications);
  if (others === undefined) return undefined;
  const all = [...mailboxes];
  for (const other of others) all.push(...(await rememberOthers(session, other)));
  return all;
}

/** RFC 5465 3.1: of those that are not selected. */
async function tellStatus(
  session: ImapSession,
  notifications: Notifications,
  mailboxes: readonly PlacedMailbox[],
): Promise<void> {
  for (const info of mailboxes) {
    if (!info.selectable || !info.rights.includes('r') || isSelected(session, info.account, info.id))
      continue;
    const items: StatusItem[] = [];
    if (notifications.covers(info.name, 'messages')) items.push('MESSAGES', 'UIDNEXT', 'UIDVALIDITY');
    if (notifications.covers(info.name, 'flags')) items.push('HIGHESTMODSEQ');
    if (items.length === 0) continue;
    session.connection.write(await statusResponse(session, info, items));
    if (session.connection.congested) await session.connection.drain();
  }
}
