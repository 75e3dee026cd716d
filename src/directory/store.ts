// The directory's rows as the rest of the directory uses them: cached reads, and changes that are made of conditions.
// Invariants: a change is one batch; every row it was decided on is a condition of it, so of two changes that
// contradict each other one is applied and the other decided anew; caches are emptied before a change is answered.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Batch, Bytes, Engine, Range } from '../storage/engine.ts';
import type { Alias, DirectoryAccount } from './directory.ts';
import { ReadCache } from './read-cache.ts';
import {
  type AddressRow,
  type DomainRow,
  decodeAccount,
  decodeAddress,
  decodeAlias,
  decodeDomain,
  decodeSecret,
  directoryTopic,
  keys,
  type SecretRow,
} from './rows.ts';
import {
  cachedLookupMs,
  cachedLookupsMax,
  cellDefault,
  commitAttemptsMax,
  pageItemsMax,
} from './settings.ts';

const versionLength = 16;
const pageBytesMax = 1024 * 1024;
/** Accounts looked at until one is enabled. */
const lookedAtMax = 100;

export interface StoreOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The cell of this node, which accounts that are made here are in. Left away: that of a site with one only. */
  readonly cell?: string;
}

/** A row as it was read, for deciding and for the condition that it did not change since. */
export interface ReadRow<Value> {
  readonly key: Bytes;
  readonly bytes: Bytes | undefined;
  readonly value: Value | undefined;
}

export class DirectoryStore implements Disposable {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly cell: string;
  readonly #caches: ReadCache<unknown>[] = [];
  readonly #unsubscribe: () => void;
  readonly #domains: ReadCache<DomainRow | undefined>;
  readonly #addresses: ReadCache<AddressRow | undefined>;
  readonly #aliases: ReadCache<Alias | undefined>;
  readonly #accounts: ReadCache<DirectoryAccount | undefined>;
  readonly #administrators: ReadCache<DirectoryAccount | undefined>;
  readonly #firstAccounts: ReadCache<DirectoryAccount | undefined>;

