// A copy of more messages than one batch should hold, still all or nothing (RFC 9051 6.4.7): its rows are written in
// bounded commits first, under uids that the mailbox has not reached (uidNext), so that they count for nothing; the
// last commit moves uidNext over them. Meanwhile nothing else of this account is written.
//
// Invariant: while staged rows are in the engine and not part of the mailbox, the account record says so (`staged`), and
// they are removed before the next change is decided: after a crash, a fault, or a full disk.

import { Slicer } from '../base/slicer.ts';
import type { MailboxId, ModSeq } from '../mail/ids.ts';
import type { Entry } from '../storage/engine.ts';
import { unlessDamaged } from '../storage/record.ts';
import { successorOfPrefix } from '../storage/tuple.ts';
import { numberBehind } from './account-keys.ts';
import { pageBytesMax } from './account-limits.ts';
import { encodeAccount } from './account-record.ts';
import type { AccountState } from './account-state.ts';
import type { Draft, DraftContext } from './draft.ts';
import { decodeEmail, encodeEmail } from './email-record.ts';
import { FlagTranslation } from './keyword-table.ts';
import { decodeMessageRow, encodeMessageRow } from './message-row.ts';
import type { CopyWork } from './mutations/copy.ts';
import type { Copied } from './port.ts';

/** The draft is this mutation's alone; both mailboxes' columns are loaded, everything that refuses was checked. */
export async function stagedCopy(draft: Draft, work: Omit<CopyWork, 'move'>): Promise<Copied> {
  const { source, target, rows, allowed } = work;
  const { keys } = draft.state;
  const { id, uidValidity } = target.record;
  const { messagesPerCommit } = draft.context.limits;
  const translation = new FlagTranslation(source.record.keywords, target.record.keywords, allowed);
  const sourceUids = new Uint32Array(rows.length);
  const targetUids = new Uint32Array(rows.length);
  const slicer = new Slicer(draft.context.clock);
  const marker: Entry = { key: keys.account, value: encodeAccount({ ...draft.state.account, staged: id }) };
  const modSeq = draft.nextModSeq();
  const saveDate = draft.nowSeconds;
  draft.staged = true;
  for (let start = 0; start < rows.length; start += messagesPerCommit) {
    const chunk = rows.slice(start, start + messagesPerCommit);
    const emailIds = [...new Set(chunk.map((row) => row.emailId))];
    await draft.loadEmails(emailIds);
    const puts: Entry[] = [marker];
    for (const [index, row] of chunk.entries()) {
      const flags = translation.translate(row.flagsLow, row.flagsHigh);
      const uid = target.record.uidNext;
      const copied = { ...row, uid, modSeq, saveDate, flagsLow: flags.low, flagsHigh: flags.high };
      target.add(copied);
      draft.addMembership(row.emailId, id, uid);
      puts.push({ key: keys.message(id, uid), value: encodeMessageRow(copied) });
      sourceUids[start + index] = row.uid;
      targetUids[start + index] = uid;
      if ((index & 255) === 255 && slicer.due()) await slicer.rest();
    }
    for (const emailId of emailIds) {
      const email = draft.email(emailId);
      if (email !== undefined) puts.push({ key: keys.email(emailId), value: encodeEmail(email) });
      // Written: the last commit need not.
      draft.emails.delete(emailId);
    }
    await draft.context.stage!({ puts });
    target.stagedBelow = target.record.uidNext;
  }
  target.record.keywords = translation.keywords;
  return { to: id as MailboxId, uidValidity, sourceUids, targetUids, modSeq: modSeq as ModSeq };
}

/** Takes away what a copy left that did not reach its last commit. Throws what `stage` throws; can be done again. */
export async function removeStaged(state: AccountState, context: DraftContext): Promise<void> {
  const { keys, account } = state;
  const { engine, limits } = context;
  const mailboxId = account.staged!;
  const uidNext = state.mailboxes.get(mailboxId)?.record.uidNext ?? 1;
  const { prefixLength } = keys.messages(mailboxId);
  const start = keys.message(mailboxId, uidNext);
  const range = { start, end: successorOfPrefix(start.subarray(0, prefixLength)) };
  for (;;) {
    const page = await engine.page(range, { entriesMax: limits.messagesPerCommit, bytesMax: pageBytesMax });
    if (page.entries.length === 0) break;
    const stagedOf = new Map<number, Set<number>>();
    for (const { key, value } of page.entries) {
      // A damaged leftover must not keep the account from being written: store check sees to the rest of it.
      const row = unlessDamaged(() => decodeMessageRow(numberBehind(key, prefixLength), value));
      if (row === undefined) continue;
      const { uid, emailId } = row;
      const uids = stagedOf.get(emailId) ?? new Set();
      stagedOf.set(emailId, uids.add(uid));
    }
    const puts = await withoutStaged(state, context, { mailboxId, stagedOf });
    await context.stage!({ fromReserve: true, puts, deletes: page.entries.map(({ key }) => key) });
  }
  const { staged: _staged, ...unstaged } = account;
  await context.stage!({ fromReserve: true, puts: [{ key: keys.account, value: encodeAccount(unstaged) }] });
  state.account = unstaged;
}

/** The email records without their staged memberships. Each has another one, where it was copied from. */
async function withoutStaged(
  state: AccountState,
  { engine }: DraftContext,
  { mailboxId, stagedOf }: { mailboxId: number; stagedOf: ReadonlyMap<number, ReadonlySet<number>> },
): Promise<Entry[]> {
  const emailIds = [...stagedOf.keys()];
  const values = await engine.getMany(emailIds.map((emailId) => state.keys.email(emailId)));
  const puts: Entry[] = [];
  for (const [index, emailId] of emailIds.entries()) {
    const value = values[index];
    if (value === undefined) continue;
    const email = unlessDamaged(() => decodeEmail(value));
    if (email === undefined) continue;
    const memberships: number[] = [];
    for (let at = 0; at < email.memberships.length; at += 2) {
      const uid = email.memberships[at + 1]!;
      if (email.memberships[at] === mailboxId && stagedOf.get(emailId)!.has(uid)) continue;
      memberships.push(email.memberships[at]!, uid);
    }
    puts.push({ key: state.keys.email(emailId), value: encodeEmail({ ...email, memberships }) });
  }
  return puts;
}
