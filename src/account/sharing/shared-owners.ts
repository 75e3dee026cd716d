// Whose mailboxes somebody may use: what the rows of sharedWith (acl-record.ts) say, without loading those accounts.
// Invariant: bounded; owners that are gone or disabled are passed over. Fails with the engine's faults.

import type { AccountId } from '../../mail/ids.ts';
import type { Reader } from '../../storage/engine.ts';
import { pageBytesMax } from '../account-limits.ts';
import type { SharedOwner } from '../port.ts';
import { parseSharedWithKey, sharedWithRange } from '../records/acl-record.ts';
import { identifiersOf, type People } from './people.ts';

/** Every LIST of all mailboxes opens each of these accounts. */
const sharedOwnersMax = 500;

export async function sharedOwners(
  accountId: AccountId,
  { engine, people }: { readonly engine: Reader; readonly people: People },
): Promise<SharedOwner[]> {
  const limits = { entriesMax: sharedOwnersMax + 1, bytesMax: pageBytesMax };
  const identifiers = identifiersOf(await people.person(accountId));
  const pages = await Promise.all(
    identifiers.map((identifier) => engine.page(sharedWithRange(identifier), limits)),
  );
  const ids = new Set<AccountId>();
  for (const { entries } of pages) for (const { key } of entries) ids.add(parseSharedWithKey(key).ownerId);
  ids.delete(accountId);
  const owners: SharedOwner[] = [];
  for (const id of ids) {
    if (owners.length === sharedOwnersMax) break;
    const person = await people.person(id);
    if (person !== undefined) owners.push({ accountId: id, address: person.address, shared: person.shared });
  }
  return owners;
}
