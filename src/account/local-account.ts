// The account port on the node that hosts the account: reads from committed state (mailbox-reader.ts), hands every change
// to the writer, and keeps what belongs to sessions rather than to storage (account-sessions.ts).
// Invariant: there is at most one LocalAccount of an account in a process (account-hosts.ts), so that all sessions meet
// here; its state may be unloaded at any time nothing is under way, sessions and watchers survive that.
// Failures: as the port says. After `fenced` every call is refused with `unavailable`.

import type { FlagBits } from '../mail/flags.ts';
import type { AccountId, MailboxId, ModSeq, OperationId, ShardId, Uid } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { ThreadAlgorithm } from '../mail/message-order.ts';
import { type AclEntry, allRights, owner } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { AccountChores } from './account-chores.ts';
import { AccountSessions } from './account-sessions.ts';
import type { AccountState } from './account-state.ts';
import { normalName, normalTarget } from './mailbox-name.ts';
import type { CopyManner } from './mutations/copy.ts';
import { deleteMailboxMutation } from './mutations/delete-mailbox.ts';
import type { ExpungeOptions } from './mutations/expunge.ts';
import {
  type CreateMailboxOptions,
  createMailboxMutation,
  inboxRenameTargetMutation,
  type RenameMailboxOptions,
  renameMailboxMutation,
  setSubscribedMutation,
} from './mutations/mailboxes.ts';
import { normalIdentifier, setAclMutation } from './mutations/set-acl.ts';
import { setAnnotationsMutation } from './mutations/set-annotations.ts';
import { setQuotaMutation } from './mutations/set-quota.ts';
import { appendStagedMutation, beginStagedMutation, stagedMailbox } from './mutations/staged-append.ts';
import type * as Port from './port.ts';
import type * as Reads from './port-reads.ts';
import {
  type ChunkWriter,
  copyInChunks,
  expungeInChunks,
  storeFlagsInChunks,
} from './reading/changes-in-chunks.ts';
import type { FreshSummaries } from './reading/fresh-summaries.ts';
import { MailboxReader } from './reading/mailbox-reader.ts';
import { mailboxInfo } from './records/account-record.ts';
import { decodeAnnotations, isSomebodyElses } from './records/annotation-record.ts';
import { AccountSearch, type SharedSearch } from './search/account-search.ts';
import type { People } from './sharing/people.ts';
import { sharedOwners } from './sharing/shared-owners.ts';
import { pageOf } from './table/message-page.ts';
import { AccountWriter, type WriterOptions } from './writing/account-writer.ts';
import { appendMessages, type MessageWriter } from './writing/append-messages.ts';
import type { Draft } from './writing/draft.ts';
import type { PackingLine } from './writing/packing-line.ts';
import { emptyInbox } from './writing/rename-inbox.ts';

export interface LocalAccountOptions
  extends Omit<WriterOptions, 'claimedTo' | 'committed' | 'lost' | 'fenced'> {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly search: SharedSearch;
  readonly packing: PackingLine;
  readonly people: People;
  readonly freshSummaries: FreshSummaries;
  /** The account was used: for unloading the least recently used one. */
  used(account: LocalAccount): void;
  /** It is of no use any more: somebody else hosts it. */
  ended(account: LocalAccount): void;
}

export class LocalAccount implements Port.AccountPort {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly writer: AccountWriter;
  /** Milliseconds, monotonic. */
  usedAt = 0;
  readonly #options: LocalAccountOptions;
  readonly #sessions: AccountSessions;
  readonly #chores: AccountChores;
  readonly #search: AccountSearch;
  readonly #mailboxes: MailboxReader;
  readonly #chunks: ChunkWriter;
  readonly #messages: MessageWriter;

