// How the messages of a drafted mailbox are written, as rows or in pages (message-page.ts), and how the committed columns
// follow. A row for each of a few; a page when enough of it changes that a row for each would cost more.
// Invariant: what applyRows says of where messages are stored is what writeRows wrote; the invariants of pages hold after it.

import type { Bytes, Entry } from '../../storage/engine.ts';
import type { AccountKeys } from '../records/account-keys.ts';
import { encodeMessageRow, type MessageRow } from '../records/message-row.ts';
import {
  encodeMessagePage,
  firstUidOf,
  inPage,
  inRow,
  MessagePage,
  pageOf,
  pagesRewrittenMax,
} from '../table/message-page.ts';
import type { MessageTable } from '../table/message-table.ts';
import type { DraftMailbox, PageFlags } from './draft-mailbox.ts';

/** Of one page in one batch: from so many on a page costs less than rows, which are five times as long, and their keys. */
export const changesForPageMin = 16;
/** Rows that lie over one page: reading the mailbox reads them all, one by one. */
const rowsOverPageMax = 32;

interface RowBatch {
  readonly puts: Entry[];
  readonly deletes: Bytes[];
}

/** One page as the draft leaves it. */
interface TouchedPage {
  readonly number: number;
  /** Its messages in the committed columns. */
  readonly from: number;
  readonly to: number;
  readonly flags: PageFlags | undefined;
  readonly added: readonly MessageRow[];
}

/** Adds to the batch what became of the messages. */
export function writeRows(keys: AccountKeys, mailbox: DraftMailbox, batch: RowBatch): void {
  const { added, expunged, pageFlags, packed } = mailbox;
  // Nearly always, and then it is a delivery.
  if (added.length < changesForPageMin && expunged.size + pageFlags.size + packed.length === 0) {
    for (const row of added) if (row !== undefined) putRow(keys, mailbox, batch, row);
    return;
  }
  const scratch = new MessagePage();
  for (const page of touchedPages(mailbox)) {
    if (isWrittenWhole(mailbox, page)) writePage(keys, mailbox, batch, { page, scratch });
    else writeSingly(keys, mailbox, batch, page);
  }
}

const noIndexes = { from: 0, to: 0 };

function* touchedPages(mailbox: DraftMailbox): Generator<TouchedPage> {
  const { added, expunged, pageFlags, packed } = mailbox;
  const table = mailbox.state?.table;
  const addedByPage = new Map<number, MessageRow[]>();
  for (const row of added) {
    if (row === undefined) continue;
    const number = pageOf(row.uid);
    const rows = addedByPage.get(number);
    if (rows === undefined) addedByPage.set(number, [row]);
    else rows.push(row);
  }
  const numbers = new Set([...pageFlags.keys(), ...packed, ...addedByPage.keys()]);
  for (const uid of expunged) numbers.add(pageOf(uid));
  for (const number of numbers) {
    yield {
      number,
      ...(table?.indexesOf(number) ?? noIndexes),
      flags: pageFlags.get(number),
      added: addedByPage.get(number) ?? [],
    };
  }
}

function isWrittenWhole(mailbox: DraftMailbox, { number, from, to, flags, added }: TouchedPage): boolean {
  const table = mailbox.state?.table;
  if (table === undefined) {
    // Whoever does not know all of a page does not write it.
    return added.length >= changesForPageMin && isNewPage(mailbox, number);
  }
  if (mailbox.packed.includes(number)) return true;
  const { places, uids, modSeqs } = table.columns;
  let changes = added.length;
  let rowsOver = 0;
  let hasPage = false;
  for (let index = from; index < to; index++) {
    const isChanged = flags !== undefined && flags.modSeqs[index - from] !== modSeqs[index];
    const isExpunged = mailbox.expunged.has(uids[index]!);
    const place = places[index]!;
    hasPage ||= (place & inPage) !== 0;
    if (isExpunged && (place & inPage) !== 0) return true;
    if (isExpunged) continue;
    if (isChanged) changes++;
    if (isChanged || (place & inRow) !== 0) rowsOver++;
  }
  if (changes >= changesForPageMin) return true;
  // What only came waits for the page to be full (mutations/pack-pages.ts).
  if (flags === undefined || !hasPage || mailbox.pagesWritten.size >= pagesRewrittenMax) return false;
  return rowsOver > rowsOverPageMax;
}

