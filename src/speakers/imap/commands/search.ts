// SEARCH, SORT and their UID forms (RFC 9051 6.4.4; RFC 4731 ESEARCH, RFC 5182 SAVE, RFC 5256 SORT, RFC 5267 ESORT and
// UPDATE, RFC 6203 FUZZY, RFC 7162 3.1.5 MODSEQ, RFC 9394 PARTIAL, RFC 5466 FILTER,
// RFC 9738 limit).

import { formatSearch } from '../../../wire/imap/format-esearch.ts';
import type { SearchCommand, SortCommand } from '../../../wire/imap/search-command.ts';
import { withFilters } from '../filters.ts';
import { foundWithin, tooManyMessages, withLimit } from '../message-limit.ts';
import { bad, ok, type Reply } from '../reply.ts';
import {
  chosenUids,
  esearchText,
  findUids,
  prepareSearch,
  returnAll,
  scoresOf,
  toldModSeq,
} from '../search-run.ts';
import { isUpdateTag, refuseUpdates, startUpdates } from '../search-updates.ts';
import { type ImapSession, viewOf } from '../session.ts';

const searched = ok('Search completed');
const sorted = ok('Sort completed');

export async function search(session: ImapSession, command: SearchCommand | SortCommand): Promise<Reply> {
  const view = viewOf(session);
  const wanted = command.return;
  // RFC 5267 4.3.
  if (wanted?.update === true && isUpdateTag(session, command.tag)) return bad('Tag is in use for updates');
  const criteria = command.name === 'SORT' ? command.criteria : undefined;
  // `$` in the key means the result before this command.
  const saved = view.saved;
  // RFC 5182 2.1: a SEARCH with SAVE that fails leaves nothing saved.
  if (wanted?.save === true) view.saved = new Uint32Array(0);
  const program = await withFilters(session, command);
  if (program.usesModSeq) session.enableCondstore();
  const prepared = await withSaved(view, saved, () =>
    prepareSearch(session, view, { program, ...(criteria && { criteria }) }),
  );
  const found = await findUids(view, prepared);
  const uids = foundWithin(session, found, { wanted, sorted: criteria !== undefined });
  if (uids === undefined) return tooManyMessages(session);
  const modSeq = await toldModSeq(view, { uids, asked: program });
  const isCut = uids !== found;
  const done = command.name === 'SORT' ? sorted : withLimit(session, searched, isCut ? uids[0]! : undefined);
  if (wanted === undefined && (command.name === 'SORT' || !session.revision2)) {
    const numbers = command.uid ? uids : view.sequencesOf(uids);
    session.connection.write(formatSearch(numbers, modSeq, command.name));
    return done;
  }
  const asked = wanted ?? returnAll;
  if (asked.save) view.saved = chosenUids(uids, asked).slice().sort();
  const score = asked.relevancy ? await scoresOf(view, prepared) : undefined;
  const { tag, uid } = command;
  session.connection.write(esearchText(view, { tag, uid, uids, wanted: asked, modSeq, score }));
  if (asked.update && isCut) refuseUpdates(session, tag, 'Too many messages');
  else if (asked.update) startUpdates(session, { tag, uid, view, prepared, results: [...uids] });
  return done;
}

/** Runs `work` with another saved result in the view. */
async function withSaved<T>(
  view: { saved: Uint32Array },
  saved: Uint32Array,
  work: () => Promise<T>,
): Promise<T> {
  const now = view.saved;
  view.saved = saved;
  try {
    return await work();
  } finally {
    view.saved = now;
  }
}
