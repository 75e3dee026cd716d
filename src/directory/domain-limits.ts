// What those who administer one domain alone may give its accounts: so many of them, and each at most so much room. An
// administrator of the site is not bound by it, and what he gave an account beyond it stays.
// Invariant: limits and number still are what they were when the change is made (they are conditions of it).
// Refuses with permissionDenied.

import { MailError } from '../mail/mail-error.ts';
import type { Bytes, Condition } from '../storage/engine.ts';
import type { DirectoryAccount } from './directory.ts';
import { type DomainRow, decodeDomain, decodeText, domainOf, keys } from './rows.ts';
import { pageItemsMax } from './settings.ts';
import { type DirectoryStore, unchanged } from './store.ts';

const pageLimits = { entriesMax: pageItemsMax, bytesMax: 1024 * 1024 };

/** The account as it may be added: without a quota it gets the largest that there may be. */
export async function newWithinLimits(
  store: DirectoryStore,
  wanted: DirectoryAccount,
): Promise<{ readonly account: DirectoryAccount; readonly conditions: readonly Condition[] }> {
  const { name, domain, conditions } = await limitsOf(store, wanted.address);
  const { accountsMax, quotaBytesMax } = domain ?? {};
  if (accountsMax !== undefined) {
    // Whoever adds to the domain changes this row.
    conditions.push(
      ...unchanged(await store.row(keys.members(name), (bytes) => decodeText('domain', bytes))),
    );
    if (await hasAccounts(store, name, accountsMax))
      throw new MailError('permissionDenied', `${name} may have ${accountsMax} accounts, and has them`);
  }
  const account = { ...wanted, quotaBytes: wanted.quotaBytes ?? quotaBytesMax };
  checkQuota(account.quotaBytes, domain);
  return { account, conditions };
}

export async function changedWithinLimits(
  store: DirectoryStore,
  after: DirectoryAccount,
  before: DirectoryAccount,
): Promise<Condition[]> {
  if (after.quotaBytes === before.quotaBytes) return [];
  const { domain, conditions } = await limitsOf(store, after.address);
  checkQuota(after.quotaBytes, domain);
  return conditions;
}

async function limitsOf(store: DirectoryStore, address: string) {
  const name = domainOf(address);
  const row = await store.row(keys.domain(name), decodeDomain);
  const conditions: Condition[] = unchanged(row);
  return { name, domain: row.value, conditions };
}

function checkQuota(quotaBytes: number | undefined, domain: DomainRow | undefined): void {
  const max = domain?.quotaBytesMax;
  if (max === undefined || (quotaBytes ?? Number.POSITIVE_INFINITY) <= max) return;
  throw new MailError(
    'permissionDenied',
    `an account of ${domain?.name} has a quota of at most ${max} bytes`,
  );
}

/** Counted each time, a page at once: adding an account costs more than that, by the hash of its password. */
async function hasAccounts(store: DirectoryStore, domain: string, wanted: number): Promise<boolean> {
  const { start, end } = keys.logins(domain);
  let count = 0;
  for (let from: Bytes | undefined = start; from !== undefined && count < wanted; ) {
    const page = await store.engine.page({ start: from, end }, pageLimits);
    count += page.entries.length;
    from = page.next;
  }
  return count >= wanted;
}
