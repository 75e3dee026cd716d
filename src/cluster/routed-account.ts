// The account port of one session in a cluster: every call goes to wherever the account is hosted at that moment.
// Invariant: a session that holds the maildrop lock changes nothing while it is not known to hold it: after a hand-over
// the lock is taken again first, and when another session was quicker, changes are refused with inUse.
// Fails as the account port does.

import type * as Port from '../account/port.ts';
import type * as Reads from '../account/port-reads.ts';
import type { AccountId, MailboxId, ModSeq, OperationId, ShardId, Uid } from '../mail/ids.ts';
import { isMailError, MailError } from '../mail/mail-error.ts';
import type { AclEntry } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { RemoteAccountLock } from './remote-account-lock.ts';
import { type AccountMethod, accountMethods } from './remote-account-methods.ts';
import type { AccountRouting, Attempt, RoutedTo } from './remote-account-routing.ts';
import { watchRemoteAccount } from './remote-account-watch.ts';

type Result<Method extends AccountMethod> = ReturnType<Port.AccountPort[Method]>;

/** Messages that are asked for at once to be read here: more than one pull takes, few enough to ask again for the rest. */
const locatedMax = 256;

export class RoutedAccount implements Port.AccountPort {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly actor: AccountId | undefined;
  readonly #routing: AccountRouting;
  #lock: RemoteAccountLock | undefined;

  constructor(routing: AccountRouting, { accountId, shard, actor }: RoutedTo) {
    this.#routing = routing;
    this.accountId = accountId;
    this.shard = shard;
    this.actor = actor;
  }

  listMailboxes(): Promise<Port.MailboxList> {
    return this.#call('listMailboxes');
  }

  findMailbox(target: Port.MailboxTarget): Promise<Port.MailboxInfo | undefined> {
    return this.#call('findMailbox', target);
  }

  createMailbox(options: { operation: OperationId; name: string; role?: Port.MailboxRole }) {
    return this.#call('createMailbox', options);
  }

  renameMailbox(options: { operation: OperationId; from: string; to: string }) {
    return this.#call('renameMailbox', options);
  }

  deleteMailbox(options: { operation: OperationId; name: string }): Promise<void> {
    return this.#call('deleteMailbox', options);
  }

  setSubscribed(options: { operation: OperationId; name: string; subscribed: boolean }): Promise<void> {
    return this.#call('setSubscribed', options);
  }

  openMailbox(
    target: Port.MailboxTarget,
    options: { claimRecent: OperationId | false },
  ): Promise<Port.OpenedMailbox> {
    return this.#call('openMailbox', target, options);
  }

  async columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MailboxColumns> {
    const answer = await this.#call('columns', mailboxId, uids);
    // A node of before does not tell them; its tables only grow.
    const keywords: readonly string[] | undefined = answer.keywords;
    if (keywords !== undefined) return answer;
    const info = await this.findMailbox({ id: mailboxId });
    return { ...answer, keywords: info?.keywords ?? [] };
  }

  sentSizes(mailboxId: MailboxId): Promise<Reads.SentSizes> {
    return this.#call('sentSizes', mailboxId);
  }

  async changesSince(
    mailboxId: MailboxId,
    since: ModSeq,
    options?: Reads.ChangesOptions,
  ): Promise<Port.MailboxChanges> {
    if (options === undefined) return this.#call('changesSince', mailboxId, since);
    try {
      return await this.#call('changesSince', mailboxId, since, options);
    } catch (error) {
      // A node of before does not know them.
      if (!isMailError(error, 'invalidArgument')) throw error;
      return this.#call('changesSince', mailboxId, since);
    }
  }

  append(options: Port.AppendOptions): Promise<Port.Appended> {
    return this.#call('append', options);
  }

  stage(options: Port.StageOptions): Promise<void> {
    return this.#call('stage', options);
  }

  appendStaged(options: Port.AppendStagedOptions): Promise<Port.Copied> {
    return this.#call('appendStaged', options);
  }

  discardStaged(options: { staging: OperationId }): Promise<void> {
    return this.#call('discardStaged', options);
  }

  storeFlags(options: Port.StoreFlagsOptions): Promise<Port.StoredFlags> {
    return this.#call('storeFlags', options);
  }

