// The account port of one session in a cluster: every call goes to wherever the account is hosted at that moment.
// Invariant: a session that holds the maildrop lock changes nothing while it is not known to hold it: after a hand-over
// the lock is taken again first, and when another session was quicker, changes are refused with inUse.
// Fails as the account port does.

import type * as Port from '../account/port.ts';
import type { AccountId, MailboxId, ModSeq, OperationId, ShardId, Uid } from '../mail/ids.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { RemoteAccountLock } from './remote-account-lock.ts';
import { type AccountMethod, accountMethods } from './remote-account-methods.ts';
import type { AccountRouting, Attempt } from './remote-account-routing.ts';
import { watchRemoteAccount } from './remote-account-watch.ts';

type Result<Method extends AccountMethod> = ReturnType<Port.AccountPort[Method]>;

export class RoutedAccount implements Port.AccountPort {
  readonly accountId: AccountId;
  readonly shard: ShardId;
  readonly #routing: AccountRouting;
  #lock: RemoteAccountLock | undefined;

  constructor(routing: AccountRouting, accountId: AccountId, shard: ShardId) {
    this.#routing = routing;
    this.accountId = accountId;
    this.shard = shard;
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

  openMailbox(target: Port.MailboxTarget, options: { claimRecent: boolean }): Promise<Port.OpenedMailbox> {
    return this.#call('openMailbox', target, options);
  }

  columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MessageColumns> {
    return this.#call('columns', mailboxId, uids);
  }

  changesSince(mailboxId: MailboxId, since: ModSeq): Promise<Port.MailboxChanges> {
    return this.#call('changesSince', mailboxId, since);
  }

  append(options: Port.AppendOptions): Promise<Port.Appended> {
    return this.#call('append', options);
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

  readMessages(mailboxId: MailboxId, uids: Uint32Array, bytesMax: number): Promise<Port.MessageBytes[]> {
    return this.#call('readMessages', mailboxId, uids, bytesMax);
  }

  readRange(mailboxId: MailboxId, uid: Uid, range: Port.ByteRange): Promise<Uint8Array | undefined> {
    return this.#call('readRange', mailboxId, uid, range);
  }

  search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array> {
    return this.#call('search', mailboxId, key);
  }

  sort(mailboxId: MailboxId, options: Port.SortOptions): Promise<Uint32Array> {
    return this.#call('sort', mailboxId, options);
  }

  thread(mailboxId: MailboxId, options: Parameters<Port.AccountPort['thread']>[1]): Promise<Uint32Array> {
    return this.#call('thread', mailboxId, options);
  }

  replace(options: Port.ReplaceOptions): Promise<Port.Appended> {
    return this.#call('replace', options);
  }

  annotations(mailboxId: MailboxId | undefined): Promise<readonly Port.Annotation[]> {
    return this.#call('annotations', mailboxId);
  }

  setAnnotations(options: Port.SetAnnotationsOptions): Promise<void> {
    return this.#call('setAnnotations', options);
  }

  quota(): Promise<Port.QuotaStatus> {
    return this.#call('quota');
  }

  setQuota(limits: { bytesMax: number | undefined; messagesMax: number | undefined }): Promise<void> {
    return this.#call('setQuota', limits);
  }

  watch(listener: (event: Port.AccountEvent) => void): () => void {
    return watchRemoteAccount(this.#routing, this, listener);
  }

  async lockMaildrop(): Promise<AsyncDisposable> {
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
