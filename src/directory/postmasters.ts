// Who receives a domain's mail for postmaster is not taken away by accident: an account or alias that has the address, or that
// the domain names, is removed only when the domain names another one before, or has nobody else.
// Refuses with conflict.

import { MailError } from '../mail/mail-error.ts';
import type { Condition } from '../storage/engine.ts';
import { postmasterName } from './resolver.ts';
import { addressOfKey, decodeDomain, keys } from './rows.ts';
import { pageItemsMax } from './settings.ts';
import { type DirectoryStore, unchanged } from './store.ts';

/** For a change that takes these addresses away: the conditions under which every domain keeps its postmaster. */
export async function keepPostmasters(
  store: DirectoryStore,
  addresses: readonly string[],
): Promise<Condition[]> {
  const conditions: Condition[] = [];
  let after: Buffer | undefined;
  for (;;) {
    const page = await store.list(keys.domains(), { after, limit: pageItemsMax }, decodeDomain);
    for (const { name, aliasOf } of page.items)
      if (aliasOf === undefined) conditions.push(...(await keepPostmaster(store, name, addresses)));
    const last = page.items.at(-1);
    if (!page.hasMore || last === undefined) return conditions;
    after = keys.domain(last.name);
  }
}

async function keepPostmaster(
  store: DirectoryStore,
  domain: string,
  addresses: readonly string[],
): Promise<Condition[]> {
  const row = await store.row(keys.domain(domain), decodeDomain);
  const named = row.value?.postmaster;
  const isNamed = named !== undefined && addresses.includes(named);
  const own = `${postmasterName}@${domain}`;
  const isNeeded = addresses.includes(own) && (named === undefined || named === own);
  if (!isNamed && !isNeeded) return [];
  if (await isLast(store, domain, addresses)) return unchanged(row);
  const way = `name another first: rookery domain set ${domain} --postmaster ADDRESS`;
  throw new MailError('conflict', `${isNamed ? named : own} is the postmaster of ${domain}; ${way}`);
}

/** Whether a domain has no addresses but these. */
async function isLast(store: DirectoryStore, domain: string, addresses: readonly string[]): Promise<boolean> {
  const limits = { entriesMax: addresses.length + 1, bytesMax: 1024 * 1024 };
  const { entries } = await store.engine.page(keys.addresses(domain), limits);
  return entries.every(({ key }) => addresses.includes(addressOfKey(key)));
}

/** At a start: who administers the site gets its mail for postmaster, and should be somebody. Never rejects. */
export async function warnWithoutAdministrator(store: DirectoryStore): Promise<void> {
  try {
    if ((await store.administrator()) !== undefined) return;
    const { items } = await store.list(keys.domains(), { after: undefined, limit: 1 }, decodeDomain);
    if (items.length === 0) return;
    const whose = 'mail for postmaster goes to the first account of each domain, unless it has or names one';
    store.log.warn(`no account is an administrator: ${whose}`);
  } catch (error) {
    // A damaged row is the store check's to find; the server starts.
    store.log.warn({ err: error }, 'cannot tell whether the site has an administrator');
  }
}