/** True: nothing in the page was there before the draft. */
export function isNewPage({ uidNextBefore }: DraftMailbox, number: number): boolean {
  return firstUidOf(number) >= uidNextBefore;
}

function writePage(
  keys: AccountKeys,
  mailbox: DraftMailbox,
  batch: RowBatch,
  { page, scratch }: { readonly page: TouchedPage; readonly scratch: MessagePage },
): void {
  const { number, from, to, flags, added } = page;
  const { expunged, id } = mailbox;
  const table = mailbox.state?.table;
  scratch.length = 0;
  let hadPage = false;
  if (table !== undefined) {
    table.copyTo(scratch, from, to);
    const { places, uids } = table.columns;
    for (let index = from; index < to; index++) {
      const place = places[index]!;
      hadPage ||= (place & inPage) !== 0;
      if ((place & inRow) !== 0) batch.deletes.push(keys.message(id, uids[index]!));
    }
  }
  if (flags !== undefined) {
    scratch.flagsLow.set(flags.flagsLow);
    scratch.flagsHigh.set(flags.flagsHigh);
    scratch.modSeqs.set(flags.modSeqs);
  }
  if (expunged.size > 0) scratch.filter((uid) => !expunged.has(uid));
  for (const row of added) scratch.push(row);
  mailbox.pagesWritten.add(number);
  const key = keys.messagePage(id, number);
  if (scratch.length > 0) batch.puts.push({ key, value: encodeMessagePage(scratch) });
  else if (hadPage) batch.deletes.push(key);
}

/** No message of the page that goes has an entry in it. */
function writeSingly(
  keys: AccountKeys,
  mailbox: DraftMailbox,
  batch: RowBatch,
  { from, to, flags, added }: TouchedPage,
): void {
  const table = mailbox.state?.table;
  const { expunged } = mailbox;
  for (let index = from; table !== undefined && index < to; index++) {
    const uid = table.columns.uids[index]!;
    if (expunged.has(uid)) batch.deletes.push(keys.message(mailbox.id, uid));
    else if (flags !== undefined && flags.modSeqs[index - from] !== table.columns.modSeqs[index])
      putRow(keys, mailbox, batch, mailbox.row(uid, index)!);
  }
  for (const row of added) putRow(keys, mailbox, batch, row);
}

function putRow(keys: AccountKeys, { id }: DraftMailbox, { puts }: RowBatch, row: MessageRow): void {
  puts.push({ key: keys.message(id, row.uid), value: encodeMessageRow(row) });
}

/** The committed columns become what the draft is. */
export function applyRows(table: MessageTable, mailbox: DraftMailbox): void {
  const { added, expunged, pageFlags, pagesWritten, staged } = mailbox;
  for (const flags of pageFlags.values()) {
    if (!pagesWritten.has(flags.page)) {
      const { modSeqs } = table.columns;
      for (let at = 0; at < flags.modSeqs.length; at++)
        if (flags.modSeqs[at] !== modSeqs[flags.from + at]) table.setInRow(flags.from + at);
    }
    table.setFlags(flags.from, flags);
  }
  for (const number of pagesWritten) table.setInPage(number);
  for (const row of added)
    if (row !== undefined) table.push(row, pagesWritten.has(pageOf(row.uid)) ? inPage : inRow);
  if (staged !== undefined) table.appendTable(staged);
  if (expunged.size === 0) return;
  const removed: number[] = [];
  let guess = 0;
  for (const uid of expunged) {
    const index = table.indexNear(uid, guess);
    guess = index + 1;
    removed.push(index);
  }
  removed.sort((a, b) => a - b);
  table.remove(removed);
}
