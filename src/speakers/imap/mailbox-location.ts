// Whose mailbox a name is: the one place where names of the other users' and shared namespaces (RFC 2342) become an account
// and a name in it. `Other Users/<address>/…` and `Shared/<address>/…`; every other name is the session's own.
// Invariant: what somebody did not share is not told from what is not there: noSuchMailbox. The account itself says what may
// be done with what it has (account/sharing/shared-account.ts). Otherwise fails as the account port does.

import { normalName } from '../../account/mailbox-name.ts';
import type { AccountPort, MailboxInfo, SharedOwner } from '../../account/port.ts';
import type { DirectoryAccount } from '../../directory/directory.ts';
import { isMailError, MailError, undefinedWhen } from '../../mail/mail-error.ts';
import { delimiter } from './mailbox-names.ts';
import { no, type Reply } from './reply.ts';
import { accountOf, type ImapSession } from './session.ts';

export const otherUsersNamespace = 'Other Users';
export const sharedNamespace = 'Shared';

/** Ports a session keeps; beyond that it opens accounts again. */
const othersMax = 64;

export interface MailboxLocation {
  readonly account: AccountPort;
  /** What stands before the account's names: '' for the session's own. */
  readonly prefix: string;
  /** In that account. */
  readonly name: string;
}

interface ForeignParts {
  /** What stands before the account's names, without the delimiter. */
  readonly top: string;
  /** In that account. */
  readonly name: string;
}

/** A mailbox of whichever account, under the name that the client knows it by. */
export interface PlacedMailbox extends MailboxInfo {
  readonly account: AccountPort;
}

/** Where a name leads, at once for the session's own; throws noSuchMailbox when it is the name of no mailbox that could be. */
export function locate(session: ImapSession, given: string): MailboxLocation | Promise<MailboxLocation> {
  const parts = foreignParts(given);
  if (parts === undefined) return { account: accountOf(session), prefix: '', name: given };
  return locateForeign(session, parts);
}

