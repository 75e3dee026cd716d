// The directory's part of a store check: damaged rows are set aside, and made again where other rows tell what they said;
// rows that follow from accounts and aliases (who has an address, the order of listings, who is an administrator) are
// compared with them and set right.
//
// Invariants: without `repair` nothing is changed; a repair holds only if the row still is as it was looked at; mail that was
// accepted before the damage is accepted after it, and nobody may do more than before: what cannot be known is left out.
// A row that changed meanwhile is passed over: the next check looks at it again. Fails with the engine's faults.

import { Slicer } from '../base/slicer.ts';
import type { AccountId } from '../mail/ids.ts';
import type { Bytes, Entry } from '../storage/engine.ts';
import { encodeRecord, type RecordKind, unlessDamaged } from '../storage/record.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import type { DirectoryAccount } from './directory.ts';
import {
  addressOfKey,
  decodeAccount,
  decodeAddress,
  decodeAlias,
  decodeRow,
  directoryTopic,
  encodeRow,
  keys,
} from './rows.ts';
import type { DirectoryStore } from './store.ts';

export interface DirectoryFinding {
  readonly what: string;
  readonly action: 'repaired' | 'setAside' | 'reported';
}

const page = { entriesMax: 500, bytesMax: 1024 * 1024 };

interface Table {
  readonly kind: RecordKind;
  /** What a damaged row must have said; undefined: nobody knows, it is only set aside. `name` is behind the table's. */
  readonly remake?: (
    store: DirectoryStore,
    name: readonly string[],
    key: Bytes,
  ) => Promise<object | undefined>;
}

const tables: Readonly<Record<string, Table>> = {
  domain: { kind: 'domain', remake: remakeDomain },
  members: { kind: 'domain', remake: async (store) => ({ value: store.newVersion() }) },
  address: { kind: 'address' },
  account: { kind: 'directoryAccount', remake: remakeAccount },
  login: { kind: 'address' },
  administrator: { kind: 'address', remake: async (_store, [id]) => ({ account: id }) },
  // Nobody can log in until the account has a new password.
  secret: {
    kind: 'secret',
    remake: async (store) => ({ version: store.newVersion(), appPasswords: [] }),
  },
  lastUsed: { kind: 'secret' },
  alias: { kind: 'alias' },
  removed: { kind: 'address', remake: async (_store, [id]) => ({ account: id }) },
  ending: { kind: 'address', remake: async (_store, [id]) => ({ account: id }) },
  endingDomain: {
    kind: 'domain',
    remake: async (store, [name]) => ({ name, sessions: store.newVersion() }),
  },
  token: { kind: 'token' },
  store: { kind: 'store' },
};

/** The domain takes mail as before; its description and catch-all are lost, and whose other name it was. Sessions of before end. */
async function remakeDomain(store: DirectoryStore, [name]: readonly string[]): Promise<object> {
  return { name, enabled: true, description: '', sessions: store.newVersion() };
}

/** The account takes mail as before, by the addresses that lead to it; nobody logs in until an administrator says where. */
async function remakeAccount(store: DirectoryStore, [id]: readonly string[]): Promise<object | undefined> {
  const logins: string[] = [];
  const addresses: string[] = [];
  for await (const { key, value } of rows(store, 'login'))
    if (leadsTo(value, id)) logins.push(addressOfKey(key));
  for await (const { key, value } of rows(store, 'address'))
    if (leadsTo(value, id)) addresses.push(addressOfKey(key));
  const address = logins[0] ?? addresses[0];
  if (address === undefined) return undefined;
  const others = addresses.filter((one) => one !== address);
  const createdAt = Math.floor(store.clock.now() / 1000);
  return { id, address, addresses: others, enabled: true, services: [], createdAt, cell: store.cell };
}

function leadsTo(value: Bytes, id: string | undefined): boolean {
  const row = unlessDamaged(() => decodeAddress(value));
  return row !== undefined && 'account' in row && row.account === id;
}

export async function* checkDirectory(
  store: DirectoryStore,
  { repair }: { readonly repair: boolean },
): AsyncGenerator<DirectoryFinding> {
  for (const table of Object.keys(tables)) {
    for await (const entry of rows(store, table)) {
      const { kind, remake } = tables[table]!;
      if (unlessDamaged(() => decodeRow(kind, entry.value)) !== undefined) continue;
      const name = decodeTuple(entry.key).slice(2).map(String);
      const again = await remake?.(store, name, entry.key);
      const puts = again === undefined ? [] : [{ key: entry.key, value: encodeRow(kind, again) }];
      if (repair) await change(store, entry, { aside: true, puts });
      const action = !repair ? 'reported' : again === undefined ? 'setAside' : 'repaired';
      yield { what: `the directory's row ${[table, ...name].join(' ')} is damaged`, action };
    }
  }
  yield* checkDerived(store, repair);
}

