// Accounts: added, changed, removed. Invariant: an address belongs to one account or alias: its address row is put
// under the condition that there is none, in the batch that puts the account, so of two that want it one gets it.
// Account ids are random and never used again. A removal leaves a `removed` row until its hook has succeeded.

import { type Address, canonicalAddress, isUsername, parseAddress } from '../mail/address.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Batch, Condition } from '../storage/engine.ts';
import type {
  AccountChange,
  DirectoryAccount,
  DirectoryAdministration,
  NewAccount,
  WithinLimits,
} from './directory.ts';
import { services } from './directory.ts';
import { hostingDomain, touchMembers } from './domain-administration.ts';
import { changedWithinLimits, newWithinLimits } from './domain-limits.ts';
import { type EndedSessions, endedSessionsNote } from './ended-sessions.ts';
import { accountNotes, type DirectoryHooks, tellHook } from './hooks.ts';
import { keepPostmasters } from './postmasters.ts';
import { canonicalForm, type Resolver } from './resolver.ts';
import {
  addressOfKey,
  decodeAccount,
  decodeAddress,
  decodeSecret,
  domainOf,
  keys,
  put,
  type SecretRow,
} from './rows.ts';
import type { Secrets } from './secrets.ts';
import {
  addressesPerAccountMax,
  groupCharactersMax,
  groupsPerAccountMax,
  nameCharactersMax,
} from './settings.ts';
import { type DirectoryStore, unchanged } from './store.ts';

const accountIdLength = 16;
/** Removals that are read at once. */
const finishedAtOnceMax = 100;

export type AccountAdministration = Pick<
  DirectoryAdministration,
  'account' | 'accountByAddress' | 'addAccount' | 'accounts' | 'setAccount' | 'removeAccount' | 'setPassword'
>;

interface Parts {
  readonly store: DirectoryStore;
  readonly resolver: Resolver;
  readonly secrets: Secrets;
  readonly hooks: DirectoryHooks;
  readonly ended: EndedSessions;
}

export function accountAdministration(parts: Parts): AccountAdministration {
  const { store, resolver, secrets } = parts;
  return {
    account: (id) => store.account(id),
    async accountByAddress(text) {
      const address = parseAddress(text);
      return address === undefined ? undefined : resolver.accountOf(canonicalForm(address));
    },
    addAccount: (account, by) => addAccount(parts, account, by),
    async accounts(page) {
      const after = page.after === undefined ? undefined : keys.login(page.after);
      const range = keys.logins(page.domain);
      const rows = await store.list(range, { after, limit: page.limit }, decodeAddress);
      const ids = rows.items.flatMap((row) => ('account' in row ? [row.account] : []));
      const found = await Promise.all(ids.map((id) => store.account(id)));
      const items = found.filter((account) => account !== undefined);
      return { items, next: rows.hasMore && rows.last !== undefined ? addressOfKey(rows.last) : undefined };
    },
    setAccount: (id, change, by) => setAccount(parts, id, change, by),
    removeAccount: (id) => removeAccount(parts, id),
    setPassword: (id, password) => secrets.setPassword(id, password),
  };
}

async function addAccount(
  { store, secrets, hooks }: Parts,
  wanted: NewAccount,
  by: WithinLimits | undefined,
): Promise<DirectoryAccount> {
  const address = localAddress(wanted.address);
  const checked = checkedAccount({
    id: store.random.identifier(accountIdLength) as AccountId,
    address,
    addresses: further(address, wanted.addresses ?? []),
    fullName: wanted.fullName ?? '',
    enabled: true,
    administrator: wanted.administrator ?? false,
    groups: wanted.groups ?? [],
    shared: wanted.shared ?? false,
    services: wanted.services ?? services,
    quotaBytes: wanted.quotaBytes,
    quotaMessages: wanted.quotaMessages,
    createdAt: Math.floor(store.clock.now() / 1000),
    cell: store.cell,
  });
  const secret: SecretRow = await secrets.make(wanted.password);
  const account = await store.change(async () => {
    const taken = await takeAddresses(store, checked.id, addressesOf(checked));
    const { account, conditions } =
      by?.withinLimits === true
        ? await newWithinLimits(store, checked)
        : { account: checked, conditions: [] };
    const puts = [...accountPuts(account), put(keys.secret(account.id), 'secret', secret), ...taken.puts];
    return { batch: { conditions: [...taken.conditions, ...conditions], puts }, result: account };
  });
  await tellHook(store.log, { what: 'added', accountId: account.id }, () => hooks.onAccountAdded?.(account));
  return account;
}

