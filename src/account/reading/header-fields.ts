// Chosen fields of the headers of many messages, as lists of messages ask for them. They are put together from the summaries
// once and kept in pages, in the cache that searches use too: a client that lists a mailbox again, or another client of the
// account, is answered by copying.
// Invariants: a message's header never changes, so what a page holds stays true while the account stays loaded. What is kept is
// bounded by the cache, and by the page. Fails with Fault when storage does.

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import { FieldNames, selectedBytesMax, writeSelectedFields } from '../../mail/field-names.ts';
import { offsetsPerField } from '../../mail/header.ts';
import type { Bytes } from '../../storage/engine.ts';
import type { HeaderFields, HeaderFieldsOptions } from '../port-reads.ts';
import type { SearchCache } from '../search-index/search-cache.ts';
import type { MessageTable } from '../table/message-table.ts';
import { indexFrom } from '../table/uid-lists.ts';
import { FieldsBuilder, type FieldsPage, mergedPages } from './fields-page.ts';
import {
  type ReaderContext,
  type StoredHeader,
  soundSummary,
  storedHeader,
  summaryAgain,
} from './message-reader.ts';

/** A page is of so many uids: about 64 KB of what lists of messages ask for, put together in a millisecond. */
const uidsPerPage = 256;
/** Looked at in one answer, whatever fits. */
const uidsPerAnswer = 4_096;
/** Larger pages (lists of hundreds of recipients) are made again each time. */
const pageBytesMax = 512 * 1024;
/** What a page takes beside its bytes, and each message in it. */
const pageOverheadBytes = 400;
const rowOverheadBytes = 8;
/** Headers that no summary holds are read so many at the same time; none is above a megabyte. */
const headersAtOnce = 16;
/** Offsets of headers with more fields are put elsewhere. */
const usualFields = 60;

interface Asked extends HeaderFieldsOptions {
  readonly mailboxId: number;
  /** Ascending. */
  readonly uids: Uint32Array;
}

interface FieldsContext extends ReaderContext {
  readonly table: MessageTable;
  /** The account's state: what was read under another one is not looked at. */
  readonly owner: object;
}

interface Choice {
  readonly names: FieldNames<string>;
  readonly matching: boolean;
}

interface Located {
  readonly uid: number;
  readonly emailId: number;
  readonly size: number;
}

export class HeaderFieldsReader {
  readonly #cache: SearchCache;
  readonly #clock: Clock;
  #owner: object | undefined;
  /** Before this owner's keys in the cache. */
  #space = '';

