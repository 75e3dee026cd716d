// LIST (RFC 9051 6.3.9; RFC 5258 selection and return options, RFC 5819 STATUS, RFC 6154 SPECIAL-USE, RFC 8440 MYRIGHTS).
// Others' mailboxes are listed as far as their rights say (RFC 4314 section 4).

import { Slicer } from '../../../base/slicer.ts';
import { undefinedWhen } from '../../../mail/mail-error.ts';
import { mayAnnotate } from '../../../mail/rights.ts';
import { formatMyRights } from '../../../wire/imap/format-acl.ts';
import { formatList, type ListEntry } from '../../../wire/imap/format-list.ts';
import type { ListCommand } from '../../../wire/imap/mailbox-command.ts';
import { placedMailboxes, type WantedOwners } from '../mailbox-lists.ts';
import { otherUsersNamespace, type PlacedMailbox, sharedNamespace } from '../mailbox-location.ts';
import { delimiter } from '../mailbox-names.ts';
import { MailboxPattern } from '../mailbox-pattern.ts';
import { MailboxTree, parentsOf } from '../mailbox-tree.ts';
import { ok, type Reply } from '../reply.ts';
import type { ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';
import { metadataResponse } from './metadata.ts';

const done = ok('List completed');

export async function list(session: ImapSession, command: ListCommand): Promise<Reply> {
  const { connection } = session;
  if (command.patterns.length === 1 && command.patterns[0] === '' && !command.extended) {
    connection.write('* LIST (\\Noselect) "/" ""\r\n');
    return done;
  }
  const patterns = command.patterns.map((pattern) => new MailboxPattern(command.reference, pattern));
  if (command.return.status?.includes('HIGHESTMODSEQ') === true) session.enableCondstore();
  const tree = new MailboxTree(await placedMailboxes(session, wantedOwners(command, patterns)));
  const matches = (name: string) => patterns.some((pattern) => matchesIn(tree, pattern, name));
  const slicer = new Slicer(session.environment.clock);
  const pauses = async (): Promise<void> => {
    if (connection.congested) await connection.drain();
    if (slicer.due()) await slicer.rest();
  };
  const childInfo = childInfoOf(command);
  const withChild =
    childInfo.length > 0 ? await parentsOfSelected(tree, command, { matches, pauses }) : undefined;
  const { subscribed, recursiveMatch } = command.select;
  for (const name of tree.names({ subscribed, superiors: recursiveMatch })) {
    await pauses();
    const selected = selects(tree, command, name);
    const childSelected = withChild?.has(name) ?? false;
    if ((!selected && !childSelected) || !matches(name)) continue;
    const info = tree.mailboxes.get(name);
    const attributes = listAttributes(tree, command, name);
    const status = selected ? await statusOf(session, command, info) : undefined;
    // What may be looked up and not read, or is gone meanwhile. RFC 5819 section 2 demands it with STATUS; without, clients that
    // select all that is listed (mbsync) take the refusal for a failure.
    const isClosed = status === '' || info?.rights.includes('r') === false;
    if (isClosed && info?.selectable === true) attributes.unshift('\\Noselect');
    const told = { name, attributes, delimiter, ...(childSelected && { childInfo }) };
    connection.write(formatList('LIST', told, session));
    if (status !== undefined) connection.write(status);
    // RFC 9590 section 3: none of what does not exist.
    if (command.return.metadata !== undefined && info !== undefined && selected && mayAnnotate(info.rights)) {
      connection.write(await metadataResponse(session, info, command.return.metadata));
    }
    // RFC 8440 section 4.
    if (command.return.myRights && info !== undefined && selected)
      connection.write(formatMyRights(name, info.rights, session));
  }
  return done;
}

/** Others' accounts are asked only where the patterns, and the subscriptions, may name something of theirs. */
function wantedOwners(command: ListCommand, patterns: readonly MailboxPattern[]): WantedOwners {
  const mayMatch = (prefix: string) => patterns.some((pattern) => pattern.mayMatchUnder(prefix));
  const isIn = (namespace: string) =>
    mayMatch(namespace + delimiter) || patterns.some((pattern) => pattern.matchesPlace(namespace));
  return {
    any: isIn(otherUsersNamespace) || isIn(sharedNamespace),
    under: (prefix, subscriptions) =>
      mayMatch(prefix) &&
      (!command.select.subscribed || subscriptions.some((name) => name.startsWith(prefix))),
  };
}

function matchesIn(tree: MailboxTree, pattern: MailboxPattern, name: string): boolean {
  return tree.missing.has(name) && !tree.subscribed.has(name)
    ? pattern.matchesPlace(name)
    : pattern.matches(name);
}

/** Undefined: nobody asks for it; '': it has none, or is gone meanwhile. */
async function statusOf(
  session: ImapSession,
  { return: { status } }: ListCommand,
  info: PlacedMailbox | undefined,
): Promise<string | undefined> {
  if (status === undefined) return undefined;
  if (info?.selectable !== true || !info.rights.includes('r')) return '';
  return (await undefinedWhen('noSuchMailbox', statusResponse(session, info, status))) ?? '';
}

function selects(tree: MailboxTree, command: ListCommand, name: string): boolean {
  const { subscribed, specialUse } = command.select;
  return (!subscribed || tree.subscribed.has(name)) && (!specialUse || hasSpecialUse(tree, name));
}

/** RFC 5258 3.5: the options that a mailbox below is chosen by; none without RECURSIVEMATCH. */
function childInfoOf({ select }: ListCommand): NonNullable<ListEntry['childInfo']> {
  if (!select.recursiveMatch) return [];
  return [
    ...(select.subscribed ? ['SUBSCRIBED' as const] : []),
    ...(select.specialUse ? ['SPECIAL-USE' as const] : []),
  ];
}

/** RFC 5258 3.3: names with a descendant that is chosen and does not match the pattern itself. */
async function parentsOfSelected(
  tree: MailboxTree,
  command: ListCommand,
  { matches, pauses }: { matches: (name: string) => boolean; pauses: () => Promise<void> },
): Promise<Set<string>> {
  const parents = new Set<string>();
  const candidates = command.select.subscribed ? tree.subscribed : tree.mailboxes.keys();
  for (const name of candidates) {
    await pauses();
    if (matches(name) || !selects(tree, command, name)) continue;
    for (const parent of parentsOf(name)) parents.add(parent);
  }
  return parents;
}

function hasSpecialUse(tree: MailboxTree, name: string): boolean {
  const role = tree.mailboxes.get(name)?.role;
  return role !== undefined && role !== 'inbox';
}

function listAttributes(tree: MailboxTree, command: ListCommand, name: string): string[] {
  const attributes = tree.attributes(name);
  if ((command.select.subscribed || command.return.subscribed) && tree.subscribed.has(name)) {
    attributes.push('\\Subscribed');
  }
  return attributes;
}
