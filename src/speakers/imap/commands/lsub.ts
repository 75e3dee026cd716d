// LSUB (RFC 3501 6.3.9), for IMAP4rev1 clients: subscribed names; with `%` also the superiors that stand for
// subscribed names below, as \Noselect.

import { Slicer } from '../../../base/slicer.ts';
import { formatList } from '../../../wire/imap/format-list.ts';
import type { LsubCommand } from '../../../wire/imap/mailbox-command.ts';
import { delimiter } from '../mailbox-names.ts';
import { MailboxPattern } from '../mailbox-pattern.ts';
import { MailboxTree, parentsOf } from '../mailbox-tree.ts';
import { ok, type Reply } from '../reply.ts';
import { accountOf, type ImapSession } from '../session.ts';

const done = ok('Lsub completed');

export async function lsub(session: ImapSession, command: LsubCommand): Promise<Reply> {
  const tree = new MailboxTree(await accountOf(session).listMailboxes());
  const pattern = new MailboxPattern(command.reference, command.pattern);
  /** Name to whether it is subscribed itself. */
  const listed = new Map<string, boolean>();
  const slicer = new Slicer(session.environment.clock);
  for (const name of [...tree.subscribed].sort()) {
    if (slicer.due()) await slicer.rest();
    if (pattern.matches(name)) listed.set(name, true);
    else
      for (const parent of parentsOf(name)) {
        if (pattern.matches(parent) && !listed.has(parent)) listed.set(parent, tree.subscribed.has(parent));
      }
  }
  for (const [name, itself] of listed) {
    const attributes = itself && tree.mailboxes.get(name)?.selectable !== false ? [] : ['\\Noselect'];
    session.connection.write(formatList('LSUB', { name, attributes, delimiter }, session));
    if (session.connection.congested) await session.connection.drain();
  }
  return done;
}
