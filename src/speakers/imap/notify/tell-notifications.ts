// Tells what NOTIFY asked for (RFC 5465 section 5) of mailboxes that are not selected: STATUS, LIST and METADATA responses.
// The selected one is told by updates.ts. Invariant: whole lines only, and never two tellers of one session at a time. What
// could not be asked of the account is told with the next event.

import type { MailboxInfo } from '../../../account/port.ts';
import type { MailboxId } from '../../../mail/ids.ts';
import { formatMetadataNames } from '../../../wire/imap/format-metadata.ts';
import type { StatusItem } from '../../../wire/imap/mailbox-command.ts';
import { formatStatusResponse } from '../../../wire/imap/response-code.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { errorResponse } from '../mail-error-responses.ts';
import { isSelected, type PlacedMailbox, placedAt } from '../mailbox-location.ts';
import type { ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';
import { tellUpdates } from '../updates.ts';
import type { Notifications } from './notifications.ts';
import { tellCome, tellNames } from './tell-names.ts';
import { rememberOthers, watchOthers } from './watch-others.ts';
import type { KnownMailbox, WatchedAccount } from './watched-account.ts';

/** Something happened: a session that idles or waits hears of it now. */
export function wakeSession(session: ImapSession): void {
  session.wake?.();
  notifyWaiting(session);
}

/** Begins to tell a session that waits for a command; one that runs a command tells at its end. */
export function notifyWaiting(session: ImapSession): void {
  const { notifications } = session;
  if (notifications === undefined || !session.waiting || session.notifying !== undefined) return;
  if (!notifications.pending && !isSelectedDue(session, notifications)) return;
  session.notifying = tellWaiting(session, notifications).finally(() => {
    session.notifying = undefined;
    // What happened while the last of it was told.
    if (session.waiting) notifyWaiting(session);
  });
}

/** Everything there is to tell but of the selected mailbox. Throws what the session's own account throws. */
export async function tellNotifications(session: ImapSession): Promise<void> {
  const { notifications } = session;
  if (notifications === undefined) return;
  await tellAccount(session, notifications, notifications.own);
  for (const watched of notifications.others.values()) {
    // Until there was too much of it.
    if (session.notifications !== notifications) return;
    await tellOthers(session, notifications, watched);
  }
}

/** Somebody else's account that is away keeps nobody from hearing of his own. */
async function tellOthers(
  session: ImapSession,
  notifications: Notifications,
  watched: WatchedAccount,
): Promise<void> {
  try {
    if (!watched.isClosed) return await tellAccount(session, notifications, watched);
    await tellNames(session, notifications, watched);
    session.stopWatching(watched);
  } catch (error) {
    if (errorResponse(error) === undefined) throw error;
    const { accountId: owner } = watched.account;
    session.connection.log.warn({ err: error, owner }, 'an account that is watched could not be asked');
  }
}

async function tellAccount(
  session: ImapSession,
  notifications: Notifications,
  watched: WatchedAccount,
): Promise<void> {
  try {
    await tellPending(session, notifications, watched);
  } catch (error) {
    watched.isOwed = true;
    throw error;
  }
}

async function tellPending(
  session: ImapSession,
  notifications: Notifications,
  watched: WatchedAccount,
): Promise<void> {
  if (watched.namesChanged) {
    watched.namesChanged = false;
    await tellNames(session, notifications, watched);
    watched.isOwed = false;
    // RFC 5465 6.4: the list is evaluated again.
    const isMore = watched === notifications.own && !(await tellSharers(session, notifications));
    if (isMore || notifications.isTooMuch) return overflow(session);
  }
  for (const mailboxId of watched.changedMailboxes) {
    watched.changedMailboxes.delete(mailboxId);
    await tellMailbox(session, notifications, { watched, mailboxId });
  }
  for (const [mailboxId, names] of watched.changedAnnotations) {
    watched.changedAnnotations.delete(mailboxId);
    tellAnnotations(session, notifications, { watched, mailboxId, names: [...names] });
  }
}

/** False: they are too many. */
async function tellSharers(session: ImapSession, notifications: Notifications): Promise<boolean> {
  const begun = await watchOthers(session, notifications);
  for (const other of begun ?? [])
    await tellCome(session, notifications, await rememberOthers(session, other));
  return begun !== undefined;
}

/** RFC 5465 5.8: from now on it is as after NOTIFY NONE. */
function overflow(session: ImapSession): void {
  const text = 'Too many mailboxes to watch';
  session.connection.write(formatStatusResponse('*', 'OK', text, 'NOTIFICATIONOVERFLOW'));
  session.notify(undefined);
  session.stale = session.view !== undefined;
}

/** SELECTED is told at once; SELECTED-DELAYED too, but for expunges (RFC 5465 6.1). */
function isSelectedDue(session: ImapSession, { selected }: Notifications): boolean {
  return session.state === 'selected' && session.stale && selected?.messages === true;
}

async function tellWaiting(session: ImapSession, notifications: Notifications): Promise<void> {
  const { connection } = session;
  try {
    if (isSelectedDue(session, notifications)) await tellUpdates(session, !notifications.selected!.delayed);
    await tellNotifications(session);
    if (session.farewell === undefined) return;
    connection.write(`* BYE ${session.farewell}\r\n`);
    await connection.end();
  } catch (error) {
    if (error instanceof ConnectionClosed) return;
    connection.log.warn({ err: error }, 'notifications could not be told');
    if (errorResponse(error) === undefined) connection.destroy();
  }
}

async function tellMailbox(
  session: ImapSession,
  notifications: Notifications,
  { watched, mailboxId }: { readonly watched: WatchedAccount; readonly mailboxId: MailboxId },
): Promise<void> {
  // RFC 5465 3.1: message events of the selected mailbox are those of SELECTED alone.
  const { account } = watched;
  if (isSelected(session, account, mailboxId)) return;
  const found = await account.findMailbox({ id: mailboxId });
  if (!isReadable(found)) return;
  let info: PlacedMailbox | undefined = placedAt(watched, found);
  // The event of its name may come behind that of its messages: a name that is not known yet is told first. It may have got
  // another one meanwhile, or be gone: what is told of its messages is of the same moment.
  if (!watched.isNameKnown(info)) {
    const mailboxes = await tellNames(session, notifications, watched);
    info = mailboxes.find(({ id }) => id === mailboxId);
    if (!isReadable(info)) return;
  }
  const before = watched.known.get(mailboxId);
  const items = statusItems(session, notifications, { info, before });
  watched.told(info);
  if (items.length === 0 || before?.highestModSeq === info.highestModSeq) return;
  session.connection.write(await statusResponse(session, info, items));
  if (session.connection.congested) await session.connection.drain();
}

/** Section 5: the rights l and r. */
function isReadable<Info extends MailboxInfo>(info: Info | undefined): info is Info {
  return info?.selectable === true && ['l', 'r'].every((right) => info.rights.includes(right));
}

/** RFC 5465 5.1 to 5.3; nothing when what changed was not asked for. */
function statusItems(
  session: ImapSession,
  notifications: Notifications,
  { info, before }: { readonly info: PlacedMailbox; readonly before: KnownMailbox | undefined },
): StatusItem[] {
  const items: StatusItem[] = [];
  const isCounted = before?.messages !== info.messages || before.uidNext !== info.uidNext;
  const flags = notifications.covers(info.name, 'flags');
  if (isCounted && notifications.covers(info.name, 'messages')) items.push('MESSAGES', 'UIDNEXT');
  if (flags && before?.unseen !== info.unseen) items.push('UNSEEN');
  if (session.condstore && (items.length > 0 || flags)) items.push('UIDVALIDITY', 'HIGHESTMODSEQ');
  return items;
}

function tellAnnotations(
  session: ImapSession,
  notifications: Notifications,
  told: { readonly watched: WatchedAccount; readonly mailboxId: number; readonly names: readonly string[] },
): void {
  if (told.mailboxId === 0) {
    if (notifications.wants('serverMetadata'))
      session.connection.write(formatMetadataNames('', told.names, session));
    return;
  }
  const known = told.watched.known.get(told.mailboxId as MailboxId);
  if (known?.readable !== true || !notifications.covers(known.name, 'metadata')) return;
  session.connection.write(formatMetadataNames(known.name, told.names, session));
}
