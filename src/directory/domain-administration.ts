// Domains: added, changed, removed. A domain that is another name of one (aliasOf) holds no addresses of its own, and
// leads to one that is not an alias itself, so that every lookup takes one step at the most.
// Disabled or removed it ends no session: accounts log in by their own addresses all the same, so they may do what they might.
// Every addition to a domain touches its `members` row; removal and becoming an alias are conditional on it.

import { canonicalAddress, parseAddress, parseDomain } from '../mail/address.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Batch, Entry } from '../storage/engine.ts';
import type { DirectoryAdministration, Domain } from './directory.ts';
import { type EndedSessions, endedDomainNote } from './ended-sessions.ts';
import { type DomainRow, decodeAddress, decodeAlias, decodeDomain, decodeText, keys, put } from './rows.ts';
import { nameCharactersMax, pageItemsMax } from './settings.ts';
import { type DirectoryStore, type ReadRow, unchanged } from './store.ts';

const everything = { entriesMax: 1, bytesMax: 1024 * 1024 };

export type DomainAdministration = Pick<
  DirectoryAdministration,
  'addDomain' | 'domain' | 'domains' | 'setDomain' | 'removeDomain'
>;

export function domainAdministration(store: DirectoryStore, ended: EndedSessions): DomainAdministration {
  return {
    addDomain: (domain) => addDomain(store, domain),
    async domain(text) {
      const name = parseDomain(text);
      const row = name === undefined ? undefined : await store.domain(name);
      return row && shownDomain(row);
    },
    async domains(page) {
      const after = page.after === undefined ? undefined : keys.domain(page.after);
      const { items, hasMore } = await store.list(keys.domains(), { after, limit: page.limit }, decodeDomain);
      return { items: items.map(shownDomain), next: hasMore ? items.at(-1)?.name : undefined };
    },
    async setDomain(name, change) {
      const { domain, isDisabled } = await setDomain(store, name, change);
      // Not waited for: it may have a hundred thousand accounts.
      if (isDisabled) ended.tellAll();
      return domain;
    },
    removeDomain: (name) => removeDomain(store, name),
  };
}

/** The entry that tells removers of `domain` that something was added to it. */
export function touchMembers(store: DirectoryStore, domain: string): Entry {
  return put(keys.members(domain), 'domain', { value: store.newVersion() });
}

/** The row of a domain that can hold addresses; refuses when there is none. */
export async function hostingDomain(store: DirectoryStore, name: string): Promise<ReadRow<Domain>> {
  const row = await store.row(keys.domain(name), decodeDomain);
  if (row.value === undefined) {
    throw new MailError('invalidArgument', `domain ${name} is not hosted here: add it first`);
  }
  if (row.value.aliasOf !== undefined) {
    throw new MailError(
      'invalidArgument',
      `domain ${name} is another name of ${row.value.aliasOf}: use that one`,
    );
  }
  return row;
}

async function addDomain(
  store: DirectoryStore,
  wanted: Pick<Domain, 'name'> & Partial<Domain>,
): Promise<Domain> {
  const name = domainName(wanted.name);
  const { enabled = true, aliasOf, catchAll, postmaster, accountsMax, quotaBytesMax } = wanted;
  const { description = '' } = wanted;
  const limits = { accountsMax, quotaBytesMax };
  const domain = checkedDomain({ name, enabled, aliasOf, catchAll, postmaster, ...limits, description });
  return store.change(async () => {
    const row = await store.row(keys.domain(name), decodeDomain);
    if (row.value !== undefined) throw new MailError('conflict', `domain ${name} is there already`);
    const target = await aliasTarget(store, domain);
    const puts = [put(row.key, 'domain', domain), ...target.puts];
    const conditions = [...unchanged(row), ...target.conditions, ...(await namedPostmaster(store, domain))];
    return { batch: { conditions, puts }, result: domain };
  });
}

async function setDomain(
  store: DirectoryStore,
  text: string,
  change: Partial<Omit<Domain, 'name'>>,
): Promise<{ readonly domain: Domain; readonly isDisabled: boolean }> {
  const name = domainName(text);
  return store.change(async () => {
    const row = await existing(store, name);
    const domain = checkedDomain({ ...shownDomain(row.value), ...change, name });
    const target = await aliasTarget(store, domain);
    const conditions = [...unchanged(row), ...target.conditions];
    if (domain.postmaster !== row.value.postmaster)
      conditions.push(...(await namedPostmaster(store, domain)));
    if (domain.aliasOf !== undefined && row.value.aliasOf === undefined) {
      conditions.push(...(await emptyDomain(store, name)));
    }
    // Also when it was before: who says it again has perhaps not heard that it was done.
    const isDisabled = change.enabled === false;
    // Sessions of before are told from those that begin when it is enabled again.
    const sessions = isDisabled ? store.newVersion() : row.value.sessions;
    const stored: DomainRow = { ...domain, sessions };
    const puts = [put(row.key, 'domain', stored), ...target.puts];
    if (isDisabled) puts.push(endedDomainNote(name, sessions));
    return { batch: { conditions, puts }, result: { domain, isDisabled } };
  });
}

