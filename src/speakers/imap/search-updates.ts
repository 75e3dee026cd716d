// Results that a client asked to be told about (SEARCH and SORT RETURN (UPDATE), RFC 5267 4.3): after each change of the
// mailbox the search is made again, and what differs is told as REMOVEFROM and ADDTO.
// Invariants: results hold only messages of the view; REMOVEFROM of message numbers goes before the EXPUNGE that makes them
// invalid, ADDTO after the EXISTS that makes them valid. Failures of the account pass through; the next change tells.

import type { MailboxChanges } from '../../account/port.ts';
import { type EsearchMailbox, formatEsearchChanges, type ResultRun } from '../../wire/imap/format-esearch.ts';
import { formatString } from '../../wire/imap/format-string.ts';
import { formatStatusResponse } from '../../wire/imap/response-code.ts';
import { findUids, type PreparedSearch } from './search-run.ts';
import type { ImapSession } from './session.ts';
import type { MailboxView } from './view.ts';

export interface SearchUpdate {
  readonly tag: string;
  /** Of an ESEARCH (RFC 7377 2.1). */
  readonly mailbox?: EsearchMailbox;
  /** Told as UIDs. */
  readonly uid: boolean;
  readonly view: MailboxView;
  readonly prepared: PreparedSearch;
  /** UIDs, in the order asked. */
  results: number[];
}

/** Each is a search after every change. */
const updatesMax = 8;

export function isUpdateTag(session: ImapSession, tag: string): boolean {
  return session.searchUpdates?.some((update) => update.tag === tag) ?? false;
}

/** Tells of changes from now on, or says that it will not. */
export function startUpdates(session: ImapSession, update: SearchUpdate): void {
  const updates = session.searchUpdates ?? [];
  const { criteria } = update.prepared;
  // Whether a message is relevant may change, and with it its place among the others.
  const isSteady = criteria === undefined || criteria.every(({ field }) => field !== 'relevancy');
  if (updates.length < updatesMax && isSteady) {
    updates.push(update);
    session.searchUpdates = updates;
    return;
  }
  refuseUpdates(session, update.tag, isSteady ? 'Too many contexts' : 'Relevancy is not followed');
}

export function refuseUpdates(session: ImapSession, tag: string, text: string): void {
  session.connection.write(formatStatusResponse('*', 'NO', text, `NOUPDATE ${formatString(tag)}`));
}

/** False: there is none with this tag. */
export function stopUpdates(session: ImapSession, tag: string): boolean {
  if (!isUpdateTag(session, tag)) return false;
  const rest = session.searchUpdates!.filter((update) => update.tag !== tag);
  session.searchUpdates = rest.length === 0 ? undefined : rest;
  return true;
}

/** Before the view lets messages go: they leave the results while they still have their numbers. */
export function tellLeaving(
  session: ImapSession,
  changes: MailboxChanges,
  allUids: Uint32Array | undefined,
): void {
  if (session.searchUpdates === undefined) return;
  const vanished = new Set(changes.vanished);
  const all = allUids && new Set(allUids);
  for (const update of session.searchUpdates) {
    const { view } = update;
    const stays = (uid: number): boolean =>
      !vanished.has(uid) && !view.isHeld(uid) && all?.has(uid) !== false;
    tellChange(session, update, update.results.filter(stays));
  }
}

/** After everything else was told. */
export async function tellResults(session: ImapSession): Promise<void> {
  for (const update of session.searchUpdates ?? []) {
    const { view } = update;
    const found = new Set(await findUids(view, update.prepared));
    // Expunges that are owed: the messages stay in the results as long as in the view.
    for (const uid of update.results) if (view.isHeld(uid)) found.add(uid);
    const order = [...found];
    if (update.prepared.criteria === undefined) order.sort((a, b) => a - b);
    tellChange(
      session,
      update,
      order.some((uid) => view.isHeld(uid)) ? heldInPlace(update.results, order, view) : order,
    );
  }
}

/** A sorted result in which messages the account no longer has keep their places: behind those that they stood behind. */
function heldInPlace(before: readonly number[], now: readonly number[], view: MailboxView): number[] {
  const present = new Set(now);
  const behind = new Map<number | undefined, number[]>();
  let place: number | undefined;
  for (const uid of before) {
    if (!present.has(uid)) continue;
    if (!view.isHeld(uid)) place = uid;
    else if (behind.has(place)) behind.get(place)!.push(uid);
    else behind.set(place, [uid]);
  }
  const result = behind.get(undefined) ?? [];
  for (const uid of now) if (!view.isHeld(uid)) result.push(uid, ...(behind.get(uid) ?? []));
  return result;
}

/**
 * Those in both lists from the first on that the lists have in different orders. What a message is sorted by never changes; but
 * one that is expunged while the account sorts may stand anywhere, with the text of nothing.
 */
function displaced(before: readonly number[], now: readonly number[]): ReadonlySet<number> {
  const [present, known] = [new Set(now), new Set(before)];
  const [kept, order] = [before.filter((uid) => present.has(uid)), now.filter((uid) => known.has(uid))];
  const first = kept.findIndex((uid, at) => uid !== order[at]);
  return new Set(first < 0 ? [] : kept.slice(first));
}

function tellChange(session: ImapSession, update: SearchUpdate, now: number[]): void {
  const { uid, view, prepared, results: before } = update;
  const isSorted = prepared.criteria !== undefined;
  const number = (one: number): number => (uid ? one : view.sequenceOf(one));
  const present = new Set(now);
  const known = new Set(before);
  // Told as gone and come again.
  const anew = isSorted ? displaced(before, now) : new Set<number>();
  const removed = runsOf(before, (one) => !present.has(one) || anew.has(one), isSorted, number);
  const added = runsOf(now, (one) => !known.has(one) || anew.has(one), isSorted, number);
  update.results = now;
  if (removed.length === 0 && added.length === 0) return;
  // Pairs are carried out in order: removing from the end keeps the positions of those before.
  session.connection.write(formatEsearchChanges({ ...update, removed: removed.reverse(), added }));
}

/** Those of a list that are chosen, in runs with their positions; in one, at position 0, when the list has no order of its own. */
function runsOf(
  list: readonly number[],
  isChosen: (uid: number) => boolean,
  isSorted: boolean,
  number: (uid: number) => number,
): ResultRun[] {
  const runs: { position: number; numbers: number[] }[] = [];
  let before = -2;
  for (const [at, uid] of list.entries()) {
    if (!isChosen(uid)) continue;
    const last = runs.at(-1);
    if (last !== undefined && (!isSorted || before === at - 1)) last.numbers.push(number(uid));
    else runs.push({ position: isSorted ? at + 1 : 0, numbers: [number(uid)] });
    before = at;
  }
  return runs;
}
