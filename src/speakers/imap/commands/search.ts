// SEARCH and UID SEARCH (RFC 9051 6.4.4; RFC 4731 ESEARCH, RFC 5182 SAVE, RFC 7162 3.1.5 MODSEQ).

import type { SearchCommand, SearchReturn } from '../../../wire/imap/command.ts';
import { formatEsearch, formatSearch } from '../../../wire/imap/format-esearch.ts';
import { ok, type Reply } from '../reply.ts';
import { searchKey, usesAge } from '../search-key.ts';
import { accountOf, type ImapSession, viewOf } from '../session.ts';

const done = ok('Search completed');
const returnAll: SearchReturn = { min: false, max: false, all: true, count: false, save: false };

export async function search(session: ImapSession, command: SearchCommand): Promise<Reply> {
  const view = viewOf(session);
  const account = accountOf(session);
  if (command.usesModSeq) session.condstore = true;
  // RFC 5182 2.1: a SEARCH with SAVE that fails leaves nothing saved.
  const savedBefore = view.saved;
  if (command.return?.save === true) view.saved = new Uint32Array(0);
  const columns = usesAge(command.key) ? await account.columns(view.mailboxId, undefined) : undefined;
  const now = Math.floor(session.environment.clock.now() / 1000);
  const key = searchKeyWithSaved(session, command, { savedBefore, columns, now });
  const found = await account.search(view.mailboxId, key);
  // What came after the view was advanced is not there for this client yet.
  const uids = found.filter((uid) => view.sequenceOf(uid) !== 0);
  // RFC 4731 3.2: with MIN or MAX alone it is theirs.
  const told = command.return === undefined ? uids : chosenUids(uids, command.return);
  const modSeq = command.usesModSeq && uids.length > 0 ? await highestModSeq(session, told) : undefined;
  const numbers = command.uid ? uids : uids.map((uid) => view.sequenceOf(uid));
  if (command.return === undefined && !session.revision2) {
    session.connection.write(formatSearch(numbers, modSeq));
    return done;
  }
  const wanted = command.return ?? returnAll;
  if (wanted.save) view.saved = chosenUids(uids, wanted);
  // RFC 5182 2.1: SAVE alone is answered with nothing.
  if (wanted.min || wanted.max || wanted.all || wanted.count)
    writeExtended(session, command, { numbers, wanted, modSeq });
  return done;
}

function searchKeyWithSaved(
  session: ImapSession,
  command: SearchCommand,
  known: Pick<Parameters<typeof searchKey>[1], 'columns' | 'now'> & { readonly savedBefore: Uint32Array },
) {
  const view = viewOf(session);
  const saved = view.saved;
  // `$` in the key means the result before this command.
  view.saved = known.savedBefore;
  try {
    return searchKey(command.key, { view, columns: known.columns, now: known.now });
  } finally {
    view.saved = saved;
  }
}

/** What is saved (RFC 5182 2.4): with MIN or MAX only those, unless ALL or COUNT is asked too. */
function chosenUids(uids: Uint32Array, wanted: SearchReturn): Uint32Array {
  if (wanted.all || wanted.count || (!wanted.min && !wanted.max) || uids.length === 0) return uids;
  const saved = new Set<number>();
  if (wanted.min) saved.add(uids[0]!);
  if (wanted.max) saved.add(uids[uids.length - 1]!);
  return Uint32Array.from(saved);
}

async function highestModSeq(session: ImapSession, uids: Uint32Array): Promise<number> {
  const { modSeqs } = await accountOf(session).columns(viewOf(session).mailboxId, uids);
  let highest = 0;
  for (const modSeq of modSeqs) if (modSeq > highest) highest = modSeq;
  return highest;
}

function writeExtended(
  session: ImapSession,
  command: SearchCommand,
  result: {
    readonly numbers: Uint32Array;
    readonly wanted: SearchReturn;
    readonly modSeq: number | undefined;
  },
): void {
  const { numbers, wanted, modSeq } = result;
  const some = numbers.length > 0;
  const text = formatEsearch({
    tag: command.tag,
    uid: command.uid,
    ...(wanted.min && some ? { min: numbers[0]! } : {}),
    ...(wanted.max && some ? { max: numbers[numbers.length - 1]! } : {}),
    ...(wanted.count ? { count: numbers.length } : {}),
    ...(wanted.all ? { all: numbers } : {}),
    ...(modSeq === undefined ? {} : { modSeq }),
  });
  session.connection.write(text);
}
