// Tells what NOTIFY asked for (RFC 5465 section 5) of mailboxes that are not selected: STATUS, LIST and METADATA responses.
// The selected one is told by updates.ts. Invariant: whole lines only, and never two tellers of one session at a time. What
// could not be asked of the account is told with the next event.

import type { MailboxInfo, MailboxList } from '../../../account/port.ts';
import type { MailboxId } from '../../../mail/ids.ts';
import { formatList } from '../../../wire/imap/format-list.ts';
import { formatMetadataNames } from '../../../wire/imap/format-metadata.ts';
import type { StatusItem } from '../../../wire/imap/mailbox-command.ts';
import { ConnectionClosed } from '../../kit/connection.ts';
import { errorResponse } from '../mail-error-responses.ts';
import { isSelected } from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { MailboxTree } from '../mailbox-tree.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';
import { tellUpdates } from '../updates.ts';
import { type KnownMailbox, knownOf, type Notifications } from './notifications.ts';

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

/** Everything there is to tell but of the selected mailbox. Throws what the account throws. */
export async function tellNotifications(session: ImapSession): Promise<void> {
  const { notifications } = session;
  if (notifications === undefined) return;
  if (notifications.namesChanged) {
    notifications.namesChanged = false;
    await tellNames(session, notifications);
  }
  for (const mailboxId of notifications.changedMailboxes) {
    notifications.changedMailboxes.delete(mailboxId);
    await tellMailbox(session, notifications, mailboxId);
  }
  for (const [mailboxId, names] of notifications.changedAnnotations) {
    notifications.changedAnnotations.delete(mailboxId);
    tellAnnotations(session, notifications, mailboxId, [...names]);
  }
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
  mailboxId: MailboxId,
): Promise<void> {
  // RFC 5465 3.1: message events of the selected mailbox are those of SELECTED alone.
  const account = accountOf(session);
  if (isSelected(session, account, mailboxId)) return;
  const info = await account.findMailbox({ id: mailboxId });
  if (info === undefined || !info.selectable) return;
  const items = statusItems(session, notifications, info);
  const before = notifications.known.get(mailboxId);
  notifications.known.set(mailboxId, knownOf(info));
  if (items.length === 0 || before?.highestModSeq === info.highestModSeq) return;
  session.connection.write(await statusResponse(session, { ...info, account }, items));
  if (session.connection.congested) await session.connection.drain();
}

/** RFC 5465 5.1 to 5.3; nothing when what changed was not asked for. */
function statusItems(session: ImapSession, notifications: Notifications, info: MailboxInfo): StatusItem[] {
  const before = notifications.known.get(info.id);
  const items: StatusItem[] = [];
  const isCounted = before?.messages !== info.messages || before.uidNext !== info.uidNext;
  const flags = notifications.covers(info.name, 'flags');
  if (isCounted && notifications.covers(info.name, 'messages')) items.push('MESSAGES', 'UIDNEXT');
  if (flags && before?.unseen !== info.unseen) items.push('UNSEEN');
  if (session.condstore && (items.length > 0 || flags)) items.push('UIDVALIDITY', 'HIGHESTMODSEQ');
  return items;
}

async function tellNames(session: ImapSession, notifications: Notifications): Promise<void> {
  if (!notifications.wants('names') && !notifications.wants('subscriptions')) {
    // Mailboxes that come must be known, and RFC 5465 6.4: who is subscribed is looked at again.
    notifications.subscribed = new Set((await accountOf(session).listMailboxes()).subscriptions);
    return;
  }
  const list = await accountOf(session).listMailboxes();
  const tree = new MailboxTree(list);
  const oldNames = affectedNames(notifications, list);
  const known = new Map(notifications.known);
  const { subscribed } = notifications;
  notifications.remember(list);
  keepTold(notifications, known);
  const affected = new Set([...oldNames.keys()].filter((name) => notifications.covers(name, 'names')));
  for (const name of [...subscribed, ...notifications.subscribed]) {
    if (subscribed.has(name) === notifications.subscribed.has(name)) continue;
    if (notifications.covers(name, 'subscriptions')) affected.add(name);
  }
  for (const name of [...affected].sort()) {
    const attributes = tree.attributes(name);
    if (tree.subscribed.has(name)) attributes.push('\\Subscribed');
    const oldName = oldNames.get(name);
    const entry = { name, attributes, delimiter, ...(oldName === undefined ? {} : { oldName }) };
    session.connection.write(formatList('LIST', entry, session));
    if (session.connection.congested) await session.connection.drain();
  }
}

/** What the client knows of messages is not changed by names. */
function keepTold(notifications: Notifications, known: ReadonlyMap<MailboxId, KnownMailbox>): void {
  for (const [id, { name }] of notifications.known) {
    const before = known.get(id);
    if (before !== undefined) notifications.known.set(id, { ...before, name });
  }
}

/** Names of mailboxes that came, went or were renamed (with the old one), and the parents of the first two (5.4). */
function affectedNames(
  { known }: Notifications,
  { mailboxes }: MailboxList,
): Map<string, string | undefined> {
  const affected = new Map<string, string | undefined>();
  const renamed = new Map<string, string>();
  const there = new Set(mailboxes.map(({ id }) => id));
  const comesOrGoes = (name: string): void => {
    affected.set(name, undefined);
    const parent = name.slice(0, Math.max(0, name.lastIndexOf(delimiter)));
    if (parent !== '' && !affected.has(parent)) affected.set(parent, undefined);
  };
  for (const [id, { name }] of known) if (!there.has(id)) comesOrGoes(name);
  for (const { id, name } of mailboxes) {
    const before = known.get(id)?.name;
    if (before === undefined) comesOrGoes(name);
    else if (before !== name) renamed.set(name, before);
  }
  for (const [name, before] of renamed) {
    // What was renamed with its superior is not told.
    const end = name.lastIndexOf(delimiter);
    const beforeEnd = before.lastIndexOf(delimiter);
    const isWithParent =
      end > 0 && beforeEnd > 0 && renamed.get(name.slice(0, end)) === before.slice(0, beforeEnd);
    if (!isWithParent) affected.set(name, before);
  }
  return affected;
}

function tellAnnotations(
  session: ImapSession,
  notifications: Notifications,
  mailboxId: number,
  names: readonly string[],
): void {
  if (mailboxId === 0) {
    if (notifications.wants('serverMetadata'))
      session.connection.write(formatMetadataNames('', names, session));
    return;
  }
  const name = notifications.known.get(mailboxId as MailboxId)?.name;
  if (name === undefined || !notifications.covers(name, 'metadata')) return;
  session.connection.write(formatMetadataNames(name, names, session));
}