async function setAccount(
  { store, hooks, ended }: Parts,
  id: AccountId,
  change: AccountChange,
  by: WithinLimits | undefined,
): Promise<DirectoryAccount> {
  const { before, after } = await store.change(async () => {
    const row = await existing(store, id);
    const before = row.value;
    const address = change.address === undefined ? before.address : localAddress(change.address);
    const addresses = further(address, change.addresses ?? before.addresses);
    const after = checkedAccount({
      ...before,
      ...change,
      id,
      createdAt: before.createdAt,
      cell: before.cell,
      address,
      addresses,
    });
    const wanted = addressesOf(after);
    const had = addressesOf(before);
    const taken = await takeAddresses(
      store,
      id,
      wanted.filter((one) => !had.includes(one)),
    );
    const lost = had.filter((one) => !wanted.includes(one));
    const deletes = lost.map((one) => keys.address(one));
    if (before.address !== after.address) deletes.push(keys.login(before.address));
    if (before.administrator && !after.administrator) deletes.push(keys.administrator(id));
    const kept = lost.length === 0 ? [] : await keepPostmasters(store, lost);
    const limits = by?.withinLimits === true ? await changedWithinLimits(store, after, before) : [];
    const notes = endsSessions(after, before) ? await endedSessions(store, id) : noRows;
    const conditions = [...unchanged(row), ...taken.conditions, ...kept, ...limits, ...notes.conditions];
    const batch = { conditions, deletes, puts: [...accountPuts(after), ...taken.puts, ...notes.puts] };
    return { batch, result: { before, after } };
  });
  const tell = () =>
    tellHook(store.log, { what: 'changed', accountId: id }, () => hooks.onAccountChanged?.(after, before));
  if (endsSessions(after, before)) await ended.tell(id, tell);
  else await tell();
  return after;
}

/** Whether sessions that there may be could not begin now. */
export function endsSessions(after: DirectoryAccount, before: DirectoryAccount): boolean {
  const isLess = before.services.some((service) => !after.services.includes(service));
  // He may be acting for others.
  const isDemoted = before.administrator && !after.administrator;
  // What it began under is the other domain's, whose telling would pass it by.
  const isMoved = domainOf(before.address) !== domainOf(after.address);
  return !after.enabled || after.shared || isLess || isDemoted || isMoved;
}

const noRows = { conditions: [], puts: [] };

/** With what the account may be again a moment later: sessions of before that nobody told know it by this. */
async function endedSessions(store: DirectoryStore, id: AccountId) {
  const row = await store.row(keys.secret(id), decodeSecret);
  if (row.value === undefined) return noRows;
  const sessions = store.newVersion();
  const secret: SecretRow = { ...row.value, sessions };
  const puts = [put(row.key, 'secret', secret), endedSessionsNote(id, sessions)];
  return { conditions: unchanged(row), puts };
}

async function removeAccount({ store, hooks }: Parts, id: AccountId): Promise<void> {
  await store.change(async () => {
    const row = await existing(store, id);
    const { cell } = row.value;
    // Its storage is out of this node's reach, and nobody would know of it any more.
    if (cell !== store.cell) throw new MailError('unavailable', `the account is in another cell, ${cell}`);
    const deletes = [row.key, keys.secret(id), keys.administrator(id), keys.ending(id)];
    deletes.push(keys.login(row.value.address));
    for (const address of addressesOf(row.value)) deletes.push(keys.address(address));
    const kept = await keepPostmasters(store, addressesOf(row.value));
    const batch: Batch = {
      conditions: [...unchanged(row), ...kept],
      deleteRanges: [keys.lastUses(id)],
      deletes,
      puts: [put(keys.removed(id), 'address', { account: id })],
      // It makes room.
      fromReserve: true,
    };
    return { batch, result: undefined };
  });
  await finishRemoval(store, hooks, id);
}

