// Changes what one identifier may do with a mailbox (RFC 4314 3.1, 3.2). What the owner may do is no entry and stays.
// Refuses: noSuchMailbox, invalidArgument (an identifier that is none, or nobody's), permissionDenied (the owner's),
// limitReached.

import { canonicalAddress, parseAddress } from '../../mail/address.ts';
import { MailError } from '../../mail/mail-error.ts';
import {
  type AclEntry,
  allRights,
  anyone,
  changedRights,
  groupPrefix,
  owner,
  parseRights,
} from '../../mail/rights.ts';
import type { SetAclOptions } from '../port.ts';
import { aclEntriesMax, identifierBytesMax } from '../records/acl-record.ts';
import type { People } from '../sharing/people.ts';
import type { Draft } from '../writing/draft.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

/** `identifier`: as normalIdentifier gave it. */
export function setAclMutation(options: SetAclOptions): Mutation<undefined> {
  return {
    name: 'setAcl',
    operation: options.operation,
    bytes: aclEntriesMax * identifierBytesMax,
    decide: (draft) => decide(draft, options),
    result: () => [],
    replay: () => undefined,
  };
}

function decide(draft: Draft, { mailboxId, identifier, mode, rights }: SetAclOptions): undefined {
  const { id } = mailboxOf(draft, mailboxId);
  const given = parseRights(rights);
  if (given === undefined) throw new MailError('invalidArgument', `${rights} are no rights`);
  if (identifier === owner || identifier === `-${owner}`) {
    const stays = identifier === owner && changedRights(allRights, mode, given) === allRights;
    if (stays) return undefined;
    throw new MailError('permissionDenied', 'the owner has all rights, always');
  }
  const before = draft.acl(id);
  const had = before.find((entry) => entry.identifier === identifier)?.rights ?? '';
  const has = changedRights(had, mode, given);
  if (has === had) return undefined;
  const entry: AclEntry = { identifier, rights: has };
  const changed = before.map((each) => (each.identifier === identifier ? entry : each));
  const all = changed.includes(entry) ? changed : [...before, entry];
  // An entry without rights is none: what it would say is true without it.
  const after = all.filter(({ rights: held }) => held !== '');
  if (after.length > aclEntriesMax && after.length > before.length) {
    throw new MailError('limitReached', `a mailbox is shared with ${aclEntriesMax} at the most`);
  }
  draft.nextModSeq();
  draft.setAcl(id, after);
  draft.needsRoom ||= after.length > before.length;
  return undefined;
}

export interface IdentifierContext {
  readonly people: People;
  /** Of the owner: all of his addresses. */
  readonly owners: readonly string[];
  /** What there is: an entry under a further address goes on, and one of somebody who is gone may be taken away. */
  readonly acl: readonly AclEntry[];
}

/** An identifier as it stands in lists: addresses in the form their accounts have them; whoever owns it is `owner`. */
export async function normalIdentifier(
  given: string,
  { people, owners, acl }: IdentifierContext,
): Promise<string> {
  const sign = given.startsWith('-') ? '-' : '';
  // Of SASLprep (RFC 4314 section 3) what matters to addresses and names: one form of each letter.
  const name = given.slice(sign.length).normalize('NFKC');
  if (Buffer.byteLength(name) > identifierBytesMax) throw new MailError('invalidArgument', 'too long');
  if (name === anyone || name === owner) return sign + name;
  if (name.startsWith(groupPrefix) && name.length > groupPrefix.length) return sign + name;
  // RFC 4314 3.3 lets there be shorter forms: a name alone is one of the owner's domain.
  const domain = owners[0]?.slice(owners[0].lastIndexOf('@')) ?? '';
  const address = parseAddress(name.includes('@') ? name : `${name}${domain}`);
  if (address === undefined) throw new MailError('invalidArgument', `${name} is no address`);
  const canonical = canonicalAddress(address);
  if (owners.includes(canonical)) return sign + owner;
  const addresses = await people.addressesOf(canonical);
  const forms = [...(addresses ?? []), canonical].map((each) => sign + each);
  const known = forms.find((form) => acl.some(({ identifier }) => identifier === form));
  if (known !== undefined) return known;
  if (addresses === undefined) throw new MailError('invalidArgument', `${name} is nobody's address`);
  return forms[0]!;
}
