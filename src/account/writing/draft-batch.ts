// Turns a draft into the one batch that makes it durable, and, after that, into the committed state.
// Invariant: applyDraft runs only after the engine answered `committed`; both walk the same overlay, so memory and
// engine stay equal.

import { finishAtOnce } from '../../base/slicer.ts';
import type { Batch, Bytes, Condition, Entry, Fence } from '../../storage/engine.ts';
import { encodeRecord } from '../../storage/record.ts';
import { encodeAccount, encodeMailbox } from '../records/account-record.ts';
import { encodeAcl, identifiersIn, sharedWithKey, sharedWithRow } from '../records/acl-record.ts';
import { encodeEmail } from '../records/email-record.ts';
import { encodeOperation } from '../records/operation-record.ts';
import { encodeThreadRow } from '../records/thread-row.ts';
import { MessageTable } from '../table/message-table.ts';
import type { Draft, DraftEmail } from './draft.ts';
import type { DraftMailbox } from './draft-mailbox.ts';
import { applyRows, writeRows } from './draft-rows.ts';

interface MutableBatch {
  readonly puts: Entry[];
  readonly deletes: Bytes[];
  readonly deleteRanges: { start: Bytes; end: Bytes }[];
  readonly conditions: Condition[];
}

/** Subscriptions and tombstones say all in their keys. */
const tombstoneVersion = 1;
const subscriptionRecord = encodeRecord('subscription', 1, Buffer.alloc(0));

/** Mailboxes or emails written before others may have their turn: about a millisecond. */
const recordsPerStep = 512;
/** Of more, up to 10,000 a commit, a draft is worked off with rests. */
const recordsAtOnceMax = 2_048;

/** True: its batch is made in steps, and others have a turn before memory follows. */
export function isLarge({ mailboxes, emails }: Draft): boolean {
  return mailboxes.size + emails.size > recordsAtOnceMax;
}

/** The batch of a draft that changed something. */
export function draftBatch(draft: Draft, fence: Fence | undefined): Batch {
  return finishAtOnce(draftBatchSteps(draft, fence));
}

/** The same in steps, for a large one. */
export function* draftBatchSteps(draft: Draft, fence: Fence | undefined): Generator<undefined, Batch, void> {
  const { keys } = draft.state;
  const batch: MutableBatch = {
    puts: [...draft.puts],
    deletes: [...draft.deletes],
    deleteRanges: [...draft.deleteRanges],
    conditions: [],
  };
  batch.puts.push({ key: keys.account, value: encodeAccount(draft.account) });
  let written = 0;
  for (const mailbox of draft.mailboxes.values()) {
    if (isTouched(mailbox)) writeMailbox(draft, mailbox, batch);
    if (++written % recordsPerStep === 0) yield undefined;
  }
  for (const [emailId, email] of draft.emails) {
    writeEmail(draft, emailId, email, batch);
    if (++written % recordsPerStep === 0) yield undefined;
  }
  for (const hash of draft.threadsChanged) {
    const row = draft.threads.get(hash);
    if (row === undefined) batch.deletes.push(keys.thread(hash));
    else batch.puts.push({ key: keys.thread(hash), value: encodeThreadRow(row) });
  }
  for (const [name, subscribed] of draft.subscriptions) {
    if (subscribed) batch.puts.push({ key: keys.subscription(name), value: subscriptionRecord });
    else batch.deletes.push(keys.subscription(name));
  }
  if (draft.acls.size > 0) writeAcls(draft, batch);
  for (const { slot, number, record } of draft.operations.added)
    batch.puts.push({ key: keys.operation(slot), value: encodeOperation(record, number) });
  for (const slot of draft.operations.freed) batch.deletes.push(keys.operation(slot));
  for (const condition of draft.conditions) batch.conditions.push(condition);
  const fromReserve = !grows(draft);
  return fence === undefined ? { ...batch, fromReserve } : { ...batch, fromReserve, fence };
}

/** On a full disk everything goes on but new mail and copies: flags, moves and expunges are how room is made. */
function grows(draft: Draft): boolean {
  if (draft.needsRoom) return true;
  for (const email of draft.emails.values()) if (email.created !== undefined) return true;
  let added = 0;
  for (const { record, tombstones, uidNextBefore } of draft.mailboxes.values()) {
    added += record.uidNext - uidNextBefore - tombstones.length / 3;
  }
  return added > 0;
}

function isTouched({ changed, dropped, packed }: DraftMailbox): boolean {
  return changed || dropped || packed.length > 0;
}

