// The account port on the node that hosts the account: reads from committed state, hands every change to the writer,
// and keeps what belongs to sessions rather than to storage: watchers and the maildrop lock.
// Invariant: there is at most one LocalAccount of an account in a process (account-hosts.ts), so that all sessions meet
// here; its state may be unloaded at any time nothing is under way, sessions and watchers survive that.
// Failures: as the port says. After `fenced` every call is refused with `unavailable`.

import { type FlagBits, flagSeen } from '../mail/flags.ts';
import type { AccountId, MailboxId, ModSeq, OperationId, ShardId, Uid } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { ThreadAlgorithm } from '../mail/message-order.ts';
import { type AclEntry, allRights, owner } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { AccountChores } from './account-chores.ts';
import { mailboxInfo } from './account-record.ts';
import { AccountSearch, type SearchedMailbox, type SharedSearch } from './account-search.ts';
import type { AccountState } from './account-state.ts';
import { AccountWriter, type WriterOptions } from './account-writer.ts';
import { decodeAnnotations, isSomebodyElses } from './annotation-record.ts';
import type { Draft } from './draft.ts';
import { HeaderFieldsReader } from './header-fields.ts';
import { loadTable } from './load-table.ts';
import { changesSince, goneMailboxChanges } from './mailbox-changes.ts';
import { normalName, normalTarget } from './mailbox-name.ts';
import type { MailboxState } from './mailbox-state.ts';
import { pageOf } from './message-page.ts';
import { type ReaderContext, readEmail, readMessages, readSummaries } from './message-reader.ts';
import type { MessageTable } from './message-table.ts';
import { appendMutation } from './mutations/append.ts';
import { claimRecentMutation } from './mutations/claim-recent.ts';
import { type CopyManner, copyMutation } from './mutations/copy.ts';
import { deleteMailboxMutation } from './mutations/delete-mailbox.ts';
import { type ExpungeOptions, expungeMutation } from './mutations/expunge.ts';
import {
  type CreateMailboxOptions,
  createMailboxMutation,
  inboxRenameTargetMutation,
  type RenameMailboxOptions,
  renameMailboxMutation,
  setSubscribedMutation,
} from './mutations/mailboxes.ts';
import { internalMutation } from './mutations/mutation.ts';
import { pagesToPack } from './mutations/pack-pages.ts';
import { normalIdentifier, setAclMutation } from './mutations/set-acl.ts';
import { setAnnotationsMutation } from './mutations/set-annotations.ts';
import { setQuotaMutation } from './mutations/set-quota.ts';
import { storeFlagsMutation } from './mutations/store-flags.ts';
import type { People } from './people.ts';
import type * as Port from './port.ts';
import { sentSizes } from './sent-sizes.ts';
import { sharedOwners } from './shared-owners.ts';
import { ascending, chunksByPage, chunksOf, concatColumns, concatUids } from './uid-lists.ts';

export interface LocalAccountOptions extends Omit<WriterOptions, 'committed' | 'lost' | 'fenced'> {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly search: SharedSearch;
  readonly people: People;
  /** The account was used: for unloading the least recently used one. */
  used(account: LocalAccount): void;
  /** It is of no use any more: somebody else hosts it. */
  ended(account: LocalAccount): void;
}

interface OpenTable {
  readonly state: AccountState;
  readonly mailbox: MailboxState;
  readonly table: MessageTable;
}

export class LocalAccount implements Port.AccountPort {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly writer: AccountWriter;
  /** Milliseconds, monotonic. */
  usedAt = 0;
  readonly #options: LocalAccountOptions;
  readonly #listeners = new Set<(event: Port.AccountEvent) => void>();
  readonly #chores: AccountChores;
  readonly #search: AccountSearch;
  readonly #headerFields: HeaderFieldsReader;
  #maildropLocked = false;