/** Tells the hook of removals that it has not been told of with success, as after a crash. */
export async function finishRemovals(store: DirectoryStore, hooks: DirectoryHooks): Promise<void> {
  for await (const notes of accountNotes(store, keys.removals(), finishedAtOnceMax))
    for (const { id } of notes) await finishRemoval(store, hooks, id);
}

async function finishRemoval(store: DirectoryStore, hooks: DirectoryHooks, id: AccountId): Promise<void> {
  const isDone = await tellHook(store.log, { what: 'removed', accountId: id }, () =>
    hooks.onAccountRemoved?.(id),
  );
  if (isDone) await store.engine.commit({ deletes: [keys.removed(id)] });
}

async function existing(store: DirectoryStore, id: AccountId) {
  const row = await store.row(keys.account(id), decodeAccount);
  const { value } = row;
  if (value === undefined) throw new MailError('noSuchAccount', 'there is no such account');
  return { ...row, value };
}

/** Conditions and puts that give `addresses` to the account; refuses with conflict when one is taken. */
async function takeAddresses(
  store: DirectoryStore,
  account: AccountId,
  addresses: readonly string[],
): Promise<Required<Pick<Batch, 'puts'>> & { conditions: Condition[] }> {
  const conditions: Condition[] = [];
  const domains = new Set<string>();
  for (const address of addresses) {
    checkUsername(address);
    const row = await store.row(keys.address(address), decodeAddress);
    if (row.value !== undefined) throw new MailError('conflict', `${address} is taken already`);
    conditions.push(...unchanged(row));
    domains.add(domainOf(address));
  }
  for (const domain of domains) conditions.push(...unchanged(await hostingDomain(store, domain)));
  const puts = addresses.map((address) => put(keys.address(address), 'address', { account }));
  return { conditions, puts: [...puts, ...[...domains].map((domain) => touchMembers(store, domain))] };
}

function accountPuts(account: DirectoryAccount) {
  const reference = { account: account.id };
  const puts = [
    put(keys.account(account.id), 'directoryAccount', account),
    put(keys.login(account.address), 'address', reference),
  ];
  if (account.administrator) puts.push(put(keys.administrator(account.id), 'address', reference));
  return puts;
}

function addressesOf(account: DirectoryAccount): string[] {
  return [account.address, ...account.addresses];
}

export function localAddress(text: string): string {
  const address: Address | undefined = parseAddress(text);
  if (address === undefined) throw new MailError('invalidArgument', `${text} is no mail address`);
  return canonicalAddress(address);
}

/** Names that were taken before are left alone; a new one must not look like another (RFC 8265 3.3). */
export function checkUsername(canonical: string): void {
  if (isUsername(parseAddress(canonical)?.localPart ?? '')) return;
  const message = `${canonical} holds characters that are not for names: other than letters, digits and printable ASCII`;
  throw new MailError('invalidArgument', message);
}

/** The further addresses: canonical, each once, without the first one. */
function further(address: string, addresses: readonly string[]): string[] {
  const canonical = new Set(addresses.map((one) => localAddress(one)));
  canonical.delete(address);
  return [...canonical];
}

function checkedAccount(account: DirectoryAccount): DirectoryAccount {
  const refuse = (message: string): never => {
    throw new MailError('invalidArgument', message);
  };
  if (account.addresses.length > addressesPerAccountMax) {
    refuse(`an account has at most ${addressesPerAccountMax} further addresses`);
  }
  if (account.fullName.length > nameCharactersMax)
    refuse(`a full name has at most ${nameCharactersMax} characters`);
  if (/[\p{Cc}]/u.test(account.fullName)) refuse('a full name has no control characters');
  const groups = [...new Set(account.groups.map((name) => name.normalize('NFKC')))];
  if (groups.length > groupsPerAccountMax) refuse(`an account is in at most ${groupsPerAccountMax} groups`);
  for (const name of groups) {
    if (name === '' || name.length > groupCharactersMax || /[\p{Cc}\s]/u.test(name))
      refuse(`a group's name has 1 to ${groupCharactersMax} characters, none of them a space`);
  }
  for (const service of account.services) if (!services.includes(service)) refuse(`${service} is no service`);
  for (const quota of [account.quotaBytes, account.quotaMessages]) {
    if (quota !== undefined && !(Number.isSafeInteger(quota) && quota >= 0))
      refuse('a quota is a whole number');
  }
  return { ...account, groups };
}
