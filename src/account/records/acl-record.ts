// Who else may do what with a mailbox (RFC 4314): its entries in one row beside the mailbox's. And the rows that tell somebody
// whose accounts have such an entry for him: ('sharedWith', identifier, owner), beside no account's.
// Invariant: there is a row ('sharedWith', identifier, owner) exactly when a mailbox of the owner has an entry that gives
// the identifier something: both are written in one commit.
// Damage: decode throws RecordDamaged; the account does not open, store check sets the row aside (nobody but the owner is
// let in then), and makes the rows of sharedWith again.

import type { AccountId } from '../../mail/ids.ts';
import type { AclEntry } from '../../mail/rights.ts';
import type { Entry } from '../../storage/engine.ts';
import { decodeJsonRecord, encodeJsonRecord, encodeRecord } from '../../storage/record.ts';
import { decodeTuple, encodeTuple, tuplePrefixRange } from '../../storage/tuple.ts';

const version = 1;
const sharedWithPrefix = 'sharedWith';
const sharedWithRecord = encodeRecord('sharedWith', version, Buffer.alloc(0));

/** Of one mailbox: all are looked at for every call of somebody else. */
export const aclEntriesMax = 100;
/** An address has 320 octets at the most; the identifier is part of a key. */
export const identifierBytesMax = 400;

export function encodeAcl(entries: readonly AclEntry[]): Buffer {
  return encodeJsonRecord(
    'acl',
    version,
    entries.map(({ identifier, rights }) => [identifier, rights]),
  );
}

/** Throws RecordDamaged. */
export function decodeAcl(value: Uint8Array): AclEntry[] {
  const entries = decodeJsonRecord<[string, string][]>('acl', version, value);
  return entries.map(([identifier, rights]) => ({ identifier, rights }));
}

/** Whom the lists give something. */
export function identifiersIn(acls: Iterable<readonly AclEntry[]>): Set<string> {
  const identifiers = new Set<string>();
  for (const acl of acls) {
    for (const { identifier, rights } of acl)
      if (rights !== '' && !identifier.startsWith('-')) identifiers.add(identifier);
  }
  return identifiers;
}

export function sharedWithKey(identifier: string, ownerId: AccountId): Buffer {
  return encodeTuple([sharedWithPrefix, identifier, ownerId]);
}

export function sharedWithRow(identifier: string, ownerId: AccountId): Entry {
  return { key: sharedWithKey(identifier, ownerId), value: sharedWithRecord };
}

/** The rows of one identifier; of all when undefined. */
export function sharedWithRange(identifier: string | undefined) {
  return tuplePrefixRange(identifier === undefined ? [sharedWithPrefix] : [sharedWithPrefix, identifier]);
}

export function parseSharedWithKey(key: Uint8Array): { identifier: string; ownerId: AccountId } {
  const [, identifier, ownerId] = decodeTuple(key);
  return { identifier: identifier as string, ownerId: ownerId as AccountId };
}
