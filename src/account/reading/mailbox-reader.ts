// Reads of one mailbox on the account's host: finds it, has its columns loaded, and answers from them and from storage.
// Invariant: an answer is of one moment of the mailbox. Failures: refuses noSuchMailbox and mailboxNotSelectable; those of
// storage pass through.

import { flagSeen } from '../../mail/flags.ts';
import type { MailboxId, ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { AccountState } from '../account-state.ts';
import { normalTarget } from '../mailbox-name.ts';
import type * as Port from '../port.ts';
import type * as Reads from '../port-reads.ts';
import { mailboxInfo } from '../records/account-record.ts';
import type { SearchedMailbox } from '../search/account-search.ts';
import type { SearchCache } from '../search-index/search-cache.ts';
import type { MailboxState } from '../table/mailbox-state.ts';
import type { MessageTable } from '../table/message-table.ts';
import { RecentClaims } from '../table/recent-claims.ts';
import { TableLoader, type TableLoaderOptions } from '../table/table-loader.ts';
import { ascending } from '../table/uid-lists.ts';
import type { WriterOptions } from '../writing/account-writer.ts';
import type { Draft } from '../writing/draft.ts';
import type { FreshSummaries } from './fresh-summaries.ts';
import { HeaderFieldsReader } from './header-fields.ts';
import { changesSince, goneMailboxChanges } from './mailbox-changes.ts';
import { type ReaderContext, readEmail, readMessages, readSummaries } from './message-reader.ts';
import { sentSizes } from './sent-sizes.ts';

export interface MailboxReaderOptions extends TableLoaderOptions, Pick<WriterOptions, 'blobs'> {
  readonly freshSummaries: FreshSummaries;
  readonly cache: SearchCache;
  loaded(): Promise<AccountState> | AccountState;
}

interface OpenTable {
  readonly state: AccountState;
  readonly mailbox: MailboxState;
  readonly table: MessageTable;
}

export class MailboxReader {
  readonly #options: MailboxReaderOptions;
  readonly #headerFields: HeaderFieldsReader;
  readonly #tables: TableLoader;
  readonly #claims: RecentClaims;

  constructor(options: MailboxReaderOptions) {
    this.#options = options;
    this.#headerFields = new HeaderFieldsReader(options);
    this.#tables = new TableLoader(options);
    this.#claims = new RecentClaims(options);
  }

  /** To be told of every commit of the account. */
  committed(draft: Draft): void {
    this.#tables.committed(draft);
    this.#claims.committed(draft);
    const { freshSummaries } = this.#options;
    for (const [emailId, { record, created }] of draft.emails)
      if (record !== undefined && created !== undefined)
        freshSummaries.keep(draft.state.freshSummaries, emailId, created.summary);
  }

  async open(
    target: Port.MailboxTarget,
    { claimRecent }: { claimRecent: OperationId | false },
  ): Promise<Port.OpenedMailbox> {
    const found = this.#table(target);
    const { state, mailbox, table } = found instanceof Promise ? await found : found;
    const { record } = mailbox;
    const { uids } = table;
    const { flagsLow } = table.columns;
    let first = 0;
    if (record.unseen === 0) first = uids.length;
    while (first < uids.length && (flagsLow[first]! & flagSeen) !== 0) first++;
    const opened = {
      info: mailboxInfo(record),
      uids,
      firstUnseen: first < uids.length ? (uids[first] as Uid) : undefined,
    };
    if (claimRecent === false) return { ...opened, recentFrom: this.#claims.recentFrom(record) };
    const claimed = this.#claims.claim(state, record, claimRecent);
    return { ...opened, recentFrom: typeof claimed === 'number' ? claimed : await claimed };
  }

  async columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MailboxColumns> {
    const { mailbox, table } = await this.#table({ id: mailboxId });
    const columns = uids === undefined ? table.all() : table.select(uids);
    return { ...columns, keywords: mailbox.record.keywords };
  }

  async sentSizes(mailboxId: MailboxId): Promise<Reads.SentSizes> {
    const { state, table } = await this.#table({ id: mailboxId });
    return sentSizes(this.#options, state.keys, table.all());
  }

  async changesSince(
    mailboxId: MailboxId,
    since: ModSeq,
    options?: Reads.ChangesOptions,
  ): Promise<Port.MailboxChanges> {
    const loaded = await this.#options.loaded();
    if (loaded.mailbox(mailboxId) === undefined) return goneMailboxChanges;
    const { state, mailbox } = await this.#table({ id: mailboxId });
    const { record } = mailbox;
    const recentFrom =
      options?.claimRecent === true ? this.#claims.claimArrivals(record) : this.#claims.recentFrom(record);
    return changesSince(state, mailbox, { since, recentFrom }, this.#options);
  }

  /** Messages of a mailbox before this uid are not \Recent to anybody else any more. */
  claimedTo(mailboxId: number): number {
    return this.#claims.claimedTo(mailboxId);
  }

  /** The account's last session has ended, or the account moves. */
  commitClaims(): void {
    this.#claims.commitAll();
  }

  async summaries(
    mailboxId: MailboxId,
    uids: Uint32Array,
    bytesMax: number,
  ): Promise<Reads.MessageSummary[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    const { freshSummaries } = this.#options;
    const fresh = (emailId: number) => freshSummaries.find(state.freshSummaries, emailId);
    return readSummaries({ ...this.#readerContext(state), fresh }, table, uids, bytesMax);
  }

  async headerFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Reads.HeaderFieldsOptions,
  ): Promise<Reads.HeaderFields> {
    const { state, table } = await this.#table({ id: mailboxId });
    const context = { ...this.#readerContext(state), table, owner: state };
    return this.#headerFields.read({ mailboxId, uids: ascending(uids), ...options }, context);
  }

  async messages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Reads.MessageBytes[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    return readMessages(this.#readerContext(state), table, uids, bytesMax);
  }

  async range(mailboxId: MailboxId, uid: Uid, range: Reads.ByteRange): Promise<Uint8Array | undefined> {
    const { state, table } = await this.#table({ id: mailboxId });
    const index = table.indexOf(uid);
    if (index < 0) return undefined;
    return readEmail(this.#readerContext(state), table.columns.emailIds[index]!, range);
  }

  /** As search wants it. */
  async searched(mailboxId: MailboxId): Promise<SearchedMailbox> {
    const { mailbox, table } = await this.#table({ id: mailboxId });
    return { mailboxId, columns: table.all(), keywords: mailbox.record.keywords };
  }

  /** At once when it is in memory. */
  #table(target: Port.MailboxTarget): OpenTable | Promise<OpenTable> {
    const state = this.#options.loaded();
    if (state instanceof Promise) return this.#load(state, target);
    const mailbox = mailboxAt(state, target);
    const { table } = mailbox;
    return table === undefined ? this.#load(state, target) : { state, mailbox, table };
  }

  async #load(loaded: AccountState | Promise<AccountState>, target: Port.MailboxTarget): Promise<OpenTable> {
    for (let state = await loaded; ; state = await this.#options.loaded()) {
      const mailbox = mailboxAt(state, target);
      if (mailbox.table !== undefined) return { state, mailbox, table: mailbox.table };
      await this.#tables.load(state, mailbox);
    }
  }

  #readerContext(state: AccountState): ReaderContext {
    const { engine, blobs, limits } = this.#options;
    return { engine, blobs, keys: state.keys, inlineBytesMax: limits.inlineBytesMax };
  }
}

function mailboxAt(state: AccountState, target: Port.MailboxTarget): MailboxState {
  const mailbox = state.find(normalTarget(target));
  if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  if (!mailbox.record.selectable) {
    throw new MailError('mailboxNotSelectable', 'the mailbox is only a place for others');
  }
  return mailbox;
}
