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
import { type NameChanges, nameChanges } from './name-changes.ts';
import type { Notifications } from './notifications.ts';
import type { KnownMailbox, WatchedAccount } from './watched-account.ts';

/** Looks at the account's names again, and tells what of it was asked for. Gives its mailboxes, as they were then. */
export async function tellNames(
  session: ImapSession,
  notifications: Notifications,
  watched: WatchedAccount,
): Promise<readonly PlacedMailbox[]> {
  // Who is closed out is told that nothing is there.
  const { mailboxes, subscriptions } = watched.isClosed
    ? { mailboxes: [], subscriptions: [] }
    : await watched.list();
  const isCovered = (name: string): boolean => notifications.covers(name, 'names');
  const changes = nameChanges(watched.known, mailboxes, isCovered);
  const affected = new Set([...changes.names].filter(isCovered));
  for (const name of readableOrNot(watched.known, mailboxes)) {
    if (notifications.watches(name)) affected.add(name);
  }
  const changed = watched.rememberNames(mailboxes, changes);
  if (notifications.wants('messages')) for (const id of changed) watched.changedMailboxes.add(id);
  let tree = new MailboxTree<PlacedMailbox>({ mailboxes, subscriptions: [] });
  if (watched === notifications.own) {
    const subscribing = changedSubscriptions(notifications, subscriptions);
    if (subscribing.some(isOthersName)) tree = await treeWith(session, subscribing);
    for (const name of subscribing) affected.add(name);
  }
  const { renames } = changes;
  await tellLists(session, notifications, { tree, renames, names: [...affected].sort() });
  return mailboxes;
}

/** Mailboxes of an account that has just begun to be watched: their names are new, of their messages nothing is. */
export async function tellCome(
  session: ImapSession,
  notifications: Notifications,
  mailboxes: readonly PlacedMailbox[],
): Promise<void> {
  const isCovered = (name: string): boolean => notifications.covers(name, 'names');
  const { names } = nameChanges(new Map(), mailboxes, isCovered);
  const tree = new MailboxTree<PlacedMailbox>({ mailboxes, subscriptions: [] });
  await tellLists(session, notifications, { tree, renames: [], names: [...names].filter(isCovered).sort() });
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
    renames: [],
    names: named.map(({ name }) => name),
  });
}

async function tellLists(
  session: ImapSession,
  { subscribed }: Notifications,
  told: {
    readonly tree: MailboxTree<PlacedMailbox>;
    readonly renames: NameChanges['renames'];
    readonly names: readonly string[];
  },
): Promise<void> {
  // What is renamed first: what is told of a name is then about what has it now.
  const lists = [...told.renames, ...told.names.map((name) => ({ name, oldName: undefined }))];
  for (const { name, oldName } of lists) {
    const attributes = told.tree.attributes(name);
    if (told.tree.mailboxes.get(name)?.rights.includes('r') === false) attributes.push('\\NoAccess');
    if (subscribed.has(name)) attributes.push('\\Subscribed');
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