  constructor({ cache, clock }: { readonly cache: SearchCache; readonly clock: Clock }) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** As AccountPort.readHeaderFields. */
  async read(asked: Asked, context: FieldsContext): Promise<HeaderFields> {
    const { mailboxId, choice, bytesMax } = asked;
    const uids = asked.uids.subarray(0, uidsPerAnswer);
    const names = [...new Set(choice.names)].sort();
    const chosen = { names: new FieldNames(names), matching: choice.matching };
    const space = this.#spaceOf(context.owner);
    const keyStart = `${space}fields ${mailboxId} ${choice.matching} ${JSON.stringify(names)} `;
    const there = existing(context.table, uids);
    const answer = new FieldsBuilder(there.length);
    const slicer = new Slicer(this.#clock);
    let done = 0;
    while (done < there.length) {
      const number = Math.floor(there[done]! / uidsPerPage);
      const wanted = there.subarray(done, indexFrom(there, (number + 1) * uidsPerPage));
      const key = keyStart + number;
      let page = this.#cache.get<FieldsPage>(key);
      let ready = wanted.length;
      const missing = missingFrom(page, wanted, context.table);
      if (missing.length > 0) {
        const room = bytesMax - answer.bytes;
        const { read, count } = await readFields(missing, context, { chosen, bytesMax: room });
        // Somebody else may have put some there meanwhile.
        page = mergedPages(this.#cache.get<FieldsPage>(key), read);
        this.#keep(key, page);
        if (count < missing.length) ready = indexFrom(wanted, missing[count]!.uid);
      }
      const added =
        page === undefined ? ready : answer.addMatching(page, wanted.subarray(0, ready), bytesMax);
      done += added;
      if (added < wanted.length || answer.bytes >= bytesMax) break;
      if (slicer.due()) await slicer.rest();
    }
    const answered = done === there.length ? uids.length : indexFrom(uids, there[done]!);
    return { answered, ...answer.build() };
  }

  #spaceOf(owner: object): string {
    if (this.#owner !== owner) this.#space = this.#cache.newSpace();
    this.#owner = owner;
    return this.#space;
  }

  #keep(key: string, page: FieldsPage): void {
    if (page.bytes.length > pageBytesMax) return;
    const rows = page.uids.length * rowOverheadBytes;
    this.#cache.set(key, page, pageOverheadBytes + key.length + rows + page.bytes.length);
  }
}

/** Those that the mailbox has; the same array when it has all. */
function existing(table: MessageTable, uids: Uint32Array): Uint32Array {
  let guess = 0;
  const isThere = (uid: number): boolean => {
    const index = table.indexNear(uid, guess);
    if (index >= 0) guess = index + 1;
    return index >= 0;
  };
  return uids.every(isThere) ? uids : uids.filter(isThere);
}

/** Where those of `uids` are that the page lacks. Of such a list only what the mailbox has. */
function missingFrom(page: FieldsPage | undefined, uids: Uint32Array, table: MessageTable): Located[] {
  const missing: Located[] = [];
  const known = page?.uids ?? new Uint32Array();
  const { emailIds, sizes } = table.columns;
  let guess = 0;
  let at = 0;
  for (const uid of uids) {
    while (at < known.length && known[at]! < uid) at++;
    if (known[at] === uid) continue;
    const index = table.indexNear(uid, guess);
    if (index < 0) continue;
    missing.push({ uid, emailId: emailIds[index]!, size: sizes[index]! });
    guess = index + 1;
  }
  return missing;
}

/** Fields of the first `count` of `messages`, at least one, of all when they fit; without those that are gone meanwhile. */
async function readFields(
  messages: readonly Located[],
  context: ReaderContext,
  { chosen, bytesMax }: { readonly chosen: Choice; readonly bytesMax: number },
): Promise<{ readonly read: FieldsPage; readonly count: number }> {
  const rows = await context.engine.getMany(messages.map(({ emailId }) => context.keys.summary(emailId)));
  const builder = new FieldsBuilder(messages.length);
  const rooms = Array.from({ length: headersAtOnce }, () => new Int32Array(usualFields * offsetsPerField));
  let count = 0;
  while (count < messages.length && (count === 0 || builder.bytes < bytesMax)) {
    const batch = messages.slice(count, count + headersAtOnce);
    const found = batch.map(({ emailId }, at) =>
      headerIn(rows[count + at], emailId, { context, room: rooms[at]! }),
    );
    const headers = found.some((one) => one instanceof Promise) ? await Promise.all(found) : found;
    for (const [at, { uid, size }] of batch.entries()) {
      const header = headers[at] as StoredHeader | undefined;
      if (header === undefined) continue;
      const { bytes, block } = header;
      const selection = { block, ...chosen, hasBody: size > block.end };
      builder.add(uid, selectedBytesMax(block), (place) => writeSelectedFields(bytes, selection, place));
    }
    count += batch.length;
  }
  return { read: builder.build(), count };
}

/** Undefined: the message is gone. */
function headerIn(
  row: Bytes | undefined,
  emailId: number,
  { context, room }: { readonly context: ReaderContext; readonly room: Int32Array },
): StoredHeader | Promise<StoredHeader | undefined> {
  const record = soundSummary(row);
  if (record === undefined) return headerAgain(emailId, context);
  return storedHeader(context, { emailId, summary: record.summary, room });
}

async function headerAgain(emailId: number, context: ReaderContext): Promise<StoredHeader | undefined> {
  const record = await summaryAgain(context, emailId);
  return record && (await storedHeader(context, { emailId, summary: record.summary }));
}
