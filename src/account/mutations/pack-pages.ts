// Puts message rows into pages (message-page.ts), in the background: of pages that are full, as no more messages come to
// them, so that deliveries write one row each and opening the mailbox reads few records all the same. Nothing that anybody
// can see changes. Reads what it packs when the columns are not in memory: who only delivers does not load them.
// On a full disk it is refused, and the rows stay as they are. What is damaged is left for store check.

import type { Bytes } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { pageBytesMax } from '../account-limits.ts';
import { numberBehind } from '../records/account-keys.ts';
import { decodeMessageRow } from '../records/message-row.ts';
import { rowOf } from '../table/message-columns.ts';
import { encodeMessagePage, inPage, inRow, MessagePage, pageOf, pageUids } from '../table/message-page.ts';
import type { MessageTable } from '../table/message-table.ts';
import type { Draft } from '../writing/draft.ts';
import { changesForPageMin } from '../writing/draft-rows.ts';
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
  const { engine } = draft.context;
  const { keys } = draft.state;
  const end = Math.min(to, from + pagesPerCommit);
  const range = {
    start: keys.message(mailboxId, from * pageUids),
    end: keys.message(mailboxId, end * pageUids),
  };
  const limits = { entriesMax: pagesPerCommit * pageUids, bytesMax: pageBytesMax };
  const { prefixLength } = keys.messages(mailboxId);
  const rows: StoredRow[] = (await engine.page(range, limits)).entries.map(({ key, value }) => ({
    uid: numberBehind(key, prefixLength),
    key,
    value,
  }));
  const packed = [...Map.groupBy(rows, ({ uid }) => pageOf(uid))].filter(
    ([, rowsOver]) => rowsOver.length >= changesForPageMin,
  );
  const pageKeys = packed.map(([number]) => keys.messagePage(mailboxId, number));
  const stored = await engine.getMany(pageKeys);
  const merger = new PageMerger();
  for (const [index, [number, rowsOver]] of packed.entries()) {
    const key = pageKeys[index]!;
    const page = unlessDamaged(() => merger.merge({ number, stored: stored[index], rowsOver }));
    if (page === undefined) continue;
    draft.version++;
    draft.needsRoom = true;
    draft.puts.push({ key, value: encodeMessagePage(page) });
    for (const row of rowsOver) draft.deletes.push(row.key);
  }
  return end;
}

interface StoredRow {
  readonly uid: number;
  readonly key: Bytes;
  readonly value: Bytes;
}

interface UnloadedPage {
  readonly number: number;
  readonly stored: Bytes | undefined;
  /** Ascending. */
  readonly rowsOver: readonly StoredRow[];
}

/** Its columns are used for one page after the other. */
class PageMerger {
  readonly #before = new MessagePage();
  readonly #merged = new MessagePage();
  /** In what is stored of the page. */
  #next = 0;

  /** All of the page, until the next one is merged. Throws RecordDamaged. */
  merge({ number, stored, rowsOver }: UnloadedPage): MessagePage {
    this.#before.length = 0;
    this.#merged.length = 0;
    this.#next = 0;
    if (stored !== undefined) this.#before.load(number, stored);
    for (const { uid, value } of rowsOver) {
      this.#copyBelow(uid);
      if (this.#next < this.#before.length && this.#before.uids[this.#next] === uid) this.#next++;
      this.#merged.push(decodeMessageRow(uid, value));
    }
    this.#copyBelow((number + 1) * pageUids);
    return this.#merged;
  }

  #copyBelow(uid: number): void {
    const { uids, length } = this.#before;
    while (this.#next < length && uids[this.#next]! < uid)
      this.#merged.push(rowOf(this.#before, this.#next++));
  }
}
