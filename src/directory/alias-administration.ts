// Aliases: an address that stands for others, here or elsewhere. Its address row is taken as an account's is, so an
// address is never both. Targets are kept as they were typed (another host may tell letter cases apart); loops
// through several aliases are found when an address is resolved, since targets may change behind an alias's back.

import { canonicalAddress, formatAddress, parseAddress } from '../mail/address.ts';
import { MailError } from '../mail/mail-error.ts';
import { checkUsername, localAddress } from './account-administration.ts';
import type { Alias, DirectoryAdministration } from './directory.ts';
import { hostingDomain, touchMembers } from './domain-administration.ts';
import { keepPostmasters } from './postmasters.ts';
import { decodeAddress, decodeAlias, keys, put } from './rows.ts';
import { aliasTargetsMax } from './settings.ts';
import { type DirectoryStore, unchanged } from './store.ts';

export type AliasAdministration = Pick<
  DirectoryAdministration,
  'addAlias' | 'alias' | 'aliases' | 'setAlias' | 'removeAlias'
>;

export function aliasAdministration(store: DirectoryStore): AliasAdministration {
  return {
    addAlias: (alias) => addAlias(store, alias),
    async alias(text) {
      const address = parseAddress(text);
      return address === undefined ? undefined : store.alias(canonicalAddress(address));
    },
    async aliases(page) {
      const after = page.after === undefined ? undefined : keys.alias(page.after);
      const range = keys.aliases(page.domain);
      const { items, hasMore } = await store.list(range, { after, limit: page.limit }, decodeAlias);
      return { items, next: hasMore ? items.at(-1)?.address : undefined };
    },
    setAlias: (address, change) => setAlias(store, address, change),
    removeAlias: (address) => removeAlias(store, address),
  };
}

async function addAlias(
  store: DirectoryStore,
  wanted: { readonly address: string; readonly targets: readonly string[] },
): Promise<Alias> {
  const address = localAddress(wanted.address);
  checkUsername(address);
  const alias = { address, targets: checkedTargets(wanted.targets), enabled: true };
  return store.change(async () => {
    const row = await store.row(keys.address(address), decodeAddress);
    if (row.value !== undefined) throw new MailError('conflict', `${address} is taken already`);
    const domain = address.slice(address.lastIndexOf('@') + 1);
    const conditions = unchanged(row, await hostingDomain(store, domain));
    const puts = [
      put(keys.alias(address), 'alias', alias),
      put(row.key, 'address', { alias: true }),
      touchMembers(store, domain),
    ];
    return { batch: { conditions, puts }, result: alias };
  });
}

async function setAlias(
  store: DirectoryStore,
  text: string,
  change: Partial<Omit<Alias, 'address'>>,
): Promise<Alias> {
  return store.change(async () => {
    const row = await existing(store, text);
    const targets = change.targets === undefined ? row.value.targets : checkedTargets(change.targets);
    const alias = { ...row.value, targets, enabled: change.enabled ?? row.value.enabled };
    return { batch: { conditions: unchanged(row), puts: [put(row.key, 'alias', alias)] }, result: alias };
  });
}

async function removeAlias(store: DirectoryStore, text: string): Promise<void> {
  await store.change(async () => {
    const row = await existing(store, text);
    const deletes = [row.key, keys.address(row.value.address)];
    const conditions = [...unchanged(row), ...(await keepPostmasters(store, [row.value.address]))];
    return { batch: { conditions, deletes }, result: undefined };
  });
}

async function existing(store: DirectoryStore, text: string) {
  const address = localAddress(text);
  const row = await store.row(keys.alias(address), decodeAlias);
  const { value } = row;
  if (value === undefined) throw new MailError('noSuchAccount', `there is no alias ${address}`);
  return { ...row, value };
}

function checkedTargets(targets: readonly string[]): string[] {
  if (targets.length === 0) throw new MailError('invalidArgument', 'an alias has at least one target');
  if (targets.length > aliasTargetsMax) {
    throw new MailError('invalidArgument', `an alias has at most ${aliasTargetsMax} targets`);
  }
  const checked = new Set<string>();
  for (const text of targets) {
    const address = parseAddress(text);
    if (address === undefined) throw new MailError('invalidArgument', `target ${text} is no mail address`);
    checked.add(formatAddress(address));
  }
  return [...checked];
}
