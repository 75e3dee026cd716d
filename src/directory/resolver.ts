// Where mail for an address goes. Order (the first that fits): the address itself; the address before the separator, with
// the detail; for postmaster whom the domain names; the domain's catch-all.
// Mail for postmaster always arrives while the site has an account (RFC 5321 4.5.1, RFC 2142): it goes to the first of
// these that is enabled: the address itself, whom the domain names, its catch-all, an administrator, the domain's first
// account, the site's.
// Invariant: expansion ends: nested aliases and targets are bounded, an address is visited once. An alias that names
// itself among others reaches the others; one that reaches nobody but itself is an alias loop.

import { type Address, canonicalLocalPart, formatAddress, parseAddress } from '../mail/address.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Alias, DirectoryAccount, Resolution, Target } from './directory.ts';
import type { DomainRow } from './rows.ts';
import { aliasDepthMax, aliasTargetsMax } from './settings.ts';
import type { DirectoryStore } from './store.ts';

type Found =
  | {
      readonly type: 'account';
      readonly account: DirectoryAccount;
      readonly address: string;
      readonly detail?: string;
    }
  | { readonly type: 'alias'; readonly alias: Alias; readonly detail?: string }
  /** For want of anything better: the address stays nobody's. */
  | { readonly type: 'catchAll'; readonly address: string }
  | { readonly type: 'foreign' | 'unknownUser' | 'disabled' };

type Exact =
  | { readonly type: 'account'; readonly account: DirectoryAccount; readonly address: string }
  | { readonly type: 'alias'; readonly alias: Alias };

export interface Resolved {
  readonly resolution: Resolution;
  /** True when a catch-all was needed: such an address belongs to nobody. */
  readonly byCatchAll: boolean;
}

/** The form addresses are stored and compared in. */
export function canonicalForm(address: Address): Address {
  return { localPart: canonicalLocalPart(address.localPart), domain: address.domain };
}

export class Resolver {
  readonly #store: DirectoryStore;
  readonly #separators: string;

  constructor(store: DirectoryStore, subAddressSeparators: string) {
    this.#store = store;
    this.#separators = subAddressSeparators;
  }

  /** Addresses are canonical in all of this: see canonicalForm. */
  async resolve(address: Address): Promise<Resolved> {
    const expansion = new Expansion(this);
    await expansion.add(address, { asWritten: '', detail: undefined, depth: 0 });
    return { resolution: expansion.resolution(), byCatchAll: expansion.byCatchAll };
  }

  /** Whose name for a login exactly this address is; nobody's while the address's domain is disabled. */
  async loginAccount(address: Address): Promise<AccountId | undefined> {
    const domain = await this.#domain(address.domain);
    return domain?.enabled === true ? this.#holder(address, domain) : undefined;
  }

  /** The account that has exactly this address, through domain aliases. */
  async accountOf(address: Address): Promise<DirectoryAccount | undefined> {
    const domain = await this.#domain(address.domain);
    const id = domain && (await this.#holder(address, domain));
    return id === undefined ? undefined : this.#store.account(id);
  }

  async #holder(address: Address, domain: DomainRow): Promise<AccountId | undefined> {
    const row = await this.#store.addressRow(formatAddress({ ...address, domain: domain.name }));
    return row !== undefined && 'account' in row ? row.account : undefined;
  }

  async find(address: Address): Promise<Found> {
    // RFC 5321 4.1.1.3: "postmaster" without a domain is this server's.
    if (address.domain === '') return this.#postmaster(address, undefined);
    const domain = await this.#domain(address.domain);
    if (domain === undefined) return { type: 'foreign' };
    if (!domain.enabled) return { type: 'disabled' };
    const { localPart } = address;
    const exact = await this.#exact({ localPart, domain: domain.name });
    const isPostmaster = localPart === postmasterName;
    if (exact !== undefined && (isEnabled(exact) || !isPostmaster)) return enabledOnly(exact);
    const named = isPostmaster ? await this.#named(domain.postmaster) : undefined;
    if (named !== undefined) return named;
    const cut = this.#separatorIndex(localPart);
    if (cut > 0) {
      const base = await this.#exact({ localPart: localPart.slice(0, cut), domain: domain.name });
      if (base !== undefined) return enabledOnly({ ...base, detail: localPart.slice(cut + 1) });
    }
    if (domain.catchAll !== undefined) return { type: 'catchAll', address: domain.catchAll };
    return this.#postmaster(address, domain.name);
  }