  constructor(options: LocalAccountOptions) {
    this.accountId = options.accountId;
    this.shard = options.shard;
    this.#options = options;
    this.#chores = new AccountChores({ ...options, writer: () => this.writer });
    this.#headerFields = new HeaderFieldsReader({ cache: options.search.cache, clock: options.clock });
    this.#search = new AccountSearch({ ...options, chores: this.#chores, writer: () => this.writer });
    this.writer = new AccountWriter({
      ...options,
      fence: () => options.fence(),
      load: async () => {
        const state = await options.load();
        this.#chores.resumeRemovals(state);
        this.#search.messagesCame(state.account.nextEmailId);
        return state;
      },
      committed: (draft) => this.#committed(draft),
      lost: (state) => this.#lost(state),
      fenced: () => this.end(),
    });
  }

  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  get maildropLocked(): boolean {
    return this.#maildropLocked;
  }

  /** Messages that wait for the search index, as far as is known. */
  get indexLag(): number {
    return this.#search.lag();
  }

  /** The search index was changed from outside. */
  forgetIndex(): void {
    this.#search.forget();
  }

  /** Indexes what is worth it now. */
  settleIndex(): Promise<void> {
    return this.#search.settle();
  }

  /** Everything that nobody waits for has been done. */
  settled(): Promise<void> {
    return this.#chores.settled();
  }

  /** Ends all sessions of the account; it goes on. */
  endSessions(): void {
    this.#tell({ type: 'closed' });
    this.#listeners.clear();
  }

  /** Ends all sessions, and this host. */
  end(): void {
    this.endSessions();
    this.#options.ended(this);
  }

  async listMailboxes(): Promise<Port.MailboxList> {
    const state = await this.loaded();
    const mailboxes: Port.MailboxInfo[] = [];
    for (const { record } of state.mailboxes.values()) if (!record.gone) mailboxes.push(mailboxInfo(record));
    return { mailboxes, subscriptions: [...state.subscriptions], modSeq: state.account.modSeq as ModSeq };
  }

  async findMailbox(target: Port.MailboxTarget): Promise<Port.MailboxInfo | undefined> {
    const mailbox = (await this.loaded()).find(normalTarget(target));
    return mailbox === undefined ? undefined : mailboxInfo(mailbox.record);
  }

  createMailbox(options: CreateMailboxOptions): Promise<Port.MailboxInfo> {
    return this.#submit(createMailboxMutation(options));
  }

  async renameMailbox(options: RenameMailboxOptions): Promise<Port.MailboxInfo> {
    if (normalName(options.from) !== 'INBOX') return this.#submit(renameMailboxMutation(options));
    const info = await this.#submit(inboxRenameTargetMutation(options));
    const inbox = await this.openMailbox({ role: 'inbox' }, { claimRecent: false });
    const operation = `${options.operation}#move` as OperationId;
    await this.copy({ operation, from: inbox.info.id, uids: inbox.uids, to: { id: info.id }, move: true });
    await this.#copyAnnotations(inbox.info.id, info.id, options.operation);
    return (await this.findMailbox({ id: info.id })) ?? info;
  }

