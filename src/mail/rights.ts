// Rights on mailboxes (RFC 4314 section 2): the letters, the lists of who has which, and what they come to for somebody.
// Pure. Invariant: a Rights text holds each letter once, in the order of `allRights`, without the obsolete c and d.

/** What of `allRights` somebody has: `lrs`. */
export type Rights = string;

/**
 * l lookup, r read, s keep \Seen, w write other flags, i insert, p post, k create children, x delete and rename, t keep
 * \Deleted, e expunge, a administer.
 */
export const allRights: Rights = 'lrswipkxtea';

/** RFC 4314 2.1.1: the rights of RFC 2086 stand for several of ours; c has x, as where it let mailboxes be deleted. */
const obsolete = { c: 'kx', d: 'et' } as const;

export type AclChangeMode = 'add' | 'remove' | 'replace';

export type FlagRight = 's' | 't' | 'w';

export interface AclEntry {
  /** An address, `group=<name>`, `anyone` or `owner`; with `-` before it what it is refused (RFC 4314 section 2). */
  readonly identifier: string;
  readonly rights: Rights;
}

export const anyone = 'anyone';
export const owner = 'owner';
export const groupPrefix = 'group=';

/** The rights of a text of letters, also obsolete ones; undefined when one is no right. */
export function parseRights(text: string): Rights | undefined {
  const letters = text.replaceAll('c', obsolete.c).replaceAll('d', obsolete.d);
  for (const letter of letters) if (!allRights.includes(letter)) return undefined;
  return rightsOf((right) => letters.includes(right));
}

/** As clients are told: with c and d where a member of theirs is there (RFC 4314 2.1.1). */
export function formatRights(rights: Rights): string {
  let text = rights;
  for (const [letter, members] of Object.entries(obsolete)) {
    if ([...members].some((member) => rights.includes(member))) text += letter;
  }
  return text;
}

/** What an entry has after a change (RFC 4314 3.1). */
export function changedRights(before: Rights, mode: AclChangeMode, given: Rights): Rights {
  if (mode === 'replace') return given;
  if (mode === 'add') return rightsOf((right) => (before + given).includes(right));
  return rightsOf((right) => before.includes(right) && !given.includes(right));
}

/** What the list comes to for somebody who goes by these identifiers: what all give, less what any refuses. */
export function rightsIn(acl: readonly AclEntry[], identifiers: readonly string[]): Rights {
  let given = '';
  let refused = '';
  for (const { identifier, rights } of acl) {
    if (identifiers.includes(identifier)) given += rights;
    else if (identifier.startsWith('-') && identifiers.includes(identifier.slice(1))) refused += rights;
  }
  return rightsOf((right) => given.includes(right) && !refused.includes(right));
}

/** Whether annotations of a mailbox are for who has these rights (RFC 5464 3.3). */
export function mayAnnotate(rights: Rights): boolean {
  return rights.includes('l') && /[rswip]/.test(rights);
}

/** The right that changing a flag takes (RFC 4314 section 4). */
export function rightOfFlag(name: string): FlagRight {
  const flag = name.toLowerCase();
  if (flag === '\\seen') return 's';
  return flag === '\\deleted' ? 't' : 'w';
}

function rightsOf(holds: (right: string) => boolean): Rights {
  return [...allRights].filter(holds).join('');
}