  constructor(options: StoreOptions) {
    this.engine = options.engine;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.cell = options.cell ?? cellDefault;
    this.#domains = this.cache(async (name) => this.#value(keys.domain(name), decodeDomain));
    this.#addresses = this.cache(async (address) => this.#value(keys.address(address), decodeAddress));
    this.#aliases = this.cache(async (address) => this.#value(keys.alias(address), decodeAlias));
    this.#accounts = this.cache(async (id) => this.#value(keys.account(id as AccountId), decodeAccount));
    this.#administrators = this.cache(() => this.#firstEnabled(keys.administrators()));
    this.#firstAccounts = this.cache(
      async (domain) =>
        (domain === '' ? undefined : await this.#firstEnabled(keys.logins(domain))) ??
        (await this.#firstEnabled(keys.logins(undefined))),
    );
    this.#unsubscribe = this.engine.subscribe(directoryTopic, () => this.clear());
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }

  /** A cache that is emptied whenever anything in the directory changes. */
  cache<Value>(load: (key: string) => Promise<Value>): ReadCache<Value> {
    const limits = { entriesMax: cachedLookupsMax, ageMaxMs: cachedLookupMs };
    const cache = new ReadCache(this.clock, limits, load);
    this.#caches.push(cache);
    return cache;
  }

  domain(name: string): Promise<DomainRow | undefined> {
    return this.#domains.get(name);
  }
  addressRow(address: string): Promise<AddressRow | undefined> {
    return this.#addresses.get(address);
  }
  alias(address: string): Promise<Alias | undefined> {
    return this.#aliases.get(address);
  }
  account(id: AccountId): Promise<DirectoryAccount | undefined> {
    return this.#accounts.get(id);
  }
  /** An enabled administrator, for postmaster; undefined when there is none. */
  administrator(): Promise<DirectoryAccount | undefined> {
    return this.#administrators.get('');
  }
  /** The first enabled account of the domain, or else of the site, in the order of listings. */
  firstAccount(domain: string | undefined): Promise<DirectoryAccount | undefined> {
    return this.#firstAccounts.get(domain ?? '');
  }
  /** Not cached here: it is kept with what else a login goes by (account-logins.ts). */
  secret(id: AccountId): Promise<SecretRow | undefined> {
    return this.#value(keys.secret(id), decodeSecret);
  }

  async row<Value>(key: Bytes, decode: (bytes: Bytes) => Value): Promise<ReadRow<Value>> {
    const bytes = await this.engine.get(key);
    return { key, bytes, value: bytes === undefined ? undefined : decode(bytes) };
  }

  /**
   * Decides and commits, again while conditions fail. What `decide` reads it reads from the engine (`row`), and
   * throws its refusals; `batch` undefined: nothing to do. Rejects with conflict when it loses too often.
   */
  async change<Result>(
    decide: () => Promise<{ readonly batch: Batch | undefined; readonly result: Result }>,
  ): Promise<Result> {
    for (let attempt = 0; attempt < commitAttemptsMax; attempt++) {
      const { batch, result } = await decide();
      if (batch === undefined) return result;
      try {
        const { outcome } = await this.engine.commit({ ...batch, signals: [directoryTopic] });
        if (outcome === 'committed') return result;
      } finally {
        // After a fault as well: nobody knows whether the change was made.
        this.clear();
      }
    }
    throw new MailError('conflict', 'somebody else keeps changing the same; try again');
  }

  /** A page of the rows of `range` behind the row `after`. */
  async list<Value>(
    range: Range,
    page: { readonly after: Bytes | undefined; readonly limit: number },
    decode: (bytes: Bytes) => Value,
  ): Promise<{
    readonly items: readonly Value[];
    readonly hasMore: boolean;
    readonly last: Bytes | undefined;
  }> {
    const limit = Math.max(1, Math.min(page.limit, pageItemsMax));
    // The smallest key behind `after` is `after` with a zero byte. Whoever asks may name one of before the range.
    const behind = page.after === undefined ? range.start : Buffer.concat([page.after, Buffer.of(0)]);
    const start = Buffer.compare(behind, range.start) < 0 ? range.start : behind;
    const limits = { entriesMax: limit, bytesMax: pageBytesMax };
    const { entries, next } = await this.engine.page({ start, end: range.end }, limits);
    const items = entries.map((entry) => decode(entry.value));
    return { items, hasMore: next !== undefined, last: entries.at(-1)?.key };
  }

  /** Told from every other one. */
  newVersion(): string {
    return this.random.identifier(versionLength);
  }

  /** Forgets what was read: whatever is asked for now is as it is in the engine. */
  clear(): void {
    for (const cache of this.#caches) cache.clear();
  }

  /** The same of one account; whom an address leads to is not forgotten. */
  forgetAccount(id: AccountId): void {
    this.#accounts.forget(id);
  }

  async #value<Value>(key: Bytes, decode: (bytes: Bytes) => Value): Promise<Value | undefined> {
    const bytes = await this.engine.get(key);
    return bytes === undefined ? undefined : decode(bytes);
  }

  /** The first that is enabled of the accounts that a range's rows name. */
  async #firstEnabled(range: Range): Promise<DirectoryAccount | undefined> {
    const limits = { entriesMax: lookedAtMax, bytesMax: pageBytesMax };
    const { entries } = await this.engine.page(range, limits);
    for (const { value } of entries) {
      const id = decodeAddress(value);
      const account = 'account' in id ? await this.account(id.account) : undefined;
      if (account?.enabled === true) return account;
    }
    return undefined;
  }
}

/** Conditions that the rows are still what was read. */
export function unchanged(
  ...rows: readonly ReadRow<unknown>[]
): { key: Bytes; expected: Bytes | undefined }[] {
  return rows.map(({ key, bytes }) => ({ key, expected: bytes }));
}