  copy(options: Port.CopyOptions): Promise<Port.Copied> {
    return this.#call('copy', options);
  }

  expunge(options: Parameters<Port.AccountPort['expunge']>[0]): Promise<Port.Expunged> {
    return this.#call('expunge', options);
  }

  readSummaries(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number) {
    return this.#call('readSummaries', mailboxId, uids, bytesMax);
  }

  readHeaderFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Reads.HeaderFieldsOptions,
  ): Promise<Reads.HeaderFields> {
    return this.#call('readHeaderFields', mailboxId, uids, options);
  }

  async readMessages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number) {
    const stored = this.#routing.storedOf(this.shard);
    if (stored !== undefined) {
      const asked = uids.subarray(0, locatedMax);
      const places = await this.columns(mailboxId, asked);
      const found = await stored.readMessages(this.accountId, { places, uids: asked, bytesMax });
      if (found !== undefined) return found;
    }
    return await this.#call('readMessages', mailboxId, uids, bytesMax);
  }

  async readRange(mailboxId: MailboxId, uid: Uid, range: Reads.ByteRange): Promise<Uint8Array | undefined> {
    const stored = this.#routing.storedOf(this.shard);
    if (stored !== undefined) {
      const { emailIds } = await this.columns(mailboxId, Uint32Array.of(uid));
      if (emailIds[0] === undefined) return undefined;
      const found = await stored.readRange(this.accountId, emailIds[0], range);
      if (found !== undefined) return found;
    }
    return await this.#call('readRange', mailboxId, uid, range);
  }

  search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array> {
    return this.#call('search', mailboxId, key);
  }

  sort(mailboxId: MailboxId, options: Reads.SortOptions): Promise<Uint32Array> {
    return this.#call('sort', mailboxId, options);
  }

  thread(mailboxId: MailboxId, options: Parameters<Port.AccountPort['thread']>[1]): Promise<Uint32Array> {
    return this.#call('thread', mailboxId, options);
  }

  searchIndex(): Promise<Reads.SearchIndexStatus> {
    return this.#call('searchIndex');
  }

  rebuildSearchIndex(): Promise<void> {
    return this.#call('rebuildSearchIndex');
  }

  replace(options: Port.ReplaceOptions): Promise<Port.Appended> {
    return this.#call('replace', options);
  }

  annotations(mailboxId: MailboxId | undefined): Promise<readonly Port.Annotation[]> {
    return this.#call('annotations', mailboxId);
  }

  setAnnotations(options: Port.SetAnnotationsOptions): Promise<ModSeq | undefined> {
    return this.#call('setAnnotations', options);
  }

  acl(mailboxId: MailboxId): Promise<readonly AclEntry[]> {
    return this.#call('acl', mailboxId);
  }

  setAcl(options: Port.SetAclOptions): Promise<void> {
    return this.#call('setAcl', options);
  }

  accountsSharedWithMe(): Promise<readonly Port.SharedOwner[]> {
    return this.#call('accountsSharedWithMe');
  }

  quota(): Promise<Port.QuotaStatus> {
    return this.#call('quota');
  }

  setQuota(options: Port.SetQuotaOptions): Promise<void> {
    return this.#call('setQuota', options);
  }

  watch(listener: (event: Port.AccountEvent) => void, sessions?: Port.WatchingSessions): () => void {
    return watchRemoteAccount(this.#routing, this, { listener, sessions });
  }

  async lockMaildrop(): Promise<AsyncDisposable> {
    if (this.actor !== undefined) throw new MailError('permissionDenied', 'the maildrop is the owner’s');
    const lock = new RemoteAccountLock(this.#routing, this);
    await lock.ensure();
    this.#lock = lock;
    return {
      [Symbol.asyncDispose]: async () => {
        if (this.#lock === lock) this.#lock = undefined;
        await lock.release();
      },
    };
  }

  async #call<Method extends AccountMethod>(
    method: Method,
    ...given: Parameters<Port.AccountPort[Method]>
  ): Promise<Awaited<Result<Method>>> {
    const lock = accountMethods[method].isRead ? undefined : this.#lock;
    const ready = lock && ((attempt: Attempt) => lock.ensureAt(attempt));
    return (await this.#routing.call(this, { method, given, ready })) as Awaited<Result<Method>>;
  }
}