  constructor(options: LocalAccountOptions) {
    this.accountId = options.accountId;
    this.shard = options.shard;
    this.#options = options;
    this.#sessions = new AccountSessions({ ...options, ended: () => this.#mailboxes.commitClaims() });
    this.#chores = new AccountChores({ ...options, writer: () => this.writer });
    this.#mailboxes = new MailboxReader({
      ...options,
      cache: options.search.cache,
      chores: this.#chores,
      loaded: () => this.loaded(),
      state: () => this.writer.state,
      isChanging: (mailboxId) => this.writer.isChanging(mailboxId),
      submit: (mutation) => this.#submit(mutation),
    });
    this.#chunks = {
      messagesPerCommit: options.limits.messagesPerCommit,
      submit: (mutation) => this.#submit(mutation),
    };
    this.#messages = {
      inlineBytesMax: options.limits.inlineBytesMax,
      blobs: options.blobs,
      loaded: () => this.loaded(),
      submit: (mutation) => this.#submit(mutation),
    };
    this.#search = new AccountSearch({ ...options, chores: this.#chores, writer: () => this.writer });
    this.writer = new AccountWriter({
      ...options,
      load: async () => {
        const state = await options.load();
        this.#chores.resumeRemovals(state);
        this.#search.messagesCame(state.account.nextEmailId);
        return state;
      },
      claimedTo: (mailboxId) => this.#mailboxes.claimedTo(mailboxId),
      committed: (draft) => this.#committed(draft),
      lost: (state) => this.#lost(state),
      fenced: () => this.end(),
    });
  }

  get hasSessions(): boolean {
    return this.#sessions.any;
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

  /** Everything that nobody waits for is done now. */
  settled(): Promise<void> {
    return this.#chores.settled();
  }

  /** What sessions have claimed of \Recent is submitted: who hosts the account next does not tell it again. */
  commitClaims(): void {
    this.#mailboxes.commitClaims();
  }

  /** Ends all sessions of the account; it goes on. */
  endSessions(): void {
    this.#sessions.end();
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
    const target = await this.#submit(inboxRenameTargetMutation(options));
    return emptyInbox(this, target, options.operation);
  }

  async deleteMailbox(options: { operation: OperationId; name: string }): Promise<void> {
    const id = await this.#submit(deleteMailboxMutation(options));
    await this.#chores.removeGone(id);
  }

  async setSubscribed(options: { operation: OperationId; name: string; subscribed: boolean }): Promise<void> {
    await this.#submit(setSubscribedMutation(options));
  }

  openMailbox(
    target: Port.MailboxTarget,
    options: { claimRecent: OperationId | false },
  ): Promise<Port.OpenedMailbox> {
    return this.#mailboxes.open(target, options);
  }

  columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MailboxColumns> {
    return this.#mailboxes.columns(mailboxId, uids);
  }

  sentSizes(mailboxId: MailboxId): Promise<Reads.SentSizes> {
    return this.#mailboxes.sentSizes(mailboxId);
  }

  changesSince(
    mailboxId: MailboxId,
    since: ModSeq,
    options?: Reads.ChangesOptions,
  ): Promise<Port.MailboxChanges> {
    return this.#mailboxes.changesSince(mailboxId, since, options);
  }

  append(options: Port.AppendOptions): Promise<Port.Appended> {
    return appendMessages(this.#messages, options);
  }

  replace(options: Port.ReplaceOptions): Promise<Port.Appended> {
    return appendMessages(this.#messages, options);
  }

  async stage({ staging, from, ...append }: Port.StageOptions): Promise<void> {
    if (from === 0) await this.#submit(beginStagedMutation(staging));
    const { mailboxId } = await appendMessages(this.#messages, append, (draft) =>
      stagedMailbox(draft, { staging, messages: from }),
    );
    this.#chores.expectStaged(mailboxId, staging);
  }

  async appendStaged(options: Port.AppendStagedOptions): Promise<Port.Copied> {
    const { messagesPerCommit } = this.#options.limits;
    const { copied, mailboxId } = await this.#submit(appendStagedMutation(options, messagesPerCommit));
    if (mailboxId !== undefined) void this.#chores.start(() => this.#chores.removeGone(mailboxId));
    return copied;
  }

  discardStaged({ staging }: { staging: OperationId }): Promise<void> {
    return this.#chores.discardStaged(staging);
  }

  /** `allowed`: the bits that may change. */
  storeFlags(options: Port.StoreFlagsOptions, allowed?: FlagBits): Promise<Port.StoredFlags> {
    return storeFlagsInChunks(this.#chunks, options, allowed);
  }

  /** `allowed`: the flags that the copies may have. */
  copy(options: Port.CopyOptions, allowed?: CopyManner['allowed']): Promise<Port.Copied> {
    return copyInChunks(this.#chunks, options, allowed);
  }

  expunge(options: ExpungeOptions): Promise<Port.Expunged> {
    return expungeInChunks(this.#chunks, options);
  }

  readSummaries(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Reads.MessageSummary[]> {
    return this.#mailboxes.summaries(mailboxId, uids, bytesMax);
  }

  readHeaderFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Reads.HeaderFieldsOptions,
  ): Promise<Reads.HeaderFields> {
    return this.#mailboxes.headerFields(mailboxId, uids, options);
  }

  readMessages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Reads.MessageBytes[]> {
    return this.#mailboxes.messages(mailboxId, uids, bytesMax);
  }

  readRange(mailboxId: MailboxId, uid: Uid, range: Reads.ByteRange): Promise<Uint8Array | undefined> {
    return this.#mailboxes.range(mailboxId, uid, range);
  }

  async search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array> {
    return this.#search.search(await this.#mailboxes.searched(mailboxId), key);
  }

  async sort(mailboxId: MailboxId, options: Reads.SortOptions): Promise<Uint32Array> {
    return this.#search.sort(await this.#mailboxes.searched(mailboxId), options);
  }

  async thread(
    mailboxId: MailboxId,
    { key, algorithm }: { readonly key: SearchKey; readonly algorithm: ThreadAlgorithm },
  ): Promise<Uint32Array> {
    return this.#search.thread(await this.#mailboxes.searched(mailboxId), key, algorithm);
  }

  searchIndex(): Promise<Reads.SearchIndexStatus> {
    this.#options.used(this);
    return this.#search.status();
  }

  rebuildSearchIndex(): Promise<void> {
    this.#options.used(this);
    return this.#search.rebuild();
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
    return this.#sessions.watch(listener);
  }

  watcherFailed(error: unknown): void {
    this.#sessions.watcherFailed(error);
  }

  async lockMaildrop(): Promise<AsyncDisposable> {
    return this.#sessions.lockMaildrop();
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

  #committed(draft: Draft): void {
    this.#mailboxes.committed(draft);
    const modSeq = draft.account.modSeq as ModSeq;
    for (const mailbox of draft.mailboxes.values()) {
      if (!mailbox.changed || mailbox.dropped) continue;
      const { id, record, uidNextBefore } = mailbox;
      if (!record.gone) {
        this.#chores.pruneTombstones(id, record.tombstones);
        this.#chores.pagesFilled(id, pageOf(uidNextBefore), pageOf(record.uidNext));
      }
      this.#sessions.tell({ type: 'mailbox', mailboxId: mailbox.id as MailboxId, modSeq });
    }
    const annotations = draft.annotationsChanged;
    if (annotations !== undefined) this.#sessions.tell({ type: 'annotations', ...annotations, modSeq });
    if (draft.mailboxesChanged) this.#sessions.tell({ type: 'mailboxes', modSeq });
    this.#search.messagesCame(draft.account.nextEmailId);
  }

  /** Reads the account again and tells watchers of what the doubtful commit may have done. */
  #lost(before: AccountState): void {
    void this.#chores.start(async () => {
      const after = await this.writer.open();
      if (after.account.modSeq === before.account.modSeq) return;
      for (const { record } of after.mailboxes.values()) {
        const modSeq = record.highestModSeq as ModSeq;
        if (modSeq > before.account.modSeq)
          this.#sessions.tell({ type: 'mailbox', mailboxId: record.id as MailboxId, modSeq });
      }
      this.#sessions.tell({ type: 'mailboxes', modSeq: after.account.modSeq as ModSeq });
    });
  }
}
