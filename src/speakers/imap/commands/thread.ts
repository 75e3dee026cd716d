// THREAD and UID THREAD (RFC 5256).

import type { ThreadCommand } from '../../../wire/imap/search-command.ts';
import { withFilters } from '../filters.ts';
import { isTooMany, tooManyMessages } from '../message-limit.ts';
import { ok, type Reply } from '../reply.ts';
import { prepareSearch } from '../search-run.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { threadText } from '../thread-text.ts';

const done = ok('Thread completed');

export async function thread(session: ImapSession, command: ThreadCommand): Promise<Reply> {
  const view = viewOf(session);
  const program = await withFilters(session, command);
  if (program.usesModSeq) session.enableCondstore();
  const { key } = await prepareSearch(session, view, { program });
  const { algorithm, uid } = command;
  const pairs = await view.account.thread(view.mailboxId, { key, algorithm });
  // RFC 9738: a thread is not cut. A pair is a message, or a parent that is not there.
  if (isTooMany(session, pairs.length / 2)) return tooManyMessages(session);
  session.connection.write(await threadText(pairs, { view, uid, clock: session.environment.clock }));
  return done;
}