async function locateForeign(session: ImapSession, parts: ForeignParts): Promise<MailboxLocation> {
  const prefix = parts.top + delimiter;
  const account = parts.name === '' ? undefined : await accountUnder(session, parts.top);
  if (account === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  return { account, prefix, name: parts.name };
}

/** Undefined: there is none. */
export async function findPlaced(session: ImapSession, given: string): Promise<PlacedMailbox | undefined> {
  const location = await undefinedWhen('noSuchMailbox', Promise.resolve(locate(session, given)));
  if (location === undefined) return undefined;
  const info = await location.account.findMailbox({ name: location.name });
  return info && placedAt(location, info);
}

/** Throws noSuchMailbox. */
export async function placedMailbox(session: ImapSession, given: string): Promise<PlacedMailbox> {
  const mailbox = await findPlaced(session, given);
  if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  return mailbox;
}

/** Special uses of others' mailboxes are not this client's: it would put its own drafts there. */
export function placedAt(
  { account, prefix }: Pick<MailboxLocation, 'account' | 'prefix'>,
  info: MailboxInfo,
): PlacedMailbox {
  if (prefix === '') return { ...info, account };
  return { ...info, name: prefix + info.name, role: undefined, account };
}

/** What stands before the names of an owner's mailboxes. */
export function prefixOf({ address, shared }: Pick<SharedOwner, 'address' | 'shared'>): string {
  const namespace = shared ? sharedNamespace : otherUsersNamespace;
  // A local part may have the delimiter in it; a colon it has not, unless it is quoted.
  return `${namespace}${delimiter}${address.replaceAll(delimiter, ':')}${delimiter}`;
}

/** The account of an owner, as the session may use it; undefined: it is not there (now). */
export async function portOf(session: ImapSession, owner: SharedOwner): Promise<AccountPort | undefined> {
  const prefix = prefixOf(owner);
  const known = session.others?.get(prefix);
  if (known !== undefined) return known;
  try {
    const { accountId } = accountOf(session);
    const account = await session.environment.accounts.open(owner.accountId, accountId);
    session.others ??= new Map();
    if (session.others.size >= othersMax) session.others.clear();
    session.others.set(prefix, account);
    return account;
  } catch (error) {
    if (isMailError(error, 'noSuchAccount') || isMailError(error, 'accountDisabled')) return undefined;
    throw error;
  }
}

/** RFC 9051 6.3.12, 6.4.7: the client may create it and try again; among others' mailboxes that is seldom its to do. */
export function codeOfMissing(given: string): 'TRYCREATE' | 'NONEXISTENT' {
  return isOthersName(given) ? 'NONEXISTENT' : 'TRYCREATE';
}

/** The answer when messages have nowhere to go: a mere place in the hierarchy may be created, too. Throws other failures. */
export function noSuchTarget(error: unknown, given: string): Reply {
  if (!isMailError(error, 'noSuchMailbox') && !isMailError(error, 'mailboxNotSelectable')) throw error;
  return no('No such mailbox', codeOfMissing(given));
}

/** UIDs in a mailbox are told to those who may open it (RFC 4315 section 5). */
export async function tellsUids({ account, prefix, name }: MailboxLocation): Promise<boolean> {
  return prefix === '' || (await account.findMailbox({ name }))?.rights.includes('r') === true;
}

/** Of somebody else's mailbox, or of the place above his mailboxes. */
export function isOthersName(given: string): boolean {
  return foreignParts(given) !== undefined;
}

/** Whether there may be somebody else's mailboxes at or below a name. */
export function isInNamespaces(given: string): boolean {
  const [namespace] = given.split(delimiter);
  return namespace === otherUsersNamespace || namespace === sharedNamespace;
}

/** The name under which the mailbox is listed. */
export function canonicalName(given: string): string {
  const parts = foreignParts(given);
  if (parts === undefined) return normalName(given);
  return parts.name === '' ? parts.top : parts.top + delimiter + parts.name;
}

export function isSelected(session: ImapSession, account: AccountPort, mailboxId: number): boolean {
  const { view } = session;
  return view?.mailboxId === mailboxId && view.account.accountId === account.accountId;
}

/**
 * `Other Users/ann@example.org/INBOX`, taken apart. Personal mailboxes may have names that begin alike: without an address
 * on the second level they are nobody else's.
 */
function foreignParts(given: string): ForeignParts | undefined {
  if (!given.startsWith(otherUsersNamespace) && !given.startsWith(sharedNamespace)) return undefined;
  const [namespace, address, ...rest] = given.split(delimiter);
  if (namespace !== otherUsersNamespace && namespace !== sharedNamespace) return undefined;
  if (address === undefined || !address.includes('@')) return undefined;
  const top = `${namespace}${delimiter}${address.normalize('NFKC').toLowerCase()}`;
  return { top, name: normalName(rest.join(delimiter)) };
}

/** The account whose mailboxes are under this name; undefined: nobody's that the session may know of. */
export async function accountUnder(session: ImapSession, top: string): Promise<AccountPort | undefined> {
  const prefix = top + delimiter;
  const known = session.others?.get(prefix);
  if (known !== undefined) return known;
  const owners = await accountOf(session).accountsSharedWithMe();
  const owner = owners.find((each) => prefixOf(each) === prefix);
  return owner && portOf(session, owner);
}

/** The directory's account whose mailboxes would be under this name, for a session that may see all of them. */
export async function ownerUnder(
  top: string,
  find: (address: string) => Promise<DirectoryAccount | undefined>,
): Promise<DirectoryAccount | undefined> {
  const parts = foreignParts(top + delimiter);
  const place = parts?.top.slice(parts.top.indexOf(delimiter) + 1);
  if (place === undefined) return undefined;
  const owner = (await find(place)) ?? (await find(place.replaceAll(':', delimiter)));
  return owner && prefixOf(owner) === parts?.top + delimiter ? owner : undefined;
}
