// FETCH and UID FETCH (RFC 9051 6.4.5, 6.4.9; RFC 7162 3.1.4).

import type { FetchCommand } from '../../../wire/imap/command.ts';
import { FetchRun } from '../fetch/fetch-run.ts';
import { resolvePlaces, uidsAt } from '../message-set.ts';
import { bad, expungeIssued, no, ok, type Reply } from '../reply.ts';
import { type ImapSession, viewOf } from '../session.ts';

const done = ok('Fetch completed');
const unknownEncoding = no('Unknown content transfer encoding', 'UNKNOWN-CTE');

export async function fetch(session: ImapSession, command: FetchCommand): Promise<Reply> {
  // RFC 7162 3.2.6.
  if (command.vanished) return bad('VANISHED needs QRESYNC to be enabled');
  const view = viewOf(session);
  if (command.items.some((item) => item.type === 'modSeq')) session.condstore = true;
  const places = resolvePlaces(view, command.set, command.uid);
  if (places.length === 0) return done;
  const run = new FetchRun(session, command, places.length);
  await run.run(uidsAt(view, places), places);
  if (run.unknownEncoding) return unknownEncoding;
  // A UID that is gone is simply not answered (RFC 9051 6.4.9).
  return run.missing && !command.uid ? expungeIssued : done;
}
