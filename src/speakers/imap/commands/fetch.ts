// FETCH and UID FETCH (RFC 9051 6.4.5, 6.4.9; RFC 7162 3.1.4; RFC 9394 3.3; RFC 9738).

import type { FetchCommand } from '../../../wire/imap/message-command.ts';
import { FetchRun } from '../fetch/fetch-run.ts';
import { highestOf, isTooMany, tooManyMessages, withLimit } from '../message-limit.ts';
import { resolvePlaces, uidsAt } from '../message-set.ts';
import { partOf } from '../partial-range.ts';
import { bad, expungeIssued, no, ok, type Reply } from '../reply.ts';
import { resyncSince, vanishedEarlier } from '../resync.ts';
import { type ImapSession, viewOf } from '../session.ts';
import { hasUpdates, tellUpdates } from '../updates.ts';

const done = ok('Fetch completed');
const unknownEncoding = no('Unknown content transfer encoding', 'UNKNOWN-CTE');

export async function fetch(session: ImapSession, command: FetchCommand): Promise<Reply> {
  // RFC 7162 3.2.6.
  if (command.vanished && !session.qresync) return bad('VANISHED needs QRESYNC to be enabled');
  const { partial } = command;
  // RFC 9738 3.1: a client that asks for a page asks for none that is too large.
  if (partial !== undefined && isTooMany(session, partial.to - partial.from + 1))
    return tooManyMessages(session);
  const view = viewOf(session);
  if (command.items.some((item) => item.type === 'modSeq')) session.enableCondstore();
  if (command.vanished) await tellVanished(session, command);
  const named = resolvePlaces(view, command.set, command.uid);
  // RFC 9394 3.4: the range comes before CHANGEDSINCE.
  const wanted = partial === undefined ? named : partOf(named, partial);
  if (wanted.length === 0) return done;
  const places = highestOf(session, wanted);
  const run = new FetchRun(session, command, places.length);
  const uids = uidsAt(view, places);
  const lowestUid = places === wanted ? undefined : uids[0]!;
  await run.run(uids, places);
  if (run.unknownEncoding) return withLimit(session, unknownEncoding, lowestUid);
  // A UID that is gone is simply not answered (RFC 9051 6.4.9).
  return withLimit(session, run.missing && !command.uid ? expungeIssued : done, lowestUid);
}

/** What is gone since CHANGEDSINCE; expunges that are owed to the view come first, and are not told twice. */
async function tellVanished(session: ImapSession, command: FetchCommand): Promise<void> {
  if (hasUpdates(session, true)) await tellUpdates(session, true);
  const view = viewOf(session);
  const { set } = command;
  const uids = set.saved ? { saved: false, ranges: [...view.saved].flatMap((uid) => [uid, uid]) } : set;
  const known = { modSeq: command.changedSince!, uids, seenUpTo: 0 };
  session.connection.write(vanishedEarlier(await resyncSince(view, known)));
}
