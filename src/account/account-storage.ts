// Makes and removes an account's storage. Making is one commit; removing marks the account first, so that a crash in
// between leaves something that nobody can open and that remove (or store check) finishes.
// Fails with MailError conflict, unavailable (fenced), or the engine's faults.

import type { Clock } from '../base/clock.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { BlobStore } from '../storage/blobs/blob-store.ts';
import type { Batch, Bytes, Engine, Entry, Fence } from '../storage/engine.ts';
import { decodeRecord, unlessDamaged } from '../storage/record.ts';
import { decodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import { type AccountLimits, pageBytesMax, pageRowsMax } from './account-limits.ts';
import { AccountState, eachEntry } from './account-state.ts';
import { addMailbox } from './mutations/mailboxes.ts';
import type { MailboxRole } from './port.ts';
import { AccountKeys, type KeyRange, numberBehind } from './records/account-keys.ts';
import { type AccountRecord, decodeAccount, encodeAccount } from './records/account-record.ts';
import { decodeAcl, identifiersIn, sharedWithKey } from './records/acl-record.ts';
import { blobHolder, decodeEmail, type EmailRecord } from './records/email-record.ts';
import { Draft } from './writing/draft.ts';
import { draftBatch } from './writing/draft-batch.ts';

export interface NewAccountQuota {
  readonly bytesMax?: number | undefined;
  readonly messagesMax?: number | undefined;
}

export interface AccountStorageOptions {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly limits: AccountLimits;
  readonly fence: Fence | undefined;
}

/** What every account starts with (RFC 6154); all are subscribed, clients show only those. */
const firstMailboxes: readonly (readonly [name: string, role: MailboxRole])[] = [
  ['INBOX', 'inbox'],
  ['Drafts', 'drafts'],
  ['Sent', 'sent'],
  ['Junk', 'junk'],
  ['Trash', 'trash'],
  ['Archive', 'archive'],
];

async function commit(engine: Engine, batch: Batch): Promise<'committed' | 'conflict'> {
  const result = await engine.commit(batch);
  if (result.outcome === 'fenced') throw new MailError('unavailable', 'the account belongs to another node');
  return result.outcome;
}

function newAccountRecord(clock: Clock): AccountRecord {
  const createdAt = Math.floor(clock.now() / 1000);
  return {
    modSeq: 0,
    nextMailboxId: 1,
    nextEmailId: 1,
    uidValidity: createdAt - 1,
    bytesUsed: 0,
    messagesUsed: 0,
    bytesMax: undefined,
    messagesMax: undefined,
    operations: 0,
    createdAt,
    removed: false,
  };
}

/** Refuses with conflict when the account is there. */
export async function createAccount(
  accountId: AccountId,
  options: AccountStorageOptions & { readonly quota: NewAccountQuota },
): Promise<void> {
  const { engine, clock, fence, quota } = options;
  const account = {
    ...newAccountRecord(clock),
    bytesMax: quota.bytesMax,
    messagesMax: quota.messagesMax,
  };
  const draft = new Draft(new AccountState(accountId, account), options);
  for (const [name, role] of firstMailboxes) {
    addMailbox(draft, name, role);
    draft.subscriptions.set(name, true);
  }
  const batch = draftBatch(draft, fence);
  const conditions = [{ key: draft.state.keys.account, expected: undefined }];
  if ((await commit(engine, { ...batch, conditions })) === 'conflict') {
    throw new MailError('conflict', `there is an account ${accountId}`);
  }
}

/**
 * Removes everything of the account, in bounded commits, what store check set aside included. Also finishes a removal
 * that was cut off, and removes an account whose record is damaged.
 */
export async function removeAccount(accountId: AccountId, given: AccountStorageOptions): Promise<void> {
  const options = { ...given, accountId };
  const { engine, fence, clock } = options;
  const keys = new AccountKeys(accountId);
  const value = await engine.get(keys.account);
  if (value === undefined) throw new MailError('noSuchAccount', `no account ${accountId}`);
  const record = unlessDamaged(() => decodeAccount(value)) ?? newAccountRecord(clock);
  const removed = encodeAccount({ ...record, removed: true });
  await commit(engine, {
    ...fenceOf(fence),
    fromReserve: true,
    puts: [{ key: keys.account, value: removed }],
  });
  const emails = keys.rows('e');
  await removeRows(emails, options, ({ key, value }) => ({
    emailId: numberBehind(key, emails.prefixLength),
    email: unlessDamaged(() => decodeEmail(value)),
  }));
  await removeSharedWith(keys.rows('l'), options);
  for (const letter of ['m', 'p', 'x', 'y', 'c', 't', 'o', 's', 'b', 'i', 'n', 'l', 'w'] as const) {
    await removeRows(keys.rows(letter), options);
  }
  await removeRows(tuplePrefixRange(['quarantine', accountId]), options, (entry) =>
    emailSetAside(entry, emails),
  );
  await commit(engine, { ...fenceOf(fence), deletes: [keys.account] });
}

function fenceOf(fence: Fence | undefined): { fence?: Fence } {
  return fence === undefined ? {} : { fence };
}

interface HeldEmail {
  readonly emailId: number;
  /** Undefined when it is damaged: its blob, if any, stays linked; store check tells of it. */
  readonly email: EmailRecord | undefined;
}

/** The email of a quarantined row, which still holds its blob. */
function emailSetAside({ key, value }: Entry, emails: KeyRange): HeldEmail | undefined {
  const original = decodeTuple(key)[2];
  if (!(original instanceof Uint8Array)) return undefined;
  if (Buffer.compare(original.subarray(0, emails.prefixLength), emails.start) !== 0) return undefined;
  const email = unlessDamaged(() => decodeEmail(decodeRecord('quarantine', 1, value).payload));
  return { emailId: numberBehind(original, emails.prefixLength), email };
}

/** The rows by which others find the account; before the lists that say whose they are. */
async function removeSharedWith(
  acls: KeyRange,
  { engine, fence, clock, accountId }: AccountStorageOptions & { readonly accountId: AccountId },
): Promise<void> {
  const identifiers = new Set<string>();
  await eachEntry(engine, acls, clock, ({ value }) => {
    const acl = unlessDamaged(() => decodeAcl(value)) ?? [];
    for (const identifier of identifiersIn([acl])) identifiers.add(identifier);
  });
  const deletes = [...identifiers].map((identifier) => sharedWithKey(identifier, accountId));
  for (let start = 0; start < deletes.length; start += pageRowsMax)
    await commit(engine, { ...fenceOf(fence), deletes: deletes.slice(start, start + pageRowsMax) });
}

/** `emailOf`: the email a row is the record of; the link to its blob goes with the row. */
async function removeRows(
  range: { start: Bytes; end: Bytes },
  { engine, blobs, fence, clock, accountId }: AccountStorageOptions & { readonly accountId: AccountId },
  emailOf?: (entry: Entry) => HeldEmail | undefined,
): Promise<void> {
  for (;;) {
    const page = await engine.page(range, { entriesMax: pageRowsMax, bytesMax: pageBytesMax });
    if (page.entries.length === 0) return;
    const deletes: Bytes[] = [];
    const digests: Uint8Array[] = [];
    for (const entry of page.entries) {
      deletes.push(entry.key);
      const held = emailOf?.(entry);
      if (held?.email === undefined || held.email.inline) continue;
      digests.push(held.email.digest);
      deletes.push(...blobs.unlink(held.email.digest, blobHolder(accountId, held.emailId)));
    }
    await commit(engine, { ...fenceOf(fence), deletes });
    for (const digest of digests) blobs.dropped(digest);
    await clock.yieldTurn();
  }
}
