// The LIST responses of NOTIFY (RFC 5465 5.4, 5.5, 5.9): names that came, went or were renamed, rights and subscriptions
// that changed. A right to look up that was taken is told as a mailbox that went: what is not shared is not told from what
// is not there; so 5.9's \NoAccess is only for mailboxes that may be looked up and not read.
// Fails as the account does; the names are then told with the next event.

import type { MailboxId } from '../../../mail/ids.ts';
import { formatList } from '../../../wire/imap/format-list.ts';
import { placedMailboxes } from '../mailbox-lists.ts';
import { isOthersName, type PlacedMailbox } from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { MailboxTree } from '../mailbox-tree.ts';
import type { ImapSession } from '../session.ts';
import type { Notifications } from './notifications.ts';
import type { KnownMailbox, WatchedAccount } from './watched-account.ts';

/** Looks at the account's names again, and tells what of it was asked for. */
export async function tellNames(
  session: ImapSession,
  notifications: Notifications,
  watched: WatchedAccount,
): Promise<void> {
  // Who is closed out is told that nothing is there.
  const { mailboxes, subscriptions } = watched.isClosed
    ? { mailboxes: [], subscriptions: [] }
    : await watched.list();
  const oldNames = affectedNames(watched.known, mailboxes);
  const affected = new Set([...oldNames.keys()].filter((name) => notifications.covers(name, 'names')));
  for (const name of readableOrNot(watched.known, mailboxes)) {
    if (notifications.watches(name)) affected.add(name);
  }
  const changed = watched.rememberNames(mailboxes);
  if (notifications.wants('messages')) for (const id of changed) watched.changedMailboxes.add(id);
  let tree = new MailboxTree<PlacedMailbox>({ mailboxes, subscriptions: [] });
  if (watched === notifications.own) {
    const subscribing = changedSubscriptions(notifications, subscriptions);
    if (subscribing.some(isOthersName)) tree = await treeWith(session, subscribing);
    for (const name of subscribing) affected.add(name);
  }
  await tellLists(session, notifications, { tree, names: [...affected].sort(), oldNames });
}

/** Mailboxes of an account that has just begun to be watched: their names are new, of their messages nothing is. */
export async function tellCome(
  session: ImapSession,
  notifications: Notifications,
  mailboxes: readonly PlacedMailbox[],
): Promise<void> {
  const oldNames = affectedNames(new Map(), mailboxes);
  const names = [...oldNames.keys()].filter((name) => notifications.covers(name, 'names'));
  const tree = new MailboxTree<PlacedMailbox>({ mailboxes, subscriptions: [] });
  await tellLists(session, notifications, { tree, names: names.sort(), oldNames });
}

/** RFC 5465 3.1: mailboxes that were named and may not be read. */
export async function tellUnreadable(
  session: ImapSession,
  notifications: Notifications,
  mailboxes: readonly PlacedMailbox[],
): Promise<void> {
  const named = mailboxes.filter(({ name, rights }) => !rights.includes('r') && notifications.watches(name));
  const tree = new MailboxTree<PlacedMailbox>({ mailboxes, subscriptions: [] });
  await tellLists(session, notifications, {
    tree,
    names: named.map(({ name }) => name),
    oldNames: new Map(),
  });
}

async function tellLists(
  session: ImapSession,
  { subscribed }: Notifications,
  told: {
    readonly tree: MailboxTree<PlacedMailbox>;
    readonly names: readonly string[];
    readonly oldNames: ReadonlyMap<string, string | undefined>;
  },
): Promise<void> {
  for (const name of told.names) {
    const attributes = told.tree.attributes(name);
    if (told.tree.mailboxes.get(name)?.rights.includes('r') === false) attributes.push('\\NoAccess');
    if (subscribed.has(name)) attributes.push('\\Subscribed');
    const oldName = told.oldNames.get(name);
    const entry = { name, attributes, delimiter, ...(oldName === undefined ? {} : { oldName }) };
    session.connection.write(formatList('LIST', entry, session));
    if (session.connection.congested) await session.connection.drain();
  }
}

/** Takes the subscriptions for told; those that came or went and were asked for. */
function changedSubscriptions(notifications: Notifications, subscriptions: readonly string[]): string[] {
  const before = notifications.subscribed;
  const now = new Set(subscriptions);
  // RFC 5465 6.4: what went was covered before, what came is now.
  const went = [...before].filter((name) => !now.has(name) && notifications.covers(name, 'subscriptions'));
  notifications.subscribed = now;
  const came = subscriptions.filter(
    (name) => !before.has(name) && notifications.covers(name, 'subscriptions'),
  );
  return [...went, ...came];
}

/** The own mailboxes and those of the owners of `names`. */
async function treeWith(session: ImapSession, names: readonly string[]): Promise<MailboxTree<PlacedMailbox>> {
  const under = (prefix: string): boolean => names.some((name) => name.startsWith(prefix));
  return new MailboxTree(await placedMailboxes(session, { any: true, under }));
}

/** Names of mailboxes that came, went or were renamed (with the old one), and the parents of the first two (5.4). */
function affectedNames(
  known: ReadonlyMap<MailboxId, KnownMailbox>,
  mailboxes: readonly PlacedMailbox[],
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
  for (const { id, name, selectable } of mailboxes) {
    const before = known.get(id);
    // A place that was made a mailbox is created, too.
    if (before?.selectable !== selectable) comesOrGoes(name);
    if (before !== undefined && before.name !== name) renamed.set(name, before.name);
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

/** Those that may be read now and might not before, or the other way round. */
function readableOrNot(
  known: ReadonlyMap<MailboxId, KnownMailbox>,
  mailboxes: readonly PlacedMailbox[],
): string[] {
  const changed = mailboxes.filter(({ id, rights }) => {
    const before = known.get(id)?.readable;
    return before !== undefined && before !== rights.includes('r');
  });
  return changed.map(({ name }) => name);
}
