// Searching, sorting and threading an account's mailboxes, and its search index: answers come from the index where it
// knows, from the messages where it does not, and the index is brought up in the background as messages come.
// Invariant: answers are the same whether or not anything is indexed; each sees one moment of the mailbox.
// Failures: those of storage pass through; a failed building is logged and comes again with the next messages.

import { Slicer } from '../../base/slicer.ts';
import type { AccountId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { SortCriterion, ThreadAlgorithm } from '../../mail/message-order.ts';
import { sortCriteriaMax } from '../../mail/message-order.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import type { AccountChores } from '../account-chores.ts';
import type { BackgroundPace } from '../background-pace.ts';
import type { MessageColumns } from '../port.ts';
import type { SearchIndexStatus } from '../port-reads.ts';
import type { ReaderContext } from '../reading/message-reader.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { IndexBuilder } from '../search-index/index-builder.ts';
import { indexedMatches } from '../search-index/indexed-matches.ts';
import { PlacedMailbox } from '../search-index/mailbox-places.ts';
import { textRanks } from '../search-index/merged-texts.ts';
import type { SearchCache } from '../search-index/search-cache.ts';
import { indexVersion } from '../search-index/segment-directory.ts';
import { SegmentReader } from '../search-index/segment-reader.ts';
import type { AccountWriter, WriterOptions } from '../writing/account-writer.ts';
import { orderRows, sentSeconds } from './message-order.ts';
import { type ThreadedMessages, threadSteps } from './message-threads.ts';
import { checkSearchKey, searchMailbox } from './search.ts';

/** What searches of all accounts of a process share. */
export interface SharedSearch {
  readonly cache: SearchCache;
  readonly pace: BackgroundPace;
}

export interface AccountSearchOptions
  extends Pick<WriterOptions, 'engine' | 'blobs' | 'clock' | 'log' | 'limits'> {
  readonly accountId: AccountId;
  readonly search: SharedSearch;
  readonly chores: AccountChores;
  readonly writer: () => AccountWriter;
}

/** A mailbox at one moment. */
export interface SearchedMailbox {
  readonly mailboxId: number;
  /** The caller's copy. */
  readonly columns: MessageColumns;
  readonly keywords: readonly string[];
}

/** Messages come in crowds; the index waits for the end of one. */
const quietMs = 500;

export class AccountSearch {
  readonly #options: AccountSearchOptions;
  readonly #context: ReaderContext;
  readonly #segments: SegmentReader;
  readonly #builder: IndexBuilder;
  /** Before this account's keys in the cache. */
  #space: string;
  #building = false;
  #waits = false;

  constructor(options: AccountSearchOptions) {
    const { engine, blobs, limits, accountId, search } = options;
    this.#space = search.cache.newSpace();
    const keys = new AccountKeys(accountId);
    this.#options = options;
    this.#context = { engine, blobs, keys, inlineBytesMax: limits.inlineBytesMax };
    this.#segments = new SegmentReader({ engine, keys, cache: search.cache, space: () => this.#space });
    this.#builder = new IndexBuilder({
      ...this.#context,
      clock: options.clock,
      log: options.log,
      pace: search.pace,
      accountId,
      segments: this.#segments,
      writer: options.writer,
      indexMessagesMin: limits.indexMessagesMin,
    });
  }

  /** How many messages wait to be indexed, as far as is known: those that were expunged since count too. */
  lag(): number {
    const state = this.#options.writer().state;
    const directory = this.#segments.knownDirectory;
    if (state === undefined || directory === undefined) return 0;
    return Math.max(0, state.account.nextEmailId - 1 - directory.indexedThrough);
  }

  async status(): Promise<SearchIndexStatus> {
    const { account } = await this.#options.writer().open();
    const { indexedThrough, segments } = await this.#segments.directory();
    const isDue = this.#isDue(account.nextEmailId, indexedThrough);
    // It may have failed before.
    if (isDue) this.messagesCame(account.nextEmailId);
    const messages = account.messagesUsed;
    return {
      messages,
      waiting: Math.min(messages, Math.max(0, account.nextEmailId - 1 - indexedThrough)),
      isBuilding: isDue || this.#building,
      segments: segments.length,
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      version: indexVersion,
    };
  }

  /** Resolves when the index is durably thrown away; it is built again in the background. */
  async rebuild(): Promise<void> {
    const { accountId, log } = this.#options;
    await this.#builder.beginAnew();
    log.info({ accountId }, 'the search index is built again, as an administrator asks');
    this.#build();
  }

  /** Messages may have come or gone: brings the index up a little later, if they are enough. */
  messagesCame(nextEmailId: number): void {
    const { clock, writer } = this.#options;
    if (this.#waits || this.#building) return;
    const indexedThrough = this.#segments.knownDirectory?.indexedThrough ?? 0;
    const state = writer().state;
    const isDue = this.#isDue(nextEmailId, indexedThrough);
    if (!isDue && (state === undefined || !this.#builder.hasLosses(state.account))) return;
    this.#waits = true;
    clock.after(quietMs, () => {
      this.#waits = false;
      this.#build();
    });
  }

  /** Reads the directory again: it was changed from outside (store check). */
  forget(): void {
    this.#space = this.#options.search.cache.newSpace();
    this.#segments.replace(undefined);
  }

  /** Builds what is missing now; resolves when the index has all that is worth it. For tests and measuring. */
  async settle(): Promise<void> {
    await this.#builder.run();
  }

  /** Uids that match, ascending. */
  async search(mailbox: SearchedMailbox, key: SearchKey): Promise<Uint32Array> {
    return this.#find(mailbox, key, this.#placed(mailbox));
  }

  async sort(
    mailbox: SearchedMailbox,
    asked: { key: SearchKey; criteria: readonly SortCriterion[]; favoured: SearchKey | undefined },
  ): Promise<Uint32Array> {
    if (asked.criteria.length > sortCriteriaMax)
      throw new MailError('limitReached', 'too many sort criteria');
    const { columns, mailboxId } = mailbox;
    const placed = this.#placed(mailbox);
    const rows = await this.#findRows(mailbox, asked.key, placed);
    const favoured = asked.favoured && (await this.#findRows(mailbox, asked.favoured, placed));
    const { cache } = this.#options.search;
    const { clock } = this.#options;
    const cacheKey = `${this.#space}order ${mailboxId}`;
    const ordered = await orderRows(rows, asked.criteria, {
      columns,
      mailbox: placed,
      favoured,
      cache,
      cacheKey,
      clock,
    });
    return picked(columns.uids, ordered);
  }

  /** Pairs of depth and uid; uid 0: a message that is not here, above several. */
  async thread(mailbox: SearchedMailbox, key: SearchKey, algorithm: ThreadAlgorithm): Promise<Uint32Array> {
    const { columns, mailboxId } = mailbox;
    const { cache } = this.#options.search;
    const placed = this.#placed(mailbox);
    const rows = await this.#findRows(mailbox, key, placed);
    const isAll = rows.length === columns.uids.length;
    const cacheKey = `${this.#space}threads ${mailboxId} ${algorithm}`;
    const lastUid = columns.uids[columns.uids.length - 1] ?? 0;
    const kept = isAll ? cache.get<KeptThreads>(cacheKey) : undefined;
    // The same number and the same last one: the same messages.
    if (kept?.count === rows.length && kept.lastUid === lastUid) return kept.threads;
    const slicer = new Slicer(this.#options.clock);
    const messages = await threadedMessages(rows, columns, { mailbox: placed, algorithm, slicer });
    const pairs = await slicer.finish(threadSteps(messages, algorithm));
    const threads = new Uint32Array(pairs.length);
    for (const [at, value] of pairs.entries())
      threads[at] = at % 2 === 0 ? value : value < 0 ? 0 : columns.uids[rows[value]!]!;
    const keeps: KeptThreads = { threads, count: rows.length, lastUid };
    if (isAll) cache.set(cacheKey, keeps, threads.byteLength + 200);
    return threads;
  }

  /** Enough messages wait, or something of the index is damaged. */
  #isDue(nextEmailId: number, indexedThrough: number): boolean {
    const isBehind = nextEmailId - 1 - indexedThrough >= this.#options.limits.indexMessagesMin;
    return isBehind || this.#segments.hasSuspects;
  }

  #build(): void {
    const { chores, writer } = this.#options;
    if (this.#building || writer().closed) return;
    this.#building = true;
    void chores.start(async () => {
      try {
        await this.#builder.run();
      } catch (error) {
        // Closed under it: who hosts the account next goes on.
        if (!writer().closed) throw error;
      } finally {
        this.#building = false;
      }
      // What came, or was begun anew, at its very end.
      const { state } = writer();
      if (state !== undefined) this.messagesCame(state.account.nextEmailId);
    });
  }

  #placed({ columns }: SearchedMailbox): PlacedMailbox {
    const { clock, search } = this.#options;
    const { cache } = search;
    const options = { ...this.#context, clock, cache, space: this.#space, segments: this.#segments };
    return new PlacedMailbox(columns.emailIds, options);
  }

  async #find(
    { columns, keywords }: SearchedMailbox,
    key: SearchKey,
    mailbox: PlacedMailbox,
  ): Promise<Uint32Array> {
    checkSearchKey(key);
    const { clock } = this.#options;
    const indexed = await indexedMatches(key, { mailbox, segments: this.#segments, clock });
    const found = await searchMailbox({ ...this.#context, clock, columns, keywords, key, indexed });
    this.messagesCame(this.#options.writer().state?.account.nextEmailId ?? 1);
    return found;
  }

  async #findRows(mailbox: SearchedMailbox, key: SearchKey, placed: PlacedMailbox): Promise<Uint32Array> {
    const { uids } = mailbox.columns;
    if (key.type === 'all') return rowsUpTo(uids.length);
    const found = await this.#find(mailbox, key, placed);
    const rows = new Uint32Array(found.length);
    for (let at = 0, row = 0; at < found.length; at++, row++) {
      while (uids[row] !== found[at]) row++;
      rows[at] = row;
    }
    return rows;
  }
}

function rowsUpTo(count: number): Uint32Array {
  const rows = new Uint32Array(count);
  for (let row = 0; row < count; row++) rows[row] = row;
  return rows;
}

function picked(uids: Uint32Array, rows: Uint32Array): Uint32Array {
  const found = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) found[at] = uids[rows[at]!]!;
  return found;
}

interface KeptThreads {
  readonly threads: Uint32Array;
  readonly count: number;
  readonly lastUid: number;
}

const noReferences = new Float64Array();

async function threadedMessages(
  rows: Uint32Array,
  columns: MessageColumns,
  given: { readonly mailbox: PlacedMailbox; readonly algorithm: ThreadAlgorithm; readonly slicer: Slicer },
): Promise<ThreadedMessages> {
  const { mailbox, algorithm, slicer } = given;
  // REFS looks at no subject.
  const subjects =
    algorithm === 'refs'
      ? new Int32Array(mailbox.rows)
      : await textRanks(await mailbox.columns('order subject'), slicer);
  const sent = await sentSeconds(mailbox, columns);
  const ancestry = await mailbox.columns('ancestry');
  const messageIds = new Float64Array(mailbox.rows);
  const replies = new Uint8Array(mailbox.rows);
  const sourceOf = new Int32Array(mailbox.rows).fill(-1);
  const placeOf = new Int32Array(mailbox.rows);
  ancestry.runs.each((source, row, place, length) => {
    const column = ancestry.columns[source]!;
    messageIds.set(column.messageIds.subarray(place, place + length), row);
    replies.set(column.replies.subarray(place, place + length), row);
    sourceOf.fill(source, row, row + length);
    for (let at = 0; at < length; at++) placeOf[row + at] = place + at;
  });
  return {
    count: rows.length,
    sentSeconds: Float64Array.from(rows, (row) => sent[row]!),
    subject: (index) => subjects[rows[index]!]!,
    isReply: (index) => replies[rows[index]!] === 1,
    messageId: (index) => messageIds[rows[index]!]!,
    references(index) {
      const row = rows[index]!;
      return ancestry.columns[sourceOf[row]!]?.referencesOf(placeOf[row]!) ?? noReferences;
    },
  };
}
