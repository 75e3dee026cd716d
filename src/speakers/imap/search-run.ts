// Carries out what SEARCH, SORT, THREAD and ESEARCH ask of one mailbox, and writes ESEARCH answers.
// Invariant: only messages that the client knows by its view are told. Refusals of the account pass through.

import type { SortCriterion } from '../../mail/message-order.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { type EsearchMailbox, formatEsearch } from '../../wire/imap/format-esearch.ts';
import type { SearchArguments, SearchProgram, SearchReturn } from '../../wire/imap/search-command.ts';
import { idSuffix } from './object-ids.ts';
import { partOf } from './partial-range.ts';
import { searchKey, usesAge } from './search-key.ts';
import type { ImapSession } from './session.ts';
import type { MailboxView } from './view.ts';

export const returnAll: SearchReturn = {
  min: false,
  max: false,
  all: true,
  count: false,
  save: false,
  partial: undefined,
  relevancy: false,
  update: false,
};

/** A search made ready for the account: the same at any later moment, for its messages and ages are settled. */
export interface PreparedSearch {
  readonly key: SearchKey;
  /** The same without FUZZY: what matches it is more relevant. Undefined: no FUZZY key. */
  readonly strictKey: SearchKey | undefined;
  /** Undefined: in the mailbox's order. */
  readonly criteria: readonly SortCriterion[] | undefined;
}

export async function prepareSearch(
  session: ImapSession,
  view: MailboxView,
  { program, criteria }: { readonly program: SearchProgram; readonly criteria?: readonly SortCriterion[] },
): Promise<PreparedSearch> {
  const columns = usesAge(program.key) ? await view.account.columns(view.mailboxId, undefined) : undefined;
  const now = Math.floor(session.environment.clock.now() / 1000);
  const { uidOnly } = session;
  const context = { view, columns, now, uidOnly, idSuffix: idSuffix(session, view.account) };
  return {
    key: searchKey(program.key, context),
    strictKey: program.usesFuzzy ? searchKey(program.key, { ...context, strict: true }) : undefined,
    criteria,
  };
}

/** UIDs in the order asked. */
export async function findUids(
  view: MailboxView,
  { key, strictKey, criteria }: PreparedSearch,
): Promise<Uint32Array> {
  const account = view.account;
  const { mailboxId } = view;
  const found =
    criteria === undefined
      ? await account.search(mailboxId, key)
      : await account.sort(mailboxId, { key, criteria, favoured: strictKey });
  // What came after the view was advanced is not there for this client yet.
  return view.known(found);
}

/** What is saved, and what MODSEQ speaks of (RFC 5182 2.4, RFC 9394 3.2): all, unless only some were asked for. */
export function chosenUids(uids: Uint32Array, wanted: SearchReturn): Uint32Array {
  const { min, max, partial } = wanted;
  if (wanted.all || wanted.count || (!min && !max && partial === undefined) || uids.length === 0) return uids;
  const chosen = new Set<number>(partial === undefined ? [] : partOf(uids, partial));
  if (min) chosen.add(uids[0]!);
  if (max) chosen.add(uids[uids.length - 1]!);
  return Uint32Array.from(chosen);
}

export async function highestModSeq(view: MailboxView, uids: Uint32Array): Promise<number | undefined> {
  if (uids.length === 0) return undefined;
  const { modSeqs } = await view.account.columns(view.mailboxId, uids.slice().sort());
  let highest = 0;
  for (const modSeq of modSeqs) if (modSeq > highest) highest = modSeq;
  return highest;
}

const relevant = 100;
const lessRelevant = 50;

/** RFC 6203 4: messages that have the very text count for more than those that have its words. */
export async function scoresOf(
  view: MailboxView,
  { strictKey }: PreparedSearch,
): Promise<(uid: number) => number> {
  const strict = strictKey && (await view.account.search(view.mailboxId, strictKey));
  const best = new Set(strict);
  return (uid) => (best.has(uid) ? relevant : lessRelevant);
}

export interface FoundMessages {
  readonly tag: string;
  readonly uid: boolean;
  readonly uids: Uint32Array;
  readonly wanted: SearchReturn;
  readonly modSeq: number | undefined;
  readonly score: ((uid: number) => number) | undefined;
  readonly mailbox?: EsearchMailbox;
}

/** The ESEARCH response, as an answer to any RETURN (RFC 4466 2.6.2); '' for SAVE alone (RFC 5182 2.1). */
export function esearchText(view: MailboxView, found: FoundMessages): string {
  const { tag, uid, uids, wanted, modSeq, score, mailbox } = found;
  const { partial } = wanted;
  if (
    wanted.save &&
    !wanted.min &&
    !wanted.max &&
    !wanted.all &&
    !wanted.count &&
    partial === undefined &&
    score === undefined &&
    !wanted.update
  ) {
    return '';
  }
  const numbers = uid ? uids : view.sequencesOf(uids);
  const some = numbers.length > 0;
  const scored = partial === undefined ? uids : partOf(uids, partial);
  return formatEsearch({
    tag,
    uid,
    ...(mailbox === undefined ? {} : { mailbox }),
    ...(wanted.min && some ? { min: numbers[0]! } : {}),
    ...(wanted.max && some ? { max: numbers[numbers.length - 1]! } : {}),
    ...(wanted.count ? { count: numbers.length } : {}),
    ...(wanted.all ? { all: numbers } : {}),
    ...(partial === undefined ? {} : { partial: { range: partial.text, numbers: partOf(numbers, partial) } }),
    ...(score === undefined ? {} : { relevancy: Array.from(scored, score) }),
    ...(modSeq === undefined ? {} : { modSeq }),
  });
}

/** The mod-sequence to tell with a result, when one is asked for. */
export async function toldModSeq(
  view: MailboxView,
  { uids, asked }: { readonly uids: Uint32Array; readonly asked: SearchArguments },
): Promise<number | undefined> {
  if (!asked.usesModSeq) return undefined;
  return highestModSeq(view, asked.return === undefined ? uids : chosenUids(uids, asked.return));
}