async function removeDomain(store: DirectoryStore, text: string): Promise<void> {
  const name = domainName(text);
  await store.change(async () => {
    const row = await existing(store, name);
    const conditions = [...unchanged(row), ...(await emptyDomain(store, name))];
    return {
      batch: { conditions, deletes: [row.key, keys.members(name), keys.endingDomain(name)] },
      result: undefined,
    };
  });
}

async function existing(store: DirectoryStore, name: string) {
  const row = await store.row(keys.domain(name), decodeDomain);
  const { value } = row;
  if (value === undefined) throw new MailError('noSuchAccount', `there is no domain ${name}`);
  return { ...row, value };
}

/** What a domain with `aliasOf` depends on: the target exists, hosts addresses, and learns that it is led to. */
async function aliasTarget(
  store: DirectoryStore,
  domain: Domain,
): Promise<Required<Pick<Batch, 'conditions' | 'puts'>>> {
  if (domain.aliasOf === undefined) return { conditions: [], puts: [] };
  if (domain.aliasOf === domain.name)
    throw new MailError('invalidArgument', 'a domain cannot be an alias of itself');
  const target = await hostingDomain(store, domain.aliasOf);
  return { conditions: unchanged(target), puts: [touchMembers(store, domain.aliasOf)] };
}

/** Whom a domain names is there, and stays (postmasters.ts). */
async function namedPostmaster(store: DirectoryStore, { name, postmaster }: Domain) {
  if (postmaster === undefined) return [];
  const row = await store.row(keys.address(postmaster), decodeAddress);
  if (row.value === undefined)
    throw new MailError(
      'invalidArgument',
      `postmaster ${postmaster} of ${name} is no account or alias of this site`,
    );
  return unchanged(row);
}

/** Conditions under which the domain is and stays empty; refuses with conflict when it is not. */
async function emptyDomain(store: DirectoryStore, name: string) {
  const members = await store.row(keys.members(name), (bytes) => decodeText('domain', bytes));
  const [logins, addresses, aliases] = await Promise.all([
    store.engine.page(keys.logins(name), everything),
    store.engine.page(keys.addresses(name), everything),
    store.list(keys.aliases(name), { after: undefined, limit: 1 }, decodeAlias),
  ]);
  const count = logins.entries.length + addresses.entries.length + aliases.items.length;
  if (count > 0) throw new MailError('conflict', `domain ${name} has accounts or aliases: remove them first`);
  const other = await aliasDomainOf(store, name);
  if (other !== undefined)
    throw new MailError('conflict', `domain ${other} is another name of ${name}: remove it first`);
  return unchanged(members);
}

/** A domain that is another name of `name`. Walks all domains: this is for removals only. */
async function aliasDomainOf(store: DirectoryStore, name: string): Promise<string | undefined> {
  let after: Buffer | undefined;
  for (;;) {
    const page = await store.list(keys.domains(), { after, limit: pageItemsMax }, decodeDomain);
    const found = page.items.find((domain) => domain.aliasOf === name);
    const last = page.items.at(-1);
    if (found !== undefined || !page.hasMore || last === undefined) return found?.name;
    after = keys.domain(last.name);
  }
}

function shownDomain({ sessions: _, ...domain }: DomainRow): Domain {
  return domain;
}

function domainName(text: string): string {
  const name = parseDomain(text);
  if (name === undefined || name.startsWith('['))
    throw new MailError('invalidArgument', `${text} is no domain name`);
  return name;
}

function checkedDomain(domain: Domain): Domain {
  if (domain.description.length > nameCharactersMax) {
    throw new MailError('invalidArgument', `the description is longer than ${nameCharactersMax} characters`);
  }
  if (domain.catchAll !== undefined && parseAddress(domain.catchAll) === undefined) {
    throw new MailError('invalidArgument', `catch-all ${domain.catchAll} is no address`);
  }
  for (const limit of [domain.accountsMax, domain.quotaBytesMax]) {
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit >= 0))
      throw new MailError('invalidArgument', 'a limit is a whole number');
  }
  const postmaster = domain.postmaster === undefined ? undefined : parseAddress(domain.postmaster);
  if (domain.postmaster !== undefined && postmaster === undefined) {
    throw new MailError('invalidArgument', `postmaster ${domain.postmaster} is no address`);
  }
  return {
    ...domain,
    ...(postmaster === undefined ? {} : { postmaster: canonicalAddress(postmaster) }),
    aliasOf: domain.aliasOf === undefined ? undefined : domainName(domain.aliasOf),
  };
}
