// Reads of one mailbox on the account's host: finds it, has its columns loaded, and answers from them and from storage.
// Invariant: columns are loaded through the writer, so that no commit changes rows while they are read; an answer is of one
// moment of the mailbox. Failures: refuses noSuchMailbox and mailboxNotSelectable; those of storage pass through.

import { flagSeen } from '../mail/flags.ts';
import type { MailboxId, ModSeq, OperationId, Uid } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { AccountChores } from './account-chores.ts';
import { mailboxInfo } from './account-record.ts';
import type { SearchedMailbox } from './account-search.ts';
import type { AccountState } from './account-state.ts';
import type { WriterOptions } from './account-writer.ts';
import { HeaderFieldsReader } from './header-fields.ts';
import { loadTable } from './load-table.ts';
import { changesSince, goneMailboxChanges } from './mailbox-changes.ts';
import { normalTarget } from './mailbox-name.ts';
import type { MailboxState } from './mailbox-state.ts';
import { pageOf } from './message-page.ts';
import { type ReaderContext, readEmail, readMessages, readSummaries } from './message-reader.ts';
import type { MessageTable } from './message-table.ts';
import { claimRecentMutation } from './mutations/claim-recent.ts';
import { internalMutation, type Mutation } from './mutations/mutation.ts';
import { pagesToPack } from './mutations/pack-pages.ts';
import type * as Port from './port.ts';
import type { SearchCache } from './search-index/search-cache.ts';
import { sentSizes } from './sent-sizes.ts';
import { ascending } from './uid-lists.ts';

export interface MailboxReaderOptions extends Pick<WriterOptions, 'engine' | 'blobs' | 'clock' | 'limits'> {
  readonly cache: SearchCache;
  readonly chores: AccountChores;
  loaded(): Promise<AccountState> | AccountState;
  submit<T>(mutation: Mutation<T>): Promise<T>;
}

interface OpenTable {
  readonly state: AccountState;
  readonly mailbox: MailboxState;
  readonly table: MessageTable;
}

export class MailboxReader {
  readonly #options: MailboxReaderOptions;
  readonly #headerFields: HeaderFieldsReader;

  constructor(options: MailboxReaderOptions) {
    this.#options = options;
    this.#headerFields = new HeaderFieldsReader(options);
  }

  async open(
    target: Port.MailboxTarget,
    { claimRecent }: { claimRecent: OperationId | false },
  ): Promise<Port.OpenedMailbox> {
    const claimed = claimRecent === false ? undefined : await this.#claimRecent(target, claimRecent);
    const { mailbox, table } = await this.#table(target);
    const { uids, flagsLow } = table.columns;
    const recentFrom = claimed ?? (mailbox.record.recentFrom as Uid);
    let first = 0;
    if (mailbox.record.unseen === 0) first = table.length;
    while (first < table.length && (flagsLow[first]! & flagSeen) !== 0) first++;
    return {
      info: mailboxInfo(mailbox.record),
      uids: uids.slice(0, table.length),
      recentFrom,
      firstUnseen: first < table.length ? (uids[first] as Uid) : undefined,
    };
  }

  /** Most often nothing is to be claimed, and nothing is written. Undefined: then. */
  async #claimRecent(target: Port.MailboxTarget, operation: OperationId): Promise<Uid | undefined> {
    const { state, mailbox } = await this.#table(target);
    const { id, recentFrom, uidNext } = mailbox.record;
    // A retry has claimed before, and is told what.
    if (recentFrom === uidNext && !state.operationSlots.has(operation)) return undefined;
    return this.#options.submit(claimRecentMutation({ operation, mailboxId: id as MailboxId }));
  }

  async columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MessageColumns> {
    const { table } = await this.#table({ id: mailboxId });
    return uids === undefined ? table.all() : table.select(uids);
  }

  async sentSizes(mailboxId: MailboxId): Promise<Port.SentSizes> {
    const { state, table } = await this.#table({ id: mailboxId });
    return sentSizes(this.#options, state.keys, table.all());
  }

  async changesSince(mailboxId: MailboxId, since: ModSeq): Promise<Port.MailboxChanges> {
    const state = await this.#options.loaded();
    if (state.mailbox(mailboxId) === undefined) return goneMailboxChanges;
    const opened = await this.#table({ id: mailboxId });
    return changesSince(opened.state, opened.mailbox, since, this.#options);
  }

  async summaries(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Port.MessageSummary[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    return readSummaries(this.#readerContext(state), table, uids, bytesMax);
  }

  async headerFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Port.HeaderFieldsOptions,
  ): Promise<Port.HeaderFields> {
    const { state, table } = await this.#table({ id: mailboxId });
    const context = { ...this.#readerContext(state), table, owner: state };
    return this.#headerFields.read({ mailboxId, uids: ascending(uids), ...options }, context);
  }

  async messages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Port.MessageBytes[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    return readMessages(this.#readerContext(state), table, uids, bytesMax);
  }

  async range(mailboxId: MailboxId, uid: Uid, range: Port.ByteRange): Promise<Uint8Array | undefined> {
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

  async #table(target: Port.MailboxTarget): Promise<OpenTable> {
    for (;;) {
      const state = await this.#options.loaded();
      const mailbox = state.find(normalTarget(target));
      if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
      if (!mailbox.record.selectable) {
        throw new MailError('mailboxNotSelectable', 'the mailbox is only a place for others');
      }
      if (mailbox.table !== undefined) return { state, mailbox, table: mailbox.table };
      await this.#loadTable(mailbox.record.id);
    }
  }

  #loadTable(mailboxId: number): Promise<void> {
    return this.#options.submit(
      internalMutation('loadTable', async (draft) => {
        const current = draft.state.mailbox(mailboxId);
        if (current === undefined) return;
        const table = await loadTable(draft.state, current, this.#options);
        const pages = { from: 0, to: pageOf(current.record.uidNext) };
        const [from = pages.to] = pagesToPack(table, pages, 1);
        this.#options.chores.packPages(current.record.id, from, pages.to);
      }),
    );
  }

  #readerContext(state: AccountState): ReaderContext {
    const { engine, blobs, limits } = this.#options;
    return { engine, blobs, keys: state.keys, inlineBytesMax: limits.inlineBytesMax };
  }
}
