// A copy of more messages than one batch should hold, still all or nothing (RFC 9051 6.4.7): its pages and rows are
// written in bounded commits first, under uids that the mailbox has not reached (uidNext), so that they count for nothing;
// the last commit moves uidNext over them. Meanwhile nothing else of this account is written.
//
// Invariant: while staged rows are in the engine and not part of the mailbox, the account record says so (`staged`), and
// they are removed before the next change is decided: after a crash, a fault, or a full disk.

import { Slicer } from '../../base/slicer.ts';
import type { MailboxId, ModSeq } from '../../mail/ids.ts';
import type { Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { pageBytesMax } from '../account-limits.ts';
import type { AccountState } from '../account-state.ts';
import type { CopyWork } from '../mutations/copy.ts';
import type { Copied } from '../port.ts';
import { type AccountKeys, type KeyRange, numberBehind } from '../records/account-keys.ts';
import { encodeAccount } from '../records/account-record.ts';
import { decodeEmail, encodeEmail } from '../records/email-record.ts';
import { decodeMessageRow, encodeMessageRow, type MessageRow } from '../records/message-row.ts';
import { FlagTranslation, KeywordPlaces } from '../table/keyword-table.ts';
import { rowOf } from '../table/message-columns.ts';
import {
  encodeMessagePage,
  firstPageFrom,
  inPage,
  inRow,
  MessagePage,
  pageOf,
  pageUids,
} from '../table/message-page.ts';
import type { Draft, DraftContext } from './draft.ts';
import type { DraftMailbox } from './draft-mailbox.ts';
import { isNewPage } from './draft-rows.ts';

/** The draft is this mutation's alone; both mailboxes' columns are loaded, everything that refuses was checked. */
export async function stagedCopy(draft: Draft, work: Omit<CopyWork, 'move'>): Promise<Copied> {
  const { source, target, messages, allowed } = work;
  const { keys } = draft.state;
  const { id, uidValidity } = target.record;
  const { messagesPerCommit } = draft.context.limits;
  const places = new KeywordPlaces(target.record.keywords, () => target.flagsInUse());
  const translation = new FlagTranslation(source.record.keywords, places, allowed);
  const sourceUids = messages.uids;
  const targetUids = new Uint32Array(sourceUids.length);
  const page = new MessagePage();
  const slicer = new Slicer(draft.context.clock);
  const marker: Entry = { key: keys.account, value: encodeAccount({ ...draft.state.account, staged: id }) };
  const modSeq = draft.nextModSeq();
  const saveDate = draft.nowSeconds;
  draft.staged = true;
  for (let start = 0; start < sourceUids.length; start += messagesPerCommit) {
    const end = Math.min(start + messagesPerCommit, sourceUids.length);
    const emailIds = [...new Set(messages.emailIds.subarray(start, end))];
    await draft.loadEmails(emailIds);
    const puts: Entry[] = [marker];
    for (let index = start; index < end; index++) {
      const row = rowOf(messages, index);
      const flags = translation.translate(row.flagsLow, row.flagsHigh);
      const uid = target.record.uidNext;
      const copied = { ...row, uid, modSeq, saveDate, flagsLow: flags.low, flagsHigh: flags.high };
      stageRow(keys, target, { row: copied, page, puts });
      draft.addMembership(row.emailId, id, uid);
      targetUids[index] = uid;
      if ((index & 255) === 255 && slicer.due()) await slicer.rest();
    }
    // The next commit writes it again, with more in it.
    putPage(keys, id, { page, puts });
    for (const emailId of emailIds) {
      const email = draft.email(emailId);
      if (email !== undefined) puts.push({ key: keys.email(emailId), value: encodeEmail(email) });
      // Written: the last commit need not.
      draft.emails.delete(emailId);
    }
    await draft.context.stage!({ puts });
  }
  target.record.keywords = places.keywords;
  return { to: id as MailboxId, uidValidity, sourceUids, targetUids, modSeq: modSeq as ModSeq };
}

interface Staging {
  readonly puts: Entry[];
  /** What is in the last page so far. */
  readonly page: MessagePage;
}

/** In a page, unless there are committed messages in it. */
function stageRow(
  keys: AccountKeys,
  target: DraftMailbox,
  { row, page, puts }: Staging & { readonly row: MessageRow },
): void {
  const number = pageOf(row.uid);
  if (!isNewPage(target, number)) {
    target.addStaged(row, inRow);
    puts.push({ key: keys.message(target.id, row.uid), value: encodeMessageRow(row) });
    return;
  }
  if (page.length > 0 && pageOf(page.uids[0]!) !== number) {
    putPage(keys, target.id, { page, puts });
    page.length = 0;
  }
  page.push(row);
  target.addStaged(row, inPage);
}

function putPage(keys: AccountKeys, mailboxId: number, { page, puts }: Staging): void {
  if (page.length === 0) return;
  puts.push({ key: keys.messagePage(mailboxId, pageOf(page.uids[0]!)), value: encodeMessagePage(page) });
}

/** Takes away what a copy left that did not reach its last commit. Throws what `stage` throws; can be done again. */
export async function removeStaged(state: AccountState, context: DraftContext): Promise<void> {
  const { keys, account } = state;
  const { messagesPerCommit } = context.limits;
  const mailboxId = account.staged!;
  const uidNext = state.mailboxes.get(mailboxId)?.record.uidNext ?? 1;
  const rows = keys.messages(mailboxId);
  const pages = keys.messagePages(mailboxId, firstPageFrom(uidNext));
  const whole = { state, context, mailboxId };
  const stagedRows = { ...rows, start: keys.message(mailboxId, uidNext) };
  await removeStagedRange(whole, { range: stagedRows, entriesMax: messagesPerCommit }, (entry) => {
    const row = decodeMessageRow(numberBehind(entry.key, rows.prefixLength), entry.value);
    return [row];
  });
  const page = new MessagePage();
  const entriesMax = Math.ceil(messagesPerCommit / pageUids);
  await removeStagedRange(whole, { range: pages, entriesMax }, (entry) => {
    page.load(numberBehind(entry.key, pages.prefixLength), entry.value);
    return Array.from({ length: page.length }, (_, at) => rowOf(page, at));
  });
  const { staged: _staged, ...unstaged } = account;
  await context.stage!({ fromReserve: true, puts: [{ key: keys.account, value: encodeAccount(unstaged) }] });
  state.account = unstaged;
}

interface StagedRemoval {
  readonly state: AccountState;
  readonly context: DraftContext;
  readonly mailboxId: number;
}

/** `decode`: the messages of an entry; throws RecordDamaged. */
async function removeStagedRange(
  { state, context, mailboxId }: StagedRemoval,
  { range, entriesMax }: { readonly range: KeyRange; readonly entriesMax: number },
  decode: (entry: Entry) => MessageRow[],
): Promise<void> {
  const { engine } = context;
  for (;;) {
    const { entries } = await engine.page(range, { entriesMax, bytesMax: pageBytesMax });
    if (entries.length === 0) return;
    const stagedOf = new Map<number, Set<number>>();
    for (const entry of entries) {
      // A damaged leftover must not keep the account from being written: store check sees to the rest of it.
      for (const { emailId, uid } of unlessDamaged(() => decode(entry)) ?? []) {
        const uids = stagedOf.get(emailId) ?? new Set();
        stagedOf.set(emailId, uids.add(uid));
      }
    }
    const puts = await withoutStaged(state, context, { mailboxId, stagedOf });
    await context.stage!({ fromReserve: true, puts, deletes: entries.map(({ key }) => key) });
  }
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
