// LIST (RFC 9051 6.3.9; RFC 5258 selection and return options, RFC 5819 STATUS, RFC 6154 SPECIAL-USE).

import type { ListCommand } from '../../../wire/imap/command.ts';
import { quotedMailboxName } from '../mailbox-names.ts';
import { MailboxPattern } from '../mailbox-pattern.ts';
import { MailboxTree, parentsOf } from '../mailbox-tree.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';
import { statusResponse } from '../status-text.ts';

const done = ok('List completed');

/** One line of the answer. */
interface Listed {
  readonly name: string;
  /** RFC 5258 CHILDINFO: a descendant is subscribed though it does not match the pattern. */
  readonly childSubscribed: boolean;
  /** False: listed for its descendants only. */
  readonly selected: boolean;
}

export async function list(session: ImapSession, command: ListCommand): Promise<Reply> {
  const { connection } = session;
  if (command.patterns.length === 1 && command.patterns[0] === '' && !command.extended) {
    connection.write('* LIST (\\Noselect) "/" ""\r\n');
    return done;
  }
  const tree = new MailboxTree(await accountOf(session).listMailboxes());
  const patterns = command.patterns.map((pattern) => new MailboxPattern(command.reference, pattern));
  for (const listed of listedNames(tree, command, patterns)) {
    const attributes = listAttributes(tree, command, listed).join(' ');
    const child = listed.childSubscribed ? ' ("CHILDINFO" ("SUBSCRIBED"))' : '';
    connection.write(
      `* LIST (${attributes}) "/" ${quotedMailboxName(listed.name, session.utf8)}${child}\r\n`,
    );
    const info = tree.mailboxes.get(listed.name);
    // RFC 5819 section 2: no STATUS for what cannot be selected.
    if (command.return.status !== undefined && info?.selectable === true && listed.selected) {
      connection.write(await statusResponse(session, info, command.return.status));
    }
    if (connection.congested) await connection.drain();
  }
  return done;
}

function listedNames(tree: MailboxTree, command: ListCommand, patterns: readonly MailboxPattern[]): Listed[] {
  const { select } = command;
  const matches = (name: string) => patterns.some((pattern) => pattern.matches(name));
  const selects = (name: string) =>
    (!select.subscribed || tree.subscribed.has(name)) && (!select.specialUse || hasSpecialUse(tree, name));
  const withChild = select.recursiveMatch ? parentsOfSubscribed(tree, matches) : undefined;
  const listed: Listed[] = [];
  for (const name of tree.names({ subscribed: select.subscribed, superiors: select.recursiveMatch })) {
    if (!matches(name)) continue;
    const selected = selects(name);
    const childSubscribed = withChild?.has(name) ?? false;
    if (selected || childSubscribed) listed.push({ name, childSubscribed, selected });
  }
  return listed;
}

/** RFC 5258 section 4: names with a subscribed descendant that does not match the pattern itself. */
function parentsOfSubscribed(tree: MailboxTree, matches: (name: string) => boolean): Set<string> {
  const parents = new Set<string>();
  for (const name of tree.subscribed) {
    if (matches(name)) continue;
    for (const parent of parentsOf(name)) parents.add(parent);
  }
  return parents;
}

function hasSpecialUse(tree: MailboxTree, name: string): boolean {
  const role = tree.mailboxes.get(name)?.role;
  return role !== undefined && role !== 'inbox';
}

function listAttributes(tree: MailboxTree, command: ListCommand, listed: Listed): string[] {
  const attributes = tree.attributes(listed.name);
  if ((command.select.subscribed || command.return.subscribed) && tree.subscribed.has(listed.name)) {
    attributes.push('\\Subscribed');
  }
  return attributes;
}
