// Puts message rows into pages (message-page.ts), in the background: of pages that are full, as no more messages come to
// them, so that deliveries write one row each and opening the mailbox reads few records all the same. Nothing that anybody
// can see changes. Reads what it packs when the columns are not in memory: who only delivers does not load them.
// On a full disk it is refused, and the rows stay as they are. What is damaged is left for store check.

import type { Bytes } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import type { AccountKeys } from '../account-keys.ts';
import type { Draft } from '../draft.ts';
import { changesForPageMin } from '../draft-rows.ts';
import { encodeMessagePage, inPage, inRow, MessagePage, pageOf, pageUids } from '../message-page.ts';
import { decodeMessageRow } from '../message-row.ts';
import { type MessageTable, rowOf } from '../message-table.ts';
import { internalMutation, type Mutation } from './mutation.ts';

/** In one commit: a thousand rows, a millisecond or two. */
const pagesPerCommit = 8;

/** Pages of a mailbox, the last one not included. */
export interface Pages {
  readonly from: number;
  readonly to: number;
}

/** Packs some of these pages, which are full. Resolves with where to go on: `to` when nothing is left. */
export function packPagesMutation(mailboxId: number, pages: Pages): Mutation<number> {
  const packing = internalMutation('packPages', async (draft) => {
    const mailbox = draft.mailbox(mailboxId);
    if (mailbox?.state === undefined) return pages.to;
    const { table } = mailbox.state;
    if (table === undefined) return packUnloaded(draft, mailboxId, pages);
    const packed = pagesToPack(table, pages, pagesPerCommit);
    if (packed.length === 0) return pages.to;
    draft.version++;
    draft.needsRoom = true;
    mailbox.packed.push(...packed);
    return packed.length < pagesPerCommit ? pages.to : packed.at(-1)! + 1;
  });
  return { ...packing, exclusive: true };
}

/** The first ones in which so many messages are rows that a page is read faster. */
export function pagesToPack(table: MessageTable, { from, to }: Pages, countMax: number): number[] {
  const { places, uids } = table.columns;
  const found: number[] = [];
  let page = -1;
  let rows = 0;
  // Nearly all of a packed mailbox is passed over at once.
  const firstRow = Math.min(placedAt(table, inRow), placedAt(table, inRow | inPage));
  for (let index = Math.max(firstRow, table.lowerBound(from * pageUids)); index < table.length; index++) {
    if ((places[index]! & inRow) === 0) continue;
    const number = pageOf(uids[index]!);
    if (number >= to) break;
    rows = number === page ? rows + 1 : 1;
    page = number;
    if (rows !== changesForPageMin) continue;
    found.push(page);
    if (found.length === countMax) break;
  }
  return found;
}

/** The index of the first message that is stored so; the length when none is. */
function placedAt({ columns, length }: MessageTable, place: number): number {
  const index = columns.places.indexOf(place);
  return index < 0 ? length : index;
}

async function packUnloaded(draft: Draft, mailboxId: number, { from, to }: Pages): Promise<number> {
  const { keys } = draft.state;
  const end = Math.min(to, from + pagesPerCommit);
  const wanted: Bytes[] = [];
  for (let number = from; number < end; number++) wanted.push(...keysOfPage(keys, mailboxId, number));
  const values = await draft.context.engine.getMany(wanted);
  for (let number = from; number < end; number++) {
    const first = (number - from) * (pageUids + 1);
    const stored = values.slice(first, first + pageUids + 1);
    if (stored.filter((value) => value !== undefined).length < changesForPageMin) continue;
    const page = unlessDamaged(() => mergedPage(number, stored));
    if (page === undefined) continue;
    draft.version++;
    draft.needsRoom = true;
    draft.puts.push({ key: wanted[first]!, value: encodeMessagePage(page) });
    for (let bit = 0; bit < pageUids; bit++)
      if (stored[bit + 1] !== undefined) draft.deletes.push(wanted[first + bit + 1]!);
  }
  return end;
}

/** The page's own, then those of the rows that may be. */
function* keysOfPage(keys: AccountKeys, mailboxId: number, number: number): Generator<Bytes> {
  yield keys.messagePage(mailboxId, number);
  for (let bit = 0; bit < pageUids; bit++) yield keys.message(mailboxId, number * pageUids + bit);
}

/** What is stored under `keysOfPage`, as one page. Throws RecordDamaged. */
function mergedPage(number: number, [stored, ...rows]: readonly (Bytes | undefined)[]): MessagePage {
  const before = new MessagePage();
  if (stored !== undefined) before.load(number, stored);
  const merged = new MessagePage();
  let next = 0;
  for (let bit = 0; bit < pageUids; bit++) {
    const uid = number * pageUids + bit;
    const isStored = next < before.length && before.uids[next] === uid;
    const value = rows[bit];
    if (value !== undefined) merged.push(decodeMessageRow(uid, value));
    else if (isStored) merged.push(rowOf(before, next));
    if (isStored) next++;
  }
  return merged;
}
