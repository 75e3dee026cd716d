// The account port of somebody who is not the owner: before every call the mailbox's list is asked whether he may (RFC 4314
// section 4), where the account is hosted, so that no speaker and no frontend needs to be trusted with it.
// Invariants: each call is judged by the lists and groups of that moment; of a mailbox that he may not look up (l) he learns
// nothing, not even that it is there: what he may not do with it is refused with noSuchMailbox, else with permissionDenied.
// A retry of what took away its own ground (the mailbox, the right to administer) is answered as the first try was.
// Fails as the local account does.

import type { AccountId, MailboxId, ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { type AclEntry, mayAnnotate, type Rights } from '../../mail/rights.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import type { LocalAccount } from '../local-account.ts';
import { normalName, normalTarget } from '../mailbox-name.ts';
import type * as Port from '../port.ts';
import type * as Reads from '../port-reads.ts';
import { goneMailboxChanges } from '../reading/mailbox-changes.ts';
import { privateNameOf } from '../records/annotation-record.ts';
import type { MailboxState } from '../table/mailbox-state.ts';
import { identifiersOf, type People } from './people.ts';
import {
  type Access,
  allowed,
  denied,
  flagBitsWithin,
  flagsWithin,
  hasAny,
  infoFor,
  isApplied,
  mayCreate,
  refusal,
  rightsOn,
} from './shared-access.ts';

/** One of these is enough to know of a mailbox (RFC 4314 section 4, MYRIGHTS). */
const knowingRights = 'lrikxa';
const ownPrivate = '/private/';

export class SharedAccount implements Port.AccountPort {
  readonly accountId: AccountId;
  readonly #host: LocalAccount;
  readonly #actor: AccountId;
  readonly #people: People;

  constructor(host: LocalAccount, actor: AccountId, people: People) {
    this.accountId = host.accountId;
    this.#host = host;
    this.#actor = actor;
    this.#people = people;
  }

  async listMailboxes(): Promise<Port.MailboxList> {
    const access = await this.#access();
    const mailboxes: Port.MailboxInfo[] = [];
    for (const mailbox of access.state.mailboxes.values()) {
      const rights = rightsOn(access, mailbox);
      if (!mailbox.record.gone && rights.includes('l')) mailboxes.push(infoFor(mailbox, rights));
    }
    return { mailboxes, subscriptions: [], modSeq: access.state.account.modSeq as ModSeq };
  }

  async findMailbox(target: Port.MailboxTarget): Promise<Port.MailboxInfo | undefined> {
    const access = await this.#access();
    const mailbox = access.state.find(normalTarget(target));
    if (mailbox === undefined) return undefined;
    const rights = rightsOn(access, mailbox);
    return hasAny(rights, knowingRights) ? infoFor(mailbox, rights) : undefined;
  }

  /** At the top of the hierarchy nobody but the owner makes any; special uses are his too. */
  async createMailbox(options: Parameters<Port.AccountPort['createMailbox']>[0]): Promise<Port.MailboxInfo> {
    const { operation, name, role } = options;
    if (role !== undefined) throw denied();
    mayCreate(await this.#access(), name);
    return this.#toldOf(await this.#host.createMailbox({ operation, name }));
  }

  async renameMailbox(options: Parameters<Port.AccountPort['renameMailbox']>[0]): Promise<Port.MailboxInfo> {
    const access = await this.#access();
    // Its messages would go into a mailbox that has another list.
    if (normalName(options.from) === 'INBOX') throw denied();
    if (!isApplied(access, options.operation)) {
      allowed(access, { name: options.from }, 'x');
      mayCreate(access, options.to);
    }
    return this.#toldOf(await this.#host.renameMailbox(options));
  }

  async deleteMailbox(options: Parameters<Port.AccountPort['deleteMailbox']>[0]): Promise<void> {
    const access = await this.#access();
    if (!isApplied(access, options.operation)) allowed(access, { name: options.name }, 'x');
    await this.#host.deleteMailbox(options);
  }

  /** Subscriptions are the actor's, in his own account. */
  async setSubscribed(): Promise<void> {
    throw denied();
  }

  async openMailbox(target: Port.MailboxTarget): Promise<Port.OpenedMailbox> {
    const { mailbox, rights } = allowed(await this.#access(), target, 'r');
    // What was there before is nobody's but the owner's \Recent: a guest who claims it would take it from him.
    const opened = await this.#host.openMailbox({ id: idOf(mailbox) }, { claimRecent: false });
    const { uidNext: recentFrom } = opened.info;
    return { ...opened, recentFrom, info: { ...opened.info, rights } };
  }

  async columns(mailboxId: MailboxId, uids: Uint32Array | undefined): Promise<Port.MailboxColumns> {
    await this.#mayRead(mailboxId);
    return this.#host.columns(mailboxId, uids);
  }

  /** POP3's, as is its lock. */
  async sentSizes(): Promise<Reads.SentSizes> {
    throw denied();
  }

  /** Whoever may read it no longer is told what is told of a mailbox that was deleted. Nothing is \Recent to a guest. */
  async changesSince(mailboxId: MailboxId, since: ModSeq): Promise<Port.MailboxChanges> {
    const access = await this.#access();
    const mailbox = access.state.mailbox(mailboxId);
    const rights = mailbox === undefined ? '' : rightsOn(access, mailbox);
    if (!rights.includes('r')) return goneMailboxChanges;
    const changes = await this.#host.changesSince(mailboxId, since);
    return { ...changes, recentFrom: changes.uidNext, rights };
  }

  async append(options: Port.AppendOptions): Promise<Port.Appended> {
    return this.#host.append(await this.#appendable(options));
  }

  async stage({ staging, from, ...append }: Port.StageOptions): Promise<void> {
    await this.#host.stage({ ...(await this.#appendable(append)), staging: this.#own(staging), from });
  }

  async appendStaged(options: Port.AppendStagedOptions): Promise<Port.Copied> {
    const { mailbox } = allowed(await this.#access(), options.target, 'i');
    const staging = this.#own(options.staging);
    return this.#host.appendStaged({ ...options, target: { id: idOf(mailbox) }, staging });
  }

  /** What he brought, whatever he may do now. */
  async discardStaged({ staging }: { staging: OperationId }): Promise<void> {
    await this.#host.discardStaged({ staging: this.#own(staging) });
  }

  /** Nobody goes on with another's. */
  #own(staging: OperationId): OperationId {
    return `${this.#actor} ${staging}` as OperationId;
  }

  async replace(options: Port.ReplaceOptions): Promise<Port.Appended> {
    const { replaces } = options;
    allowed(await this.#access(), { id: replaces.mailboxId }, 'rte');
    return this.#host.replace({ ...(await this.#appendable(options)), replaces });
  }

  /** Without what the actor may not give (RFC 4314 section 4: it is left away, and nothing is said). */
  async #appendable({ operation, target, messages }: Port.AppendOptions): Promise<Port.AppendOptions> {
    const { mailbox, rights } = allowed(await this.#access(), target, 'i');
    const given = messages.map((message) => ({ ...message, flags: flagsWithin(message.flags, rights) }));
    return { operation, target: { id: idOf(mailbox) }, messages: given };
  }

  async storeFlags(options: Port.StoreFlagsOptions): Promise<Port.StoredFlags> {
    const { rights } = allowed(await this.#access(), { id: options.mailboxId }, 'r');
    const flags = flagsWithin(options.flags, rights);
    // RFC 4314 section 4: what is allowed is done, as long as anything is.
    const isRefused = options.flags.length > 0 ? flags.length === 0 : !hasAny(rights, 'stw');
    if (isRefused) throw refusal(rights);
    return this.#host.storeFlags({ ...options, flags }, flagBitsWithin(rights));
  }

  async copy(options: Port.CopyOptions): Promise<Port.Copied> {
    const access = await this.#access();
    allowed(access, { id: options.from }, options.move ? 'rte' : 'r');
    const { mailbox, rights } = allowed(access, options.to, 'i');
    return this.#host.copy({ ...options, to: { id: idOf(mailbox) } }, flagBitsWithin(rights));
  }

  async expunge(options: Parameters<Port.AccountPort['expunge']>[0]): Promise<Port.Expunged> {
    // Without \Deleted it is as if that had been set first.
    allowed(await this.#access(), { id: options.mailboxId }, options.anyFlags ? 'rte' : 're');
    return this.#host.expunge(options);
  }

  async readSummaries(
    mailboxId: MailboxId,
    uids: Uint32Array,
    bytesMax: number,
  ): Promise<Reads.MessageSummary[]> {
    await this.#mayRead(mailboxId);
    return this.#host.readSummaries(mailboxId, uids, bytesMax);
  }

  async readHeaderFields(
    mailboxId: MailboxId,
    uids: Uint32Array,
    options: Reads.HeaderFieldsOptions,
  ): Promise<Reads.HeaderFields> {
    await this.#mayRead(mailboxId);
    return this.#host.readHeaderFields(mailboxId, uids, options);
  }

  async readMessages(
    mailboxId: MailboxId,
    uids: Uint32Array,
    bytesMax: number,
  ): Promise<Reads.MessageBytes[]> {
    await this.#mayRead(mailboxId);
    return this.#host.readMessages(mailboxId, uids, bytesMax);
  }

  async readRange(mailboxId: MailboxId, uid: Uid, range: Reads.ByteRange): Promise<Uint8Array | undefined> {
    await this.#mayRead(mailboxId);
    return this.#host.readRange(mailboxId, uid, range);
  }

  async search(mailboxId: MailboxId, key: SearchKey): Promise<Uint32Array> {
    await this.#mayRead(mailboxId);
    return this.#host.search(mailboxId, key);
  }

  async sort(mailboxId: MailboxId, options: Reads.SortOptions): Promise<Uint32Array> {
    await this.#mayRead(mailboxId);
    return this.#host.sort(mailboxId, options);
  }

  async thread(
    mailboxId: MailboxId,
    options: Parameters<Port.AccountPort['thread']>[1],
  ): Promise<Uint32Array> {
    await this.#mayRead(mailboxId);
    return this.#host.thread(mailboxId, options);
  }

  /** The administrator's. */
  async searchIndex(): Promise<Reads.SearchIndexStatus> {
    throw denied();
  }

  async rebuildSearchIndex(): Promise<void> {
    throw denied();
  }

  /** Those of /shared/, and of /private/ the actor's own. Of the account itself there are none for him. */
  async annotations(mailboxId: MailboxId | undefined): Promise<readonly Port.Annotation[]> {
    if (mailboxId === undefined) throw denied();
    await this.#mayAnnotate(mailboxId);
    const own = privateNameOf(this.#actor);
    const annotations: Port.Annotation[] = [];
    for (const { name, value } of await this.#host.allAnnotations(mailboxId)) {
      if (name.startsWith(own)) annotations.push({ name: ownPrivate + name.slice(own.length), value });
      else if (isShared(name)) annotations.push({ name, value });
    }
    return annotations;
  }

  async setAnnotations(options: Port.SetAnnotationsOptions): Promise<ModSeq | undefined> {
    const { mailboxId } = options;
    if (mailboxId === undefined) throw denied();
    const rights = await this.#mayAnnotate(mailboxId);
    // RFC 5464 section 5 leaves it to the server; who may write flags may write what all see.
    if (options.changes.some(({ name }) => isShared(name)) && !rights.includes('w')) throw denied();
    const own = privateNameOf(this.#actor);
    const changes = options.changes.map(({ name, value }) => {
      if (!isShared(name) && !name.startsWith(ownPrivate)) throw denied();
      return { name: isShared(name) ? name : own + name.slice(ownPrivate.length), value };
    });
    return this.#host.setAnnotations({ ...options, changes });
  }

  async acl(mailboxId: MailboxId): Promise<readonly AclEntry[]> {
    allowed(await this.#access(), { id: mailboxId }, 'a');
    return this.#host.acl(mailboxId);
  }

  async setAcl(options: Port.SetAclOptions): Promise<void> {
    const access = await this.#access();
    if (!isApplied(access, options.operation)) allowed(access, { id: options.mailboxId }, 'a');
    await this.#host.setAcl(options);
  }

  /** The owner's business. */
  async accountsSharedWithMe(): Promise<readonly Port.SharedOwner[]> {
    throw denied();
  }

  /** For whoever can read something of the account (RFC 9208 4.1.2). */
  async quota(): Promise<Port.QuotaStatus> {
    const access = await this.#access();
    for (const mailbox of access.state.mailboxes.values()) {
      if (rightsOn(access, mailbox).includes('r')) return this.#host.quota();
    }
    throw denied();
  }

  async setQuota(): Promise<void> {
    throw denied();
  }

  /** One after the other: whether the actor may know of a change is asked when it has happened. */
  watch(listener: (event: Port.AccountEvent) => void): () => void {
    let telling = Promise.resolve();
    let isWatching = true;
    const stop = this.#host.watch((event) => {
      telling = telling
        .then(async () => {
          const told = await this.#visible(event);
          if (isWatching && told !== undefined) listener(told);
        })
        .catch((error: unknown) => this.#host.watcherFailed(error));
    });
    return () => {
      isWatching = false;
      stop();
    };
  }

  async lockMaildrop(): Promise<AsyncDisposable> {
    throw denied();
  }

  /** What of an event is for the actor. Never rejects. */
  async #visible(event: Port.AccountEvent): Promise<Port.AccountEvent | undefined> {
    if (event.type === 'closed' || event.type === 'mailboxes') return event;
    if (event.mailboxId === undefined) return undefined;
    try {
      const access = await this.#access();
      const mailbox = access.state.mailboxes.get(event.mailboxId);
      if (mailbox === undefined || !hasAny(rightsOn(access, mailbox), 'lr')) return undefined;
    } catch {
      // Whoever looks finds out what is the matter.
      return { type: 'mailboxes', modSeq: event.modSeq };
    }
    if (event.type === 'mailbox') return event;
    const names = event.names.filter(isShared);
    return names.length === 0 ? undefined : { ...event, names };
  }

  async #access(): Promise<Access> {
    const [state, actor, owner] = await Promise.all([
      this.#host.loaded(),
      this.#people.person(this.#actor),
      this.#people.person(this.accountId),
    ]);
    // Mailboxes of somebody who is disabled are closed to others too.
    return { state, identifiers: owner === undefined ? [] : identifiersOf(actor) };
  }

  async #mayRead(mailboxId: MailboxId): Promise<void> {
    allowed(await this.#access(), { id: mailboxId }, 'r');
  }

  /** RFC 5464 3.3. */
  async #mayAnnotate(mailboxId: MailboxId): Promise<Rights> {
    const { rights } = allowed(await this.#access(), { id: mailboxId }, 'l');
    if (!mayAnnotate(rights)) throw denied();
    return rights;
  }

  /** A mailbox that was just made or renamed, as the actor may see it. */
  async #toldOf(info: Port.MailboxInfo): Promise<Port.MailboxInfo> {
    const access = await this.#access();
    const mailbox = access.state.mailbox(info.id);
    return mailbox === undefined ? { ...info, rights: '' } : infoFor(mailbox, rightsOn(access, mailbox));
  }
}

function isShared(name: string): boolean {
  return name === '/shared' || name.startsWith('/shared/');
}

function idOf(mailbox: MailboxState): MailboxId {
  return mailbox.record.id as MailboxId;
}