function writeMailbox(draft: Draft, mailbox: DraftMailbox, batch: MutableBatch): void {
  const { keys } = draft.state;
  const { id } = mailbox;
  if (mailbox.dropped) {
    batch.deletes.push(keys.mailbox(id), keys.annotations(id));
    batch.deleteRanges.push(keys.messages(id), keys.messagePages(id), keys.tombstones(id));
    return;
  }
  if (mailbox.changed) {
    const { record } = mailbox;
    record.recentFrom = Math.max(record.recentFrom, draft.context.claimedTo?.(id) ?? 0);
    batch.puts.push({ key: keys.mailbox(id), value: encodeMailbox(record) });
  }
  writeRows(keys, mailbox, batch);
  const { tombstones } = mailbox;
  for (let index = 0; index < tombstones.length; index += 3) {
    const emailId = Buffer.allocUnsafe(8);
    emailId.writeDoubleBE(tombstones[index + 2]!, 0);
    batch.puts.push({
      key: keys.tombstone(id, tombstones[index]!, tombstones[index + 1]!),
      value: encodeRecord('tombstone', tombstoneVersion, emailId),
    });
  }
}

/** The lists, and the rows by which others find the account (acl-record.ts). */
function writeAcls(draft: Draft, batch: MutableBatch): void {
  const { keys, accountId, acls } = draft.state;
  for (const [mailboxId, entries] of draft.acls) {
    const key = keys.acl(mailboxId);
    if (entries.length === 0) batch.deletes.push(key);
    else batch.puts.push({ key, value: encodeAcl(entries) });
  }
  const before = identifiersIn(acls.values());
  const after = identifiersIn(new Map([...acls, ...draft.acls]).values());
  for (const identifier of after) {
    if (!before.has(identifier)) batch.puts.push(sharedWithRow(identifier, accountId));
  }
  for (const identifier of before) {
    if (!after.has(identifier)) batch.deletes.push(sharedWithKey(identifier, accountId));
  }
}

function writeEmail(draft: Draft, emailId: number, email: DraftEmail, batch: MutableBatch): void {
  const { keys } = draft.state;
  const { record, before, created } = email;
  if (record === before) return;
  if (record !== undefined) {
    batch.puts.push({ key: keys.email(emailId), value: encodeEmail(record) });
    if (created !== undefined) {
      for (const put of created.puts) batch.puts.push(put);
      for (const condition of created.conditions) batch.conditions.push(condition);
    }
    return;
  }
  if (before === undefined) return; // Came and went in this draft.
  batch.deletes.push(keys.email(emailId), keys.summary(emailId));
  if (before.sentOtherwise) batch.deletes.push(keys.sentSize(emailId));
  if (before.inline) batch.deletes.push(keys.content(emailId));
  else batch.deletes.push(...draft.context.blobs.unlink(before.digest, draft.blobHolder(emailId)));
}

/** Makes the committed draft the state in memory. */
export function applyDraft(draft: Draft): void {
  const { state } = draft;
  state.account = draft.account;
  for (const [name, id] of draft.names) {
    if (id === undefined) state.mailboxIdByName.delete(name);
    else state.mailboxIdByName.set(name, id);
  }
  for (const mailbox of draft.mailboxes.values()) if (isTouched(mailbox)) applyMailbox(draft, mailbox);
  for (const [name, subscribed] of draft.subscriptions) {
    if (subscribed) state.subscriptions.add(name);
    else state.subscriptions.delete(name);
  }
  for (const [mailboxId, entries] of draft.acls) {
    if (entries.length === 0) state.acls.delete(mailboxId);
    else state.acls.set(mailboxId, entries);
  }
  state.operationSlots.apply(draft.operations, draft.context.clock.monotonic());
  for (const email of draft.emails.values()) {
    if (email.record === undefined && email.before !== undefined && !email.before.inline) {
      draft.context.blobs.dropped(email.before.digest);
    }
  }
}

function applyMailbox(draft: Draft, mailbox: DraftMailbox): void {
  const { state, context } = draft;
  if (mailbox.dropped) {
    state.tableBytes -= mailbox.state?.table?.bytes ?? 0;
    state.mailboxes.delete(mailbox.id);
    return;
  }
  let committed = mailbox.state;
  if (committed === undefined) {
    committed = state.addMailbox(mailbox.record, context.limits);
    committed.table = new MessageTable(0);
  }
  committed.record = mailbox.record;
  committed.lastChangeModSeq = mailbox.lastChangeModSeq;
  const { tombstones } = mailbox;
  for (let index = 0; index < tombstones.length; index += 3) {
    committed.tombstones.push(tombstones[index]!, tombstones[index + 1]!);
  }
  if (committed.table === undefined) return;
  const bytesBefore = committed.table.bytes;
  applyRows(committed.table, mailbox);
  state.tableBytes += committed.table.bytes - bytesBefore;
}
