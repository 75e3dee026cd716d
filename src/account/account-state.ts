// An open account as it is committed, and how it is read from the engine. Everything a decision needs is here or
// is loaded into it; mutations work on a draft over it (draft.ts) and change it only after their commit.
// Invariant: mirrors the engine. When that is in doubt (a commit of unknown outcome) it is thrown away and read again.
// Fails with MailError noSuchAccount, RecordDamaged, or the engine's Fault.

import type { Clock } from '../base/clock.ts';
import { Slicer } from '../base/slicer.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { AclEntry } from '../mail/rights.ts';
import type { Entry, Page, PageLimits, Reader } from '../storage/engine.ts';
import { decodeTuple } from '../storage/tuple.ts';
import { type AccountLimits, pageBytesMax, pageRowsMax } from './account-limits.ts';
import type { MailboxTarget } from './port.ts';
import type { FreshPlaces } from './reading/fresh-summaries.ts';
import { AccountKeys, type KeyRange, numberBehind } from './records/account-keys.ts';
import {
  type AccountRecord,
  decodeAccount,
  decodeMailbox,
  type MailboxRecord,
} from './records/account-record.ts';
import { decodeAcl } from './records/acl-record.ts';
import { decodeOperation } from './records/operation-record.ts';
import { MailboxState } from './table/mailbox-state.ts';
import { OperationSlots } from './writing/operation-slots.ts';

/** The estimate of an account without mailboxes and operations, for the memory limit. */
const accountBytes = 4_000;
const operationBytes = 150;
/** Of one list: a few entries. */
const aclBytes = 400;

export class AccountState {
  readonly accountId: AccountId;
  readonly keys: AccountKeys;
  account: AccountRecord;
  readonly mailboxes = new Map<number, MailboxState>();
  readonly mailboxIdByName = new Map<string, number>();
  readonly subscriptions = new Set<string>();
  /** By mailbox; those without entries are not there. */
  readonly acls = new Map<number, readonly AclEntry[]>();
  /** Where summaries of messages that came just now are kept (fresh-summaries.ts). */
  readonly freshSummaries: FreshPlaces = new Map();
  /** Applied operations, for retries. */
  readonly operationSlots = new OperationSlots();
  /** Sum of the mailboxes' columns; kept by those who load and change them. */
  tableBytes = 0;

  constructor(accountId: AccountId, account: AccountRecord) {
    this.accountId = accountId;
    this.keys = new AccountKeys(accountId);
    this.account = account;
  }

  get bytes(): number {
    return (
      accountBytes +
      this.mailboxes.size * 600 +
      this.acls.size * aclBytes +
      this.operationSlots.size * operationBytes +
      this.tableBytes
    );
  }

  /** The mailbox with this id, unless it is gone. */
  mailbox(id: number): MailboxState | undefined {
    const mailbox = this.mailboxes.get(id);
    return mailbox === undefined || mailbox.record.gone ? undefined : mailbox;
  }

  /** The mailbox of a target whose name is normalised. */
  find(target: MailboxTarget): MailboxState | undefined {
    if ('id' in target) return this.mailbox(target.id);
    if ('name' in target) {
      const id = this.mailboxIdByName.get(target.name);
      return id === undefined ? undefined : this.mailbox(id);
    }
    for (const mailbox of this.mailboxes.values()) {
      if (mailbox.record.role === target.role && !mailbox.record.gone) return mailbox;
    }
    return undefined;
  }

  addMailbox(record: MailboxRecord, limits: AccountLimits): MailboxState {
    const mailbox = new MailboxState(record, limits.tombstonesInMemoryMax);
    this.mailboxes.set(record.id, mailbox);
    if (!record.gone) this.mailboxIdByName.set(record.name, record.id);
    return mailbox;
  }
}

/** What is read at a time of a range. */
export const rangePageLimits: PageLimits = { entriesMax: pageRowsMax, bytesMax: pageBytesMax };

/**
 * Calls back with every entry of a range, page by page, giving others their turn. `first`: what is there already of it, read
 * with `rangePageLimits`.
 */
export async function eachEntry(
  reader: Reader,
  range: KeyRange,
  clock: Clock,
  visit: (entry: Entry) => void,
  first?: Page,
): Promise<void> {
  const slicer = new Slicer(clock);
  let page = first;
  let start = range.start;
  for (;;) {
    // Before the first page too: a caller may ask for thousands of short ranges, one after the other.
    if (slicer.due()) await slicer.rest();
    page ??= await reader.page({ start, end: range.end }, rangePageLimits);
    for (const entry of page.entries) visit(entry);
    if (page.next === undefined) return;
    start = page.next;
    page = undefined;
  }
}

export interface LoadOptions {
  readonly engine: Reader;
  readonly clock: Clock;
  readonly limits: AccountLimits;
}

/** Reads everything of an account but its messages. Refuses with noSuchAccount. */
export async function loadAccount(accountId: AccountId, options: LoadOptions): Promise<AccountState> {
  const { engine, clock, limits } = options;
  const keys = new AccountKeys(accountId);
  const value = await engine.get(keys.account);
  const account = value === undefined ? undefined : decodeAccount(value);
  if (account === undefined || account.removed)
    throw new MailError('noSuchAccount', `no account ${accountId}`);
  const state = new AccountState(accountId, account);
  await eachEntry(engine, keys.rows('b'), clock, (entry) => {
    state.addMailbox(decodeMailbox(entry.value), limits);
  });
  const subscriptions = keys.rows('s');
  await eachEntry(engine, subscriptions, clock, (entry) => {
    state.subscriptions.add(decodeTuple(entry.key.subarray(subscriptions.prefixLength))[0] as string);
  });
  const acls = keys.rows('l');
  await eachEntry(engine, acls, clock, (entry) => {
    state.acls.set(numberBehind(entry.key, acls.prefixLength), decodeAcl(entry.value));
  });
  const operations = keys.rows('o');
  const remembered: { operationId: string; slot: number; number: number }[] = [];
  await eachEntry(engine, operations, clock, (entry) => {
    const slot = numberBehind(entry.key, operations.prefixLength);
    const { operationId, number = slot } = decodeOperation(entry.value);
    remembered.push({ operationId, slot, number });
  });
  const next = state.operationSlots.load(remembered, clock.monotonic());
  // More than that were recorded before the record of the account was rebuilt.
  state.account.operations = Math.max(state.account.operations, next);
  return state;
}
