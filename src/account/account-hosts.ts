// The accounts this node hosts: finds or opens them, makes and removes their storage, and keeps what is in memory
// under its limit by unloading the least recently used ones.
//
// Invariant: one LocalAccount an account and process as long as anybody refers to it. The map holds weak references,
// so that a session without watchers keeps its account alive, and millions of accounts once used cost nothing;
// those that are loaded, watched, locked or in line to be packed are held strongly.
// Failures: MailError noSuchAccount; after close, `unavailable`.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { Metrics } from '../base/metrics.ts';
import type { AccountId, Epoch, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { BlobStore } from '../storage/blobs/blob-store.ts';
import type { Engine, Fence } from '../storage/engine.ts';
import { fenceFor } from '../storage/fence.ts';
import { type AccountLimits, accountLimitsDefault } from './account-limits.ts';
import { AccountMetrics } from './account-metrics.ts';
import { loadAccount } from './account-state.ts';
import { createAccount, type NewAccountQuota, removeAccount } from './account-storage.ts';
import { BackgroundPace } from './background-pace.ts';
import { LocalAccount } from './local-account.ts';
import type { AccountPort, AccountPorts } from './port.ts';
import { FreshSummaries } from './reading/fresh-summaries.ts';
import type { SharedSearch } from './search/account-search.ts';
import { SearchCache } from './search-index/search-cache.ts';
import { shardOf } from './shard.ts';
import { noPeople, type People } from './sharing/people.ts';
import { SharedAccount } from './sharing/shared-account.ts';
import { PackingLine } from './writing/packing-line.ts';

/** Who may write: the epochs of the shards this node holds. Refuses with `unavailable` for others. */
export interface ShardLeases {
  epochOf(shard: ShardId): Epoch;
}

export interface AccountHostsOptions {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly shards: ShardLeases;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits?: Partial<AccountLimits>;
  readonly metrics?: Metrics;
  /** Left away: nobody is let into another's account. */
  readonly people?: People;
}

export interface AccountHostsStatistics {
  readonly loaded: number;
  readonly memoryBytes: number;
}

export interface AccountHosts extends AccountPorts, AsyncDisposable {
  /** Makes the account with INBOX and the mailboxes of the usual roles. Refuses with conflict when it is there. */
  create(accountId: AccountId, quota?: NewAccountQuota): Promise<void>;
  /** Removes all of it, or what a removal that was cut off left; its sessions end. Refuses with noSuchAccount. */
  remove(accountId: AccountId): Promise<void>;
  /** Ends all sessions of an account, which was disabled or got a new password. */
  endSessions(accountId: AccountId): void;
  /** Another node hosts the shard from now on: ends its accounts' sessions and forgets them when the commits under way ended. */
  closeShard(shard: ShardId): Promise<void>;
  /** Whether the account is in memory: nothing is read to open it. */
  isLoaded(accountId: AccountId): boolean;
  /** The host itself, for store check and tests. Refuses with noSuchAccount. */
  host(accountId: AccountId): Promise<LocalAccount>;
  /** The fence of an account's shard, for store check. */
  fenceOf(accountId: AccountId): Fence;
  statistics(): AccountHostsStatistics;
  /** Refuses new work, waits for what is under way. */
  close(): Promise<void>;
}

/** How often idle accounts are looked for. */
const sweepMs = 30_000;
/** After so many uses the memory limit is looked at. */
const usesPerCheck = 256;

export function openAccountHosts(options: AccountHostsOptions): AccountHosts {
  return new LocalAccountHosts(options);
}

class LocalAccountHosts implements AccountHosts {
  readonly #options: AccountHostsOptions;
  readonly #limits: AccountLimits;
  readonly #accounts = new Map<AccountId, WeakRef<LocalAccount>>();
  /** Loaded, watched or locked, in no order. */
  readonly #held = new Set<LocalAccount>();
  /** Of accounts that have moved: what reads on for a moment. */
  readonly #ending = new Set<Promise<void>>();
  readonly #finalized: FinalizationRegistry<AccountId>;
  readonly #removing = new Set<AccountId>();
  readonly #metrics: AccountMetrics;
  readonly #search: SharedSearch;
  readonly #packing: PackingLine;
  readonly #freshSummaries = new FreshSummaries();
  readonly #people: People;
  #sweep: Timer;
  #uses = 0;
  #closed = false;

  constructor(options: AccountHostsOptions) {
    this.#options = options;
    this.#limits = Object.freeze({ ...accountLimitsDefault, ...options.limits });
    this.#people = options.people ?? noPeople;
    this.#metrics = new AccountMetrics(options.metrics ?? new Metrics());
    const pace = new BackgroundPace(options.clock);
    this.#search = { cache: new SearchCache(this.#limits.searchMemoryBytesMax), pace };
    this.#packing = new PackingLine(pace);
    this.#finalized = new FinalizationRegistry((accountId) => {
      if (this.#accounts.get(accountId)?.deref() === undefined) this.#accounts.delete(accountId);
    });
    this.#sweep = options.clock.after(sweepMs, () => this.#sweepIdle());
  }

  open(accountId: AccountId, actor?: AccountId): Promise<AccountPort> {
    const opening = this.host(accountId);
    if (actor === undefined || actor === accountId) return opening;
    return opening.then((host) => new SharedAccount(host, actor, this.#people));
  }

  async host(accountId: AccountId): Promise<LocalAccount> {
    if (this.#closed) throw new MailError('unavailable', 'the server is stopping');
    if (this.#removing.has(accountId)) throw new MailError('noSuchAccount', `no account ${accountId}`);
    const account = this.#accounts.get(accountId)?.deref() ?? this.#add(accountId);
    if (account.writer.state === undefined) {
      try {
        await account.writer.open();
      } catch (error) {
        this.#held.delete(account);
        throw error;
      }
    }
    return account;
  }

  async create(accountId: AccountId, quota?: NewAccountQuota): Promise<void> {
    await createAccount(accountId, { ...this.#storageOptions(accountId), quota: quota ?? {} });
  }

  async remove(accountId: AccountId): Promise<void> {
    if (this.#closed) throw new MailError('unavailable', 'the server is stopping');
    this.#removing.add(accountId);
    try {
      // Not opened for it: a removal that was cut off, or a damaged account, does not open and goes all the same.
      const account = this.#accounts.get(accountId)?.deref();
      await account?.writer.close(new MailError('noSuchAccount', 'the account was removed'));
      account?.end();
      await removeAccount(accountId, this.#storageOptions(accountId));
    } finally {
      this.#removing.delete(accountId);
    }
  }

  endSessions(accountId: AccountId): void {
    this.#accounts.get(accountId)?.deref()?.endSessions();
  }

  async closeShard(shard: ShardId): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const reference of this.#accounts.values()) {
      const account = reference.deref();
      if (account === undefined || account.shard !== shard) continue;
      account.commitClaims();
      // The writer first: whoever hears of the end of a session finds the account refused.
      closing.push(account.writer.close(new MailError('unavailable', 'the account has moved')));
      account.end();
      this.#endLater(account);
    }
    await Promise.all(closing);
  }

  /**
   * What nobody waits for (an index that waits for its turn) can change nothing any more, as the writer refuses it: whoever
   * hosts the account next does not wait for it.
   */
  #endLater(account: LocalAccount): void {
    const ending = account.settled().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  isLoaded(accountId: AccountId): boolean {
    return this.#accounts.get(accountId)?.deref()?.writer.state !== undefined;
  }

  statistics(): AccountHostsStatistics {
    let loaded = 0;
    let memoryBytes = 0;
    for (const { writer } of this.#held) {
      if (writer.state === undefined) continue;
      loaded++;
      memoryBytes += writer.state.bytes;
    }
    return { loaded, memoryBytes };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep.cancel();
    this.#packing.close();
    const stopping = new MailError('unavailable', 'the server is stopping');
    const accounts = [...this.#held];
    await Promise.all(accounts.map((account) => account.writer.close(stopping)));
    await Promise.all([...accounts.map((account) => account.settled()), ...this.#ending]);
    this.#held.clear();
    this.#accounts.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #storageOptions(accountId: AccountId) {
    const { engine, blobs, clock } = this.#options;
    return { engine, blobs, clock, fence: this.fenceOf(accountId), limits: this.#limits };
  }

  fenceOf(accountId: AccountId): Fence {
    const shard = shardOf(accountId);
    return fenceFor(shard, this.#options.shards.epochOf(shard));
  }

  #add(accountId: AccountId): LocalAccount {
    const { engine, blobs, clock, log, shards } = this.#options;
    const shard = shardOf(accountId);
    const epoch = shards.epochOf(shard);
    const fence = fenceFor(shard, epoch);
    const account: LocalAccount = new LocalAccount({
      accountId,
      shard,
      engine,
      blobs,
      clock,
      log,
      limits: this.#limits,
      metrics: this.#metrics,
      search: this.#search,
      packing: this.#packing,
      freshSummaries: this.#freshSummaries,
      people: this.#people,
      // The epoch it was loaded under: a later one of ours must not let through what was decided before others wrote.
      fence: () => {
        if (shards.epochOf(shard) !== epoch) throw new MailError('unavailable', 'the account has moved');
        return fence;
      },
      load: () => loadAccount(accountId, { engine, clock, limits: this.#limits }),
      used: (used) => this.#used(used),
      ended: (ended) => this.#ended(ended),
    });
    this.#accounts.set(accountId, new WeakRef(account));
    this.#finalized.register(account, accountId);
    this.#used(account);
    return account;
  }

  #used(account: LocalAccount): void {
    account.usedAt = this.#options.clock.monotonic();
    this.#held.add(account);
    if (++this.#uses % usesPerCheck === 0) this.#shrink();
  }

  #ended(account: LocalAccount): void {
    this.#held.delete(account);
    if (this.#accounts.get(account.accountId)?.deref() === account) this.#accounts.delete(account.accountId);
  }

  /** Unloads the least recently used accounts until the rest is well below the limit. */
  #shrink(): void {
    let { memoryBytes } = this.statistics();
    if (memoryBytes <= this.#limits.memoryBytesMax) return;
    const oldestFirst = [...this.#held].sort((a, b) => a.usedAt - b.usedAt);
    for (const account of oldestFirst) {
      if (memoryBytes <= this.#limits.memoryBytesMax * 0.9) return;
      const bytes = account.writer.state?.bytes ?? 0;
      if (this.#unload(account)) memoryBytes -= bytes;
    }
  }

  #unload(account: LocalAccount): boolean {
    if (account.writer.busy) return false;
    account.writer.unload();
    if (!account.hasSessions) this.#held.delete(account);
    return true;
  }

  #sweepIdle(): void {
    if (this.#closed) return;
    const before = this.#options.clock.monotonic() - this.#limits.idleUnloadMs;
    for (const account of this.#held) if (account.usedAt < before) this.#unload(account);
    this.#shrink();
    this.#metrics.observeMemory(this.statistics());
    let indexLag = 0;
    for (const account of this.#held) indexLag += account.indexLag;
    this.#metrics.observeSearch({ indexLag, memoryBytes: this.#search.cache.bytes });
    this.#sweep = this.#options.clock.after(sweepMs, () => this.#sweepIdle());
  }
}
