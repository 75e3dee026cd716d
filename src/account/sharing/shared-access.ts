// What the lists of an account's mailboxes let somebody do who is not the owner (RFC 4314 section 4), judged by the lists of one
// moment: shared-account.ts asks before every call.
// Invariant: of a mailbox that he may not look up (l) he learns nothing, not even that it is there: what he may not do with it
// is refused with noSuchMailbox, else with permissionDenied.

import { everyFlag, type FlagBits, flagDeleted, flagSeen } from '../../mail/flags.ts';
import type { ModSeq, OperationId, Uid } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { type Rights, rightOfFlag, rightsIn } from '../../mail/rights.ts';
import type { AccountState } from '../account-state.ts';
import { normalName, normalTarget, superiorsOf } from '../mailbox-name.ts';
import type { MailboxInfo, MailboxTarget } from '../port.ts';
import { mailboxInfo } from '../records/account-record.ts';
import type { MailboxState } from '../table/mailbox-state.ts';

/** The account as it is now, and what the actor is called in its lists. */
export interface Access {
  readonly state: AccountState;
  readonly identifiers: readonly string[];
}

interface Allowed {
  readonly mailbox: MailboxState;
  readonly rights: Rights;
}

export function rightsOn({ state, identifiers }: Access, mailbox: MailboxState): Rights {
  return rightsIn(state.acls.get(mailbox.record.id) ?? [], identifiers);
}

/** The mailbox, when the actor has all of `needs` on it. */
export function allowed(access: Access, target: MailboxTarget, needs: string): Allowed {
  const mailbox = access.state.find(normalTarget(target));
  if (mailbox === undefined) throw hidden();
  const rights = rightsOn(access, mailbox);
  for (const right of needs) if (!rights.includes(right)) throw refusal(rights);
  return { mailbox, rights };
}

/** RFC 4314 section 4: k on the nearest mailbox above. */
export function mayCreate(access: Access, name: string): void {
  const superiors = superiorsOf(normalName(name)).reverse();
  const nearest = superiors.map((superior) => access.state.find({ name: superior })).find((found) => found);
  // The same answer where there is none as where it is not for him to know.
  if (nearest === undefined || !rightsOn(access, nearest).includes('k')) throw denied();
}

/** Only where an applied operation, asked for again, cannot do anything more: it is one commit, whatever else is asked. */
export function isApplied({ state }: Access, operation: OperationId): boolean {
  return state.operationSlots.has(operation);
}

export function infoFor(mailbox: MailboxState, rights: Rights): MailboxInfo {
  const info = { ...mailboxInfo(mailbox.record), rights };
  if (rights.includes('r')) return info;
  const nothing = { messages: 0, unseen: 0, deleted: 0, bytes: 0, keywords: [] };
  return { ...info, ...nothing, uidNext: 1 as Uid, highestModSeq: 1 as ModSeq };
}

export function flagsWithin(flags: readonly string[], rights: Rights): readonly string[] {
  return flags.filter((name) => rights.includes(rightOfFlag(name)));
}

export function flagBitsWithin(rights: Rights): FlagBits {
  let { low, high } = everyFlag;
  if (!rights.includes('w')) {
    low = flagSeen | flagDeleted;
    high = 0;
  }
  if (!rights.includes('s')) low &= ~flagSeen;
  if (!rights.includes('t')) low &= ~flagDeleted;
  return { low: low >>> 0, high };
}

export function hasAny(rights: Rights, wanted: string): boolean {
  return [...wanted].some((right) => rights.includes(right));
}

export function refusal(rights: Rights): MailError {
  return rights.includes('l') ? denied() : hidden();
}

function hidden(): MailError {
  return new MailError('noSuchMailbox', 'no such mailbox');
}

export function denied(): MailError {
  return new MailError('permissionDenied', 'the owner has not given the right to');
}
