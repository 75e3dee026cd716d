// THREAD and UID THREAD (RFC 5256).

import { formatThread } from '../../../wire/imap/format-esearch.ts';
import type { ThreadCommand } from '../../../wire/imap/search-command.ts';
import { withFilters } from '../filters.ts';
import { isTooMany, tooManyMessages } from '../message-limit.ts';
import { ok, type Reply } from '../reply.ts';
import { prepareSearch } from '../search-run.ts';
import { type ImapSession, viewOf } from '../session.ts';
import type { MailboxView } from '../view.ts';

const done = ok('Thread completed');

export async function thread(session: ImapSession, command: ThreadCommand): Promise<Reply> {
  const view = viewOf(session);
  const program = await withFilters(session, command);
  if (program.usesModSeq) session.condstore = true;
  const { key } = await prepareSearch(session, view, { program });
  const { algorithm } = command;
  const pairs = await view.account.thread(view.mailboxId, { key, algorithm });
  // RFC 9738: a thread is not cut. A pair is a message, or a parent that is not there.
  if (isTooMany(session, pairs.length / 2)) return tooManyMessages(session);
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