/** Rows that say where accounts and aliases are found. */
async function* checkDerived(store: DirectoryStore, repair: boolean): AsyncGenerator<DirectoryFinding> {
  for await (const { value } of rows(store, 'account')) {
    const account = unlessDamaged(() => decodeAccount(value));
    if (account === undefined) continue;
    for (const key of keysOf(account)) {
      if (!(await isMissing(store, key, account.id))) continue;
      const put = { key, value: encodeRow('address', { account: account.id }) };
      if (repair) await change(store, { key, value: undefined }, { aside: false, puts: [put] });
      yield {
        what: `the directory's row ${nameOf(key)} of account ${account.id} is missing`,
        action: repair ? 'repaired' : 'reported',
      };
    }
  }
  for await (const { value } of rows(store, 'alias')) {
    const alias = unlessDamaged(() => decodeAlias(value));
    if (alias === undefined || (await store.engine.get(keys.address(alias.address))) !== undefined) continue;
    const put = { key: keys.address(alias.address), value: encodeRow('address', { alias: true }) };
    if (repair) await change(store, { key: put.key, value: undefined }, { aside: false, puts: [put] });
    yield {
      what: `the directory's row of alias ${alias.address} is missing`,
      action: repair ? 'repaired' : 'reported',
    };
  }
  yield* checkAddresses(store, repair);
}

/** An address that leads to nobody can be given to nobody else. */
async function* checkAddresses(store: DirectoryStore, repair: boolean): AsyncGenerator<DirectoryFinding> {
  for (const table of ['address', 'login', 'administrator']) {
    for await (const entry of rows(store, table)) {
      const row = unlessDamaged(() => decodeAddress(entry.value));
      if (row === undefined) continue;
      const owner = 'account' in row ? keys.account(row.account) : keys.alias(addressOfKey(entry.key));
      if ((await store.engine.get(owner)) !== undefined) continue;
      if (repair) await change(store, entry, { aside: false, puts: [] });
      yield {
        what: `the directory's row ${nameOf(entry.key)} leads to nobody`,
        action: repair ? 'repaired' : 'reported',
      };
    }
  }
}

function keysOf(account: DirectoryAccount): Bytes[] {
  const found = [account.address, ...account.addresses].map((address) => keys.address(address));
  found.push(keys.login(account.address));
  if (account.administrator) found.push(keys.administrator(account.id));
  return found;
}

/** Neither the account's nor, by a quarrel that people have to settle, another's. */
async function isMissing(store: DirectoryStore, key: Bytes, id: AccountId): Promise<boolean> {
  const value = await store.engine.get(key);
  if (value !== undefined) return false;
  // Looked at again: the account may have lost the address since its row was read.
  const row = await store.engine.get(keys.account(id));
  const account = row === undefined ? undefined : unlessDamaged(() => decodeAccount(row));
  return account !== undefined && keysOf(account).some((own) => Buffer.compare(own, key) === 0);
}

function nameOf(key: Bytes): string {
  return decodeTuple(key).slice(1).join(' ');
}

/** Takes a row's value away, if it still has it, and puts others. */
async function change(
  store: DirectoryStore,
  { key, value }: { readonly key: Bytes; readonly value: Bytes | undefined },
  { aside, puts }: { readonly aside: boolean; readonly puts: readonly Entry[] },
): Promise<void> {
  const quarantined =
    aside && value !== undefined
      ? [{ key: encodeTuple(['quarantine', '', key]), value: encodeRecord('quarantine', 1, value) }]
      : [];
  await store.engine.commit({
    conditions: [{ key, expected: value }],
    deletes: value === undefined ? [] : [key],
    puts: [...puts, ...quarantined],
    signals: [directoryTopic],
  });
}

async function* rows(store: DirectoryStore, table: string): AsyncGenerator<Entry> {
  const range = tuplePrefixRange(['directory', table]);
  const slicer = new Slicer(store.clock);
  for (let start: Bytes | undefined = range.start; start !== undefined; ) {
    const found = await store.engine.page({ start, end: range.end }, page);
    for (const entry of found.entries) {
      yield entry;
      if (slicer.due()) await slicer.rest();
    }
    start = found.next;
  }
}
