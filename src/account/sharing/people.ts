// Who users are, as far as an account host must know to say what one may do in another's account. The directory is of this
// rank too: whoever puts the program together gives it (compose.ts).
// Invariant: answers are those of the present: a group that was taken away counts no longer.

import type { AccountId } from '../../mail/ids.ts';
import { anyone, groupPrefix } from '../../mail/rights.ts';

export interface Person {
  /** The primary one. */
  readonly address: string;
  /** Further ones. */
  readonly addresses: readonly string[];
  readonly groups: readonly string[];
  /** Nobody's own: its mailboxes are everybody's that its lists let in. */
  readonly shared: boolean;
}

export interface People {
  /** Undefined: there is no such account, or it is disabled. */
  person(id: AccountId): Promise<Person | undefined>;
  /** All addresses of whoever has this one, enabled or not, the primary one first; undefined: nobody. */
  addressesOf(address: string): Promise<readonly string[] | undefined>;
}

/** Where nobody is known nobody is let in. */
export const noPeople: People = { person: async () => undefined, addressesOf: async () => undefined };

/**
 * What lists call somebody: each of the addresses, so that a new primary address takes nothing away; the groups; anyone.
 */
export function identifiersOf(person: Person | undefined): readonly string[] {
  if (person === undefined) return [];
  const groups = person.groups.map((name) => groupPrefix + name);
  return [person.address, ...person.addresses, ...groups, anyone];
}