  /** RFC 5464 4.1: INBOX keeps its own when it is renamed. */
  async #copyAnnotations(from: MailboxId, to: MailboxId, given: OperationId): Promise<void> {
    const changes = await this.annotations(from);
    const operation = `${given}#annotations` as OperationId;
    if (changes.length > 0) await this.setAnnotations({ operation, mailboxId: to, changes });
  }

  async deleteMailbox(options: { operation: OperationId; name: string }): Promise<void> {
    const id = await this.#submit(deleteMailboxMutation(options));
    await this.#chores.removeGone(id);
  }

  async setSubscribed(options: { operation: OperationId; name: string; subscribed: boolean }): Promise<void> {
    await this.#submit(setSubscribedMutation(options));
  }

  async openMailbox(
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
    return this.#submit(claimRecentMutation({ operation, mailboxId: id as MailboxId }));
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
    const state = await this.loaded();
    if (state.mailbox(mailboxId) === undefined) return goneMailboxChanges;
    const opened = await this.#table({ id: mailboxId });
    return changesSince(opened.state, opened.mailbox, since, this.#options);
  }

  append(options: Port.AppendOptions): Promise<Port.Appended> {
    return this.#append(options);
  }

  replace(options: Port.ReplaceOptions): Promise<Port.Appended> {
    return this.#append(options);
  }

  async #append(options: Port.AppendOptions | Port.ReplaceOptions): Promise<Port.Appended> {
    const { limits, blobs } = this.#options;
    const mutation = appendMutation(options, limits.inlineBytesMax);
    if (mutation.blobs !== undefined && mutation.blobs.length > 0) {
      await this.#checkRoom(options);
      for (const { digest, bytes } of mutation.blobs) await blobs.put(digest, bytes);
    }
    return this.#submit(mutation);
  }

  /** Several commits when there are many: RFC 9051 6.4.6 does not ask for all or nothing. `allowed`: the bits that may change. */
  async storeFlags(options: Port.StoreFlagsOptions, allowed?: FlagBits): Promise<Port.StoredFlags> {
    const given = { ...options, uids: ascending(options.uids) };
    const chunks = chunksByPage(given.uids, this.#options.limits.messagesPerCommit);
    if (chunks.length === 1) return this.#submit(storeFlagsMutation(given, allowed));
    const stored: Port.StoredFlags[] = [];
    for (const [index, uids] of chunks.entries()) {
      const operation = chunkOperation(options.operation, index);
      stored.push(await this.#submit(storeFlagsMutation({ ...options, uids, operation }, allowed)));
    }
    return {
      messages: concatColumns(stored.map((part) => part.messages)),
      modified: concatUids(stored.map((part) => part.modified)),
      missing: concatUids(stored.map((part) => part.missing)),
      keywords: stored.at(-1)!.keywords,
      modSeqBefore: modSeqBeforeAll(stored),
    };
  }

  /** A copy is one commit, all or nothing; a move of many messages is several. `allowed`: the flags that the copies may have. */
  async copy(options: Port.CopyOptions, allowed?: CopyManner['allowed']): Promise<Port.Copied> {
    const given = { ...options, uids: ascending(options.uids) };
    const chunks = chunksOf(given.uids, this.#options.limits.messagesPerCommit);
    if (chunks.length === 1) return this.#submit(copyMutation(given, { allowed }));
    if (!options.move) return this.#submit(copyMutation(given, { allowed, staged: true }));
    const copied: Port.Copied[] = [];
    for (const [index, uids] of chunks.entries()) {
      const operation = chunkOperation(options.operation, index);
      copied.push(await this.#submit(copyMutation({ ...options, uids, operation }, { allowed })));
    }
    return {
      ...copied.at(-1)!,
      sourceUids: concatUids(copied.map((part) => part.sourceUids)),
      targetUids: concatUids(copied.map((part) => part.targetUids)),
    };
  }

  /** Several commits when there are many. */
  async expunge(options: ExpungeOptions): Promise<Port.Expunged> {
    const { messagesPerCommit } = this.#options.limits;
    const uids = options.uids && ascending(options.uids);
    const chunks = uids === undefined ? [undefined] : chunksOf(uids, messagesPerCommit);
    const expunged: Port.Expunged[] = [];
    for (let index = 0, chunk = 0; chunk < chunks.length; index++) {
      const operation = chunkOperation(options.operation, index);
      const mutation = expungeMutation({ ...options, uids: chunks[chunk], operation }, messagesPerCommit);
      const part = await this.#submit(mutation);
      expunged.push(part);
      // Without a list of uids one chunk stands for all there are: again until fewer went than could.
      if (options.uids !== undefined || part.uids.length < messagesPerCommit) chunk++;
    }
    return { uids: concatUids(expunged.map((part) => part.uids)), modSeq: expunged.at(-1)!.modSeq };
  }

  async readSummaries(
    mailboxId: MailboxId,
    uids: Uint32Array,
    bytesMax: number,
  ): Promise<Port.MessageSummary[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    return readSummaries(this.#readerContext(state), table, uids, bytesMax);
  }

  async readHeaderFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Parameters<Port.AccountPort['readHeaderFields']>[2],
  ): Promise<Port.HeaderFields> {
    const { state, table } = await this.#table({ id: mailboxId });
    const context = { ...this.#readerContext(state), table, owner: state };
    return this.#headerFields.read({ mailboxId, uids: ascending(uids), ...options }, context);
  }

  async readMessages(
    mailboxId: MailboxId,
    uids: Uint32Array,
    bytesMax: number,
  ): Promise<Port.MessageBytes[]> {
    const { state, table } = await this.#table({ id: mailboxId });
    return readMessages(this.#readerContext(state), table, uids, bytesMax);
  }

  async readRange(mailboxId: MailboxId, uid: Uid, range: Port.ByteRange): Promise<Uint8Array | undefined> {
    const { state, table } = await this.#table({ id: mailboxId });
    const index = table.indexOf(uid);
    if (index < 0) return undefined;
    return readEmail(this.#readerContext(state), table.columns.emailIds[index]!, range);
  }

  async search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array> {
    return this.#search.search(await this.#searched(mailboxId), key);
  }

  async sort(mailboxId: MailboxId, options: Port.SortOptions): Promise<Uint32Array> {
    return this.#search.sort(await this.#searched(mailboxId), options);
  }

  async thread(
    mailboxId: MailboxId,
    { key, algorithm }: { readonly key: SearchKey; readonly algorithm: ThreadAlgorithm },
  ): Promise<Uint32Array> {
    return this.#search.thread(await this.#searched(mailboxId), key, algorithm);
  }

  async annotations(mailboxId: MailboxId | undefined): Promise<readonly Port.Annotation[]> {
    return (await this.allAnnotations(mailboxId)).filter(({ name }) => !isSomebodyElses(name));
  }

  /** Also those that others, who share the mailbox, keep for themselves. */
  async allAnnotations(mailboxId: MailboxId | undefined): Promise<readonly Port.Annotation[]> {
    const state = await this.loaded();
    if (mailboxId !== undefined && state.mailbox(mailboxId) === undefined) {
      throw new MailError('noSuchMailbox', 'no such mailbox');
    }
    return decodeAnnotations(await this.#options.engine.get(state.keys.annotations(mailboxId)));
  }

  setAnnotations(options: Port.SetAnnotationsOptions): Promise<ModSeq | undefined> {
    return this.#submit(setAnnotationsMutation(options));
  }

  async acl(mailboxId: MailboxId): Promise<readonly AclEntry[]> {
    const state = await this.loaded();
    if (state.mailbox(mailboxId) === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
    const person = await this.#options.people.person(this.accountId);
    const owns = { identifier: person?.address ?? owner, rights: allRights };
    return [owns, ...(state.acls.get(mailboxId) ?? [])];
  }

  async setAcl(options: Port.SetAclOptions): Promise<void> {
    const { people } = this.#options;
    const person = await people.person(this.accountId);
    const owners = person === undefined ? [] : [person.address, ...person.addresses];
    const acl = (await this.loaded()).acls.get(options.mailboxId) ?? [];
    const identifier = await normalIdentifier(options.identifier, { people, owners, acl });
    await this.#submit(setAclMutation({ ...options, identifier }));
  }

  accountsSharedWithMe(): Promise<readonly Port.SharedOwner[]> {
    return sharedOwners(this.accountId, this.#options);
  }

  async quota(): Promise<Port.QuotaStatus> {
    const { bytesUsed, messagesUsed, bytesMax, messagesMax } = (await this.loaded()).account;
    return { bytesUsed, messagesUsed, bytesMax, messagesMax };
  }

  async setQuota(options: Port.SetQuotaOptions): Promise<void> {
    await this.#submit(setQuotaMutation(options));
  }

  watch(listener: (event: Port.AccountEvent) => void): () => void {
    // Its own function: the same listener may watch twice.
    const own = (event: Port.AccountEvent): void => {
      if (event.type !== 'annotations' || !event.names.every(isSomebodyElses)) listener(event);
    };
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** It must not keep others from hearing of what happened. */
  watcherFailed(error: unknown): void {
    this.#options.log.error({ err: error, account: this.accountId }, 'a watcher failed');
  }

  async lockMaildrop(): Promise<AsyncDisposable> {
    if (this.#maildropLocked) throw new MailError('inUse', 'another session has the maildrop');
    this.#maildropLocked = true;
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (held) this.#maildropLocked = false;
        held = false;
      },
    };
  }

  /** What is committed; read from the engine if need be. */
  loaded(): Promise<AccountState> | AccountState {
    this.#options.used(this);
    return this.writer.state ?? this.writer.open();
  }

  #submit<T>(mutation: Parameters<typeof this.writer.submit<T>>[0]): Promise<T> {
    this.#options.used(this);
    return this.writer.submit(mutation);
  }

  /** A mailbox with its columns. Refuses: noSuchMailbox, mailboxNotSelectable. */
  async #table(target: Port.MailboxTarget): Promise<OpenTable> {
    for (;;) {
      const state = await this.loaded();
      const mailbox = state.find(normalTarget(target));
      if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
      if (!mailbox.record.selectable) {
        throw new MailError('mailboxNotSelectable', 'the mailbox is only a place for others');
      }
      if (mailbox.table !== undefined) return { state, mailbox, table: mailbox.table };
      // Through the writer, so that no commit changes rows while they are read.
      await this.#submit(
        internalMutation('loadTable', async (draft) => {
          const current = draft.state.mailbox(mailbox.record.id);
          if (current === undefined) return;
          const table = await loadTable(draft.state, current, this.#options);
          const pages = { from: 0, to: pageOf(current.record.uidNext) };
          const [from = pages.to] = pagesToPack(table, pages, 1);
          this.#chores.packPages(current.record.id, from, pages.to);
        }),
      );
    }
  }

  async #searched(mailboxId: MailboxId): Promise<SearchedMailbox> {
    const { mailbox, table } = await this.#table({ id: mailboxId });
    return { mailboxId, columns: table.all(), keywords: mailbox.record.keywords };
  }

  #readerContext(state: AccountState): ReaderContext {
    const { engine, blobs, limits } = this.#options;
    return { engine, blobs, keys: state.keys, inlineBytesMax: limits.inlineBytesMax };
  }

  /** A large message that cannot fit is refused before its bytes are written; the writer has the last word. */
  async #checkRoom(options: Port.AppendOptions | Port.ReplaceOptions): Promise<void> {
    if ('replaces' in options) return;
    const { account, operationSlots } = await this.loaded();
    if (operationSlots.has(options.operation) || account.bytesMax === undefined) return;
    let bytes = account.bytesUsed;
    for (const { prepared } of options.messages) bytes += prepared.bytes.length;
    if (bytes > account.bytesMax) throw new MailError('overQuota', 'no room in bytes');
  }

  #committed(draft: Draft): void {
    const modSeq = draft.account.modSeq as ModSeq;
    for (const mailbox of draft.mailboxes.values()) {
      if (!mailbox.changed || mailbox.dropped) continue;
      const { id, record, uidNextBefore } = mailbox;
      if (!record.gone) this.#chores.pruneTombstones(id, record.tombstones);
      if (!record.gone) this.#chores.packPages(id, pageOf(uidNextBefore), pageOf(record.uidNext));
      this.#tell({ type: 'mailbox', mailboxId: mailbox.id as MailboxId, modSeq });
    }
    const annotations = draft.annotationsChanged;
    if (annotations !== undefined) this.#tell({ type: 'annotations', ...annotations, modSeq });
    if (draft.mailboxesChanged) this.#tell({ type: 'mailboxes', modSeq });
    this.#search.messagesCame(draft.account.nextEmailId);
  }

  #tell(event: Port.AccountEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.watcherFailed(error);
      }
    }
  }

  /** Reads the account again and tells watchers of what the doubtful commit may have done. */
  #lost(before: AccountState): void {
    this.#chores.start(async () => {
      const after = await this.writer.open();
      if (after.account.modSeq === before.account.modSeq) return;
      for (const { record } of after.mailboxes.values()) {
        const modSeq = record.highestModSeq as ModSeq;
        if (modSeq > before.account.modSeq)
          this.#tell({ type: 'mailbox', mailboxId: record.id as MailboxId, modSeq });
      }
      this.#tell({ type: 'mailboxes', modSeq: after.account.modSeq as ModSeq });
    });
  }
}

/** Before the first chunk, unless somebody else came between two of them. */
function modSeqBeforeAll(chunks: readonly Port.StoredFlags[]): ModSeq {
  let reached = chunks[0]!.modSeqBefore;
  for (const { modSeqBefore, messages } of chunks) {
    if (modSeqBefore !== reached) return modSeqBefore;
    for (const modSeq of messages.modSeqs) if (modSeq > reached) reached = modSeq as ModSeq;
  }
  return chunks[0]!.modSeqBefore;
}

/** The first chunk bears the caller's id, so that the id of a small mutation is what the caller chose. */
function chunkOperation(operation: OperationId, index: number): OperationId {
  return index === 0 ? operation : (`${operation}#${index}` as OperationId);
}
