// Makes and removes an account's storage. Making is one commit; removing marks the account first, so that a crash in
// between leaves something that nobody can open and that remove (or store check) finishes.
// Fails with MailError conflict, unavailable (fenced), or the engine's faults.

import type { Clock } from '../base/clock.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { Batch, Bytes, Engine, Fence } from '../storage/engine.ts';
import { RecordDamaged } from '../storage/record.ts';
import { AccountKeys, numberBehind } from './account-keys.ts';
import { type AccountLimits, pageBytesMax, pageRowsMax } from './account-limits.ts';
import { type AccountRecord, decodeAccount, encodeAccount } from './account-record.ts';
import { AccountState } from './account-state.ts';
import { Draft } from './draft.ts';
import { draftBatch } from './draft-batch.ts';
import { blobHolder, decodeEmail } from './email-record.ts';
import { addMailbox } from './mutations/mailboxes.ts';
import type { MailboxRole } from './port.ts';

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

/** Refuses with conflict when the account is there. */
export async function createAccount(
  accountId: AccountId,
  options: AccountStorageOptions & { readonly quota: NewAccountQuota },
): Promise<void> {
  const { engine, clock, fence, quota } = options;
  const createdAt = Math.floor(clock.now() / 1000);
  const account: AccountRecord = {
    modSeq: 0,
    nextMailboxId: 1,
    nextEmailId: 1,
    uidValidity: createdAt - 1,
    bytesUsed: 0,
    messagesUsed: 0,
    bytesMax: quota.bytesMax,
    messagesMax: quota.messagesMax,
    operations: 0,
    createdAt,
    removed: false,
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

/** Removes everything of the account, in bounded commits. Also finishes a removal that was cut off. */
export async function removeAccount(accountId: AccountId, options: AccountStorageOptions): Promise<void> {
  const { engine, fence } = options;
  const keys = new AccountKeys(accountId);
  const value = await engine.get(keys.account);
  if (value === undefined) throw new MailError('noSuchAccount', `no account ${accountId}`);
  const removed = encodeAccount({ ...decodeAccount(value), removed: true });
  await commit(engine, { ...fenceOf(fence), puts: [{ key: keys.account, value: removed }] });
  await removeEmails(accountId, keys, options);
  for (const letter of ['m', 'x', 'y', 'c', 't', 'o', 's', 'b'] as const) {
    await removeRows(keys.rows(letter), options);
  }
  await commit(engine, { ...fenceOf(fence), deletes: [keys.account] });
}

function fenceOf(fence: Fence | undefined): { fence?: Fence } {
  return fence === undefined ? {} : { fence };
}

/** Email records first: they say which blobs are linked. */
async function removeEmails(
  accountId: AccountId,
  keys: AccountKeys,
  { engine, blobs, fence, clock }: AccountStorageOptions,
): Promise<void> {
  const range = keys.rows('e');
  for (;;) {
    const page = await engine.page(range, { entriesMax: pageRowsMax, bytesMax: pageBytesMax });
    if (page.entries.length === 0) return;
    const deletes: Bytes[] = [];
    const digests: Uint8Array[] = [];
    for (const { key, value } of page.entries) {
      deletes.push(key);
      try {
        const email = decodeEmail(value);
        if (email.inline) continue;
        digests.push(email.digest);
        deletes.push(
          ...blobs.unlink(email.digest, blobHolder(accountId, numberBehind(key, range.prefixLength))),
        );
      } catch (error) {
        // Its blob, if any, stays linked: store check finds it.
        if (!(error instanceof RecordDamaged)) throw error;
      }
    }
    await commit(engine, { ...fenceOf(fence), deletes });
    for (const digest of digests) blobs.dropped(digest);
    await clock.yieldTurn();
  }
}

async function removeRows(
  range: { start: Bytes; end: Bytes },
  { engine, fence, clock }: AccountStorageOptions,
): Promise<void> {
  for (;;) {
    const page = await engine.page(range, { entriesMax: pageRowsMax, bytesMax: pageBytesMax });
    if (page.entries.length === 0) return;
    await commit(engine, { ...fenceOf(fence), deletes: page.entries.map(({ key }) => key) });
    await clock.yieldTurn();
  }
}
