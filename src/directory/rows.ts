// How the internal directory lies in the engine: keys under ('directory', …) and values as checksummed JSON records.
//
//   domain, name                   the domain
//   members, name                  changes whenever something is added to the domain: its removal is conditional on it
//   address, domain, local part    who has the address: the one row that makes addresses unique
//   account, id                    the account
//   login, domain, local part      the account's id, in the order of listings
//   administrator, id              administrators, for postmaster
//   secret, id                     password hash, SCRAM verifier, app passwords
//   lastUsed, id, app password     when it was last used: apart, because it is written without haste
//   alias, domain, local part      the alias
//   removed, id                    the account is gone, its storage perhaps not yet
//   ending, id                     sessions of the account are to end, and perhaps nobody was told yet
//   endingDomain, name             the same of all accounts of the domain, and which of them were told
//   token, id                      an API token
//   store                          the secret invented SCRAM salts come from
//
// A damaged value is a Fault: the account is unusable until `store check` set it aside, the others go on.
// Invariant: a row that is read, changed and written keeps the fields that a newer version of Rookery has put into it, as long
// as the change is made by spreading what was read.

import type { AccountId } from '../mail/ids.ts';
import type { Bytes, Entry } from '../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord, RecordDamaged, type RecordKind } from '../storage/record.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import type { Alias, DirectoryAccount, Domain, Service } from './directory.ts';
import { cellDefault } from './settings.ts';

const root = 'directory';
const formatVersion = 1;

/** The topic told when anything in the directory changed. */
export const directoryTopic = 'directory';

export type AddressRow = { readonly account: AccountId } | { readonly alias: true };

export interface StoredAppPassword {
  readonly id: string;
  readonly name: string;
  readonly services: readonly Service[];
  readonly createdAt: number;
  /** SHA-256, base64: the password is ours and random, so nothing slower is needed. */
  readonly digest: string;
}

export interface SecretRow {
  /** Random; another one whenever a password of any kind changes. */
  readonly version: string;
  /** Random; another one when a password stopped being one, or the account may do less. '' until that happened. */
  readonly sessions: string;
  readonly passwordHash: string | undefined;
  readonly scram: string | undefined;
  readonly appPasswords: readonly StoredAppPassword[];
}

export interface DomainRow extends Domain {
  /** Random; another one when the domain is disabled. '' until that happened. */
  readonly sessions: string;
}

export interface EndingDomainRow {
  readonly name: string;
  /** The domain's. */
  readonly sessions: string;
  /** The login name up to which accounts were told; undefined: none yet. */
  readonly told: string | undefined;
}

export const keys = {
  domain: (name: string) => encodeTuple([root, 'domain', name]),
  domains: () => tuplePrefixRange([root, 'domain']),
  members: (name: string) => encodeTuple([root, 'members', name]),
  address: (address: string) => encodeTuple([root, 'address', ...parts(address)]),
  addresses: (domain: string) => tuplePrefixRange(inDomain('address', domain)),
  account: (id: AccountId) => encodeTuple([root, 'account', id]),
  accounts: () => tuplePrefixRange([root, 'account']),
  login: (address: string) => encodeTuple([root, 'login', ...parts(address)]),
  logins: (domain: string | undefined) => tuplePrefixRange(inDomain('login', domain)),
  administrator: (id: AccountId) => encodeTuple([root, 'administrator', id]),
  administrators: () => tuplePrefixRange([root, 'administrator']),
  secret: (id: AccountId) => encodeTuple([root, 'secret', id]),
  lastUsed: (id: AccountId, appPasswordId: string) => encodeTuple([root, 'lastUsed', id, appPasswordId]),
  lastUses: (id: AccountId) => tuplePrefixRange([root, 'lastUsed', id]),
  alias: (address: string) => encodeTuple([root, 'alias', ...parts(address)]),
  aliases: (domain: string | undefined) => tuplePrefixRange(inDomain('alias', domain)),
  removed: (id: AccountId) => encodeTuple([root, 'removed', id]),
  removals: () => tuplePrefixRange([root, 'removed']),
  ending: (id: AccountId) => encodeTuple([root, 'ending', id]),
  endings: () => tuplePrefixRange([root, 'ending']),
  endingDomain: (name: string) => encodeTuple([root, 'endingDomain', name]),
  endingDomains: () => tuplePrefixRange([root, 'endingDomain']),
  token: (id: string) => encodeTuple([root, 'token', id]),
  tokens: () => tuplePrefixRange([root, 'token']),
  store: () => encodeTuple([root, 'store']),
} as const;

