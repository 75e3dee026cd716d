// THREAD and UID THREAD (RFC 5256).

import type { ThreadCommand } from '../../../wire/imap/command.ts';
import { formatThread } from '../../../wire/imap/format-esearch.ts';
import { ok, type Reply } from '../reply.ts';
import { prepareSearch } from '../search-run.ts';
import { accountOf, type ImapSession, viewOf } from '../session.ts';
import type { MailboxView } from '../view.ts';

const done = ok('Thread completed');

export async function thread(session: ImapSession, command: ThreadCommand): Promise<Reply> {
  const view = viewOf(session);
  if (command.usesModSeq) session.condstore = true;
  const { key } = await prepareSearch(session, view, { program: command });
  const { algorithm } = command;
  const pairs = await accountOf(session).thread(view.mailboxId, { key, algorithm });
  session.connection.write(formatThread(known(pairs, view, command.uid)));
  return done;
}

/** With the client's numbers; what it does not know yet is left out, what is below it moves up. */
function known(pairs: Uint32Array, view: MailboxView, uid: boolean): number[] {
  const told: number[] = [];
  /** The depth that each depth has in what is told. */
  const depths: number[] = [0];
  for (let at = 0; at < pairs.length; at += 2) {
    const depth = pairs[at]!;
    const message = pairs[at + 1]!;
    const sequence = view.sequenceOf(message);
    const number = message === 0 ? 0 : sequence === 0 ? -1 : uid ? message : sequence;
    const place = depths[depth]!;
    depths[depth + 1] = number === -1 ? place : place + 1;
    if (number === -1) continue;
    dropEmpty(told, place);
    told.push(place, number);
  }
  dropEmpty(told, 0);
  return told;
}

/** A parent that is not there stands for its children: without any it is nothing. */
function dropEmpty(told: number[], nextDepth: number): void {
  const last = told.length - 2;
  if (last >= 0 && told[last + 1] === 0 && nextDepth <= told[last]!) told.length = last;
}