  /** The domain's row, or that of the domain it is another name of. Undefined: not ours. */
  async #domain(name: string) {
    const domain = await this.#store.domain(name);
    if (domain?.aliasOf === undefined || !domain.enabled) return domain;
    return this.#store.domain(domain.aliasOf);
  }

  async #exact(exact: Address): Promise<Exact | undefined> {
    const address = formatAddress(exact);
    const row = await this.#store.addressRow(address);
    if (row === undefined) return undefined;
    if ('account' in row) {
      const account = await this.#store.account(row.account);
      return account === undefined ? undefined : { type: 'account', account, address };
    }
    const alias = await this.#store.alias(address);
    return alias === undefined ? undefined : { type: 'alias', alias };
  }

  #separatorIndex(localPart: string): number {
    // A leading separator separates nothing from nothing.
    for (let index = 1; index < localPart.length; index++) {
      if (this.#separators.includes(localPart[index]!)) return index;
    }
    return -1;
  }

  /** Whom a domain names, as long as he is there. */
  async #named(text: string | undefined): Promise<Exact | undefined> {
    const address = text === undefined ? undefined : parseAddress(text);
    const found = address === undefined ? undefined : await this.#exact(canonicalForm(address));
    return found !== undefined && isEnabled(found) ? found : undefined;
  }

  async #postmaster(address: Address, domain: string | undefined): Promise<Found> {
    if (address.localPart !== postmasterName) return { type: 'unknownUser' };
    const account = await this.#store.administrator();
    if (account !== undefined) return { type: 'account', account, address: account.address };
    const first = await this.#store.firstAccount(domain);
    if (first !== undefined) return { type: 'catchAll', address: first.address };
    return { type: 'unknownUser' };
  }
}

/** RFC 5321 4.5.1. */
export const postmasterName = 'postmaster';

function isEnabled(found: Exact): boolean {
  return found.type === 'account' ? found.account.enabled : found.alias.enabled;
}

function enabledOnly(found: Exact & { readonly detail?: string }): Found {
  return isEnabled(found) ? found : { type: 'disabled' };
}

/** How an expansion came to an address. */
interface Way {
  /** The alias's target as it was typed: another host may tell letter cases apart. */
  readonly asWritten: string;
  /** What an alias on the way was addressed with; a target's own detail wins. */
  readonly detail: string | undefined;
  readonly depth: number;
}

/** One address on its way to its targets. */
class Expansion {
  readonly #resolver: Resolver;
  readonly #targets = new Map<string, Target>();
  readonly #visited = new Set<string>();
  byCatchAll = false;
  #isBeyondLimit = false;
  #isLoop = false;
  /** What the address that was asked for is, when it leads nowhere. */
  #nothing: 'foreign' | 'unknownUser' | 'disabled' = 'unknownUser';

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  resolution(): Resolution {
    if (this.#isBeyondLimit) return { outcome: 'aliasLoop' };
    if (this.#targets.size > 0) return { outcome: 'deliver', targets: [...this.#targets.values()] };
    return { outcome: this.#isLoop ? 'aliasLoop' : this.#nothing };
  }

  async add(address: Address, way: Way): Promise<void> {
    const name = formatAddress(address);
    if (this.#visited.has(name)) {
      this.#isLoop = true;
      return;
    }
    this.#visited.add(name);
    if (way.depth > aliasDepthMax || this.#visited.size > aliasTargetsMax) this.#isBeyondLimit = true;
    if (this.#isBeyondLimit) return;
    const found = await this.#resolver.find(address);
    switch (found.type) {
      case 'account':
        this.#addAccount(found.account.id, found.address, found.detail ?? way.detail);
        return;
      case 'alias':
        await this.#addAll(found.alias.targets, found.detail ?? way.detail, way.depth);
        return;
      case 'catchAll':
        this.byCatchAll = true;
        await this.#addAll([found.address], way.detail, way.depth);
        return;
      case 'foreign':
        if (way.depth === 0) this.#nothing = 'foreign';
        else this.#targets.set(name, { type: 'outside', address: way.asWritten });
        return;
      default:
        // A target that is gone or disabled does not keep mail from the others.
        if (way.depth === 0 || found.type === 'disabled') this.#nothing = found.type;
    }
  }

  async #addAll(targets: readonly string[], detail: string | undefined, depth: number): Promise<void> {
    for (const target of targets) {
      const address = parseAddress(target);
      if (address !== undefined)
        await this.add(canonicalForm(address), { asWritten: target, detail, depth: depth + 1 });
    }
  }

  /** An account gets a message once, however many ways lead to it. */
  #addAccount(accountId: AccountId, address: string, detail: string | undefined): void {
    if (this.#targets.has(accountId)) return;
    this.#targets.set(accountId, { type: 'account', accountId, address, detail });
  }
}