/** The address a key of address, login or alias ends with. */
export function addressOfKey(key: Bytes): string {
  const [, , domain, localPart] = decodeTuple(key);
  return `${localPart}@${domain}`;
}

function inDomain(table: string, domain: string | undefined): string[] {
  return domain === undefined ? [root, table] : [root, table, domain];
}

/** Of a canonical address. */
export function domainOf(address: string): string {
  return parts(address)[0];
}

/** Domain first, so that a domain's rows lie together. */
function parts(address: string): [domain: string, localPart: string] {
  const at = address.lastIndexOf('@');
  return [address.slice(at + 1), address.slice(0, at)];
}

/** Of a row as it was read: the fields that this version does not know. Spreading takes a symbol along, JSON leaves it out. */
const unknownFields = Symbol('unknown fields');

interface WithUnknownFields {
  readonly [unknownFields]?: object;
}

export function encodeRow(kind: RecordKind, value: object): Buffer {
  return encodeJsonRecord(kind, formatVersion, { ...(value as WithUnknownFields)[unknownFields], ...value });
}

/** `value`: all fields of `row` that are known. */
function withUnknownFields<Value extends object>(row: object, value: Value): Value {
  const unknown = Object.entries(row).filter(([name]) => !Object.hasOwn(value, name));
  return unknown.length === 0 ? value : { ...value, [unknownFields]: Object.fromEntries(unknown) };
}

export function put(key: Bytes, kind: RecordKind, value: object): Entry {
  return { key, value: encodeRow(kind, value) };
}

/** The value of a row; the checksum held, so its shape is what encodeRow was given. */
export function decodeRow<Value>(kind: RecordKind, bytes: Uint8Array): Partial<Value> {
  const value = decodeJsonRecord<unknown>(kind, formatVersion, bytes);
  if (typeof value !== 'object' || value === null) throw new RecordDamaged(`${kind} record holds no object`);
  return value;
}

/** Decoders name every member, so that one left out by JSON (undefined) is there. */
export function decodeDomain(bytes: Bytes): DomainRow {
  const row = decodeRow<DomainRow>('domain', bytes);
  return withUnknownFields(row, {
    name: row.name ?? '',
    enabled: row.enabled ?? false,
    aliasOf: row.aliasOf,
    catchAll: row.catchAll,
    postmaster: row.postmaster,
    accountsMax: row.accountsMax,
    quotaBytesMax: row.quotaBytesMax,
    description: row.description ?? '',
    sessions: row.sessions ?? '',
  });
}

export function decodeEndingDomain(bytes: Bytes): EndingDomainRow {
  const row = decodeRow<EndingDomainRow>('domain', bytes);
  const { name = '', sessions = '', told } = row;
  return withUnknownFields(row, { name, sessions, told });
}

export function decodeAccount(bytes: Bytes): DirectoryAccount {
  const row = decodeRow<DirectoryAccount>('directoryAccount', bytes);
  if (row.id === undefined || row.address === undefined)
    throw new RecordDamaged('account record has no address');
  return withUnknownFields(row, {
    id: row.id,
    address: row.address,
    addresses: row.addresses ?? [],
    fullName: row.fullName ?? '',
    enabled: row.enabled ?? false,
    administrator: row.administrator ?? false,
    groups: row.groups ?? [],
    shared: row.shared ?? false,
    services: row.services ?? [],
    quotaBytes: row.quotaBytes,
    quotaMessages: row.quotaMessages,
    createdAt: row.createdAt ?? 0,
    cell: row.cell ?? cellDefault,
  });
}

export function decodeAlias(bytes: Bytes): Alias {
  const row = decodeRow<Alias>('alias', bytes);
  const { address = '', targets = [], enabled = false } = row;
  return withUnknownFields(row, { address, targets, enabled });
}

export function decodeSecret(bytes: Bytes): SecretRow {
  const row = decodeRow<SecretRow>('secret', bytes);
  const { version = '', sessions = '', passwordHash, scram, appPasswords = [] } = row;
  return withUnknownFields(row, { version, sessions, passwordHash, scram, appPasswords });
}

export function decodeAddress(bytes: Bytes): AddressRow {
  const row = decodeRow<{ account: AccountId }>('address', bytes);
  return row.account === undefined ? { alias: true } : { account: row.account };
}

export function decodeNumber(kind: RecordKind, bytes: Bytes): number {
  return decodeRow<{ value: number }>(kind, bytes).value ?? 0;
}

export function decodeText(kind: RecordKind, bytes: Bytes): string {
  return decodeRow<{ value: string }>(kind, bytes).value ?? '';
}
