// First passes: the messages of every mailbox. Each must check, be below uidNext, and belong to an email that names it.
// An email record that is lost is made again when its content is there; a row without any email is set aside.

import { hash } from 'node:crypto';
import type { Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { decodeTuple } from '../../storage/tuple.ts';
import { eachEntry } from '../account-state.ts';
import type { KeyRange } from '../records/account-keys.ts';
import {
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  type EmailRecord,
  encodeEmail,
} from '../records/email-record.ts';
import { decodeMessageRow, encodeMessageRow, type MessageRow } from '../records/message-row.ts';
import { readMessageRows } from '../table/load-table.ts';
import { pageUids } from '../table/message-page.ts';
import type { CheckContext, Repair } from './check-context.ts';
import { lostMailbox } from './rebuild-account.ts';

/** A message as its row or its entry in a page says it is. */
export interface StoredRow {
  readonly mailboxId: number;
  readonly row: MessageRow;
}

export async function checkMessageRows(context: CheckContext): Promise<void> {
  await context.eachPage(context.keys.rows('m'), async (repair, entries) => {
    const rows: StoredRow[] = [];
    for (const entry of entries) {
      const [, , , mailboxId, uid] = decodeTuple(entry.key) as number[];
      const row = unlessDamaged(() => decodeMessageRow(uid!, entry.value));
      const mailbox = repair.draft.goneMailbox(mailboxId!);
      // Leftovers of a copy that was cut off go by themselves (staged-copy.ts).
      if (mailbox !== undefined && uid! >= mailbox.record.uidNext) continue;
      if (row !== undefined && mailbox !== undefined) rows.push({ mailboxId: mailboxId!, row });
      else await setRowAside(context, repair, { entry, mailboxId: mailboxId!, uid: uid!, row });
    }
    await checkEmailsOf(context, repair, rows);
  });
}

interface UnsoundRow {
  readonly entry: Entry;
  readonly mailboxId: number;
  readonly uid: number;
  /** Undefined: it is damaged. */
  readonly row: MessageRow | undefined;
}

/** The message goes, unless its page has an entry of it: then it is as that says, which was true before. */
async function setRowAside(context: CheckContext, repair: Repair, unsound: UnsoundRow): Promise<void> {
  const { entry, mailboxId, uid, row } = unsound;
  const { engine, keys } = context;
  const [before] = row === undefined ? await readMessageRows(engine, keys, [[mailboxId, uid]]) : [];
  const what = row === undefined ? 'damaged' : 'of no mailbox';
  const then = before === undefined ? '' : ', and is as it was before its last change';
  context.found(`message ${uid} of mailbox ${mailboxId} is ${what}${then}`, 'setAside');
  repair.setAside(entry);
  if (before === undefined) repair.vanish(mailboxId, uid, row?.emailId ?? 0);
  else
    repair.edit((draft) => {
      const { modSeq } = draft.account;
      draft.puts.push({ key: entry.key, value: encodeMessageRow({ ...before, modSeq }) });
      draft.goneMailbox(mailboxId)?.touch(modSeq);
    });
}

/** Mailboxes that have messages but no record come back empty; the last pass counts them. */
export async function restoreMailboxes(context: CheckContext): Promise<void> {
  if (!context.repair) return;
  await context.alone(async (repair) => {
    const mailboxIds = new Set([
      ...(await mailboxesWith(context, 'm', (id) => context.keys.messages(id))),
      ...(await mailboxesWith(context, 'p', (id) => context.keys.messagePages(id))),
    ]);
    for (const mailboxId of mailboxIds) {
      if (repair.draft.goneMailbox(mailboxId) !== undefined) continue;
      const uidNext = await uidBehindAll(context, mailboxId);
      context.found(`mailbox ${mailboxId} has messages but no record`, 'repaired');
      repair.edit((draft) => {
        draft.newUidValidity();
        const record = lostMailbox(mailboxId, { isInbox: false, account: draft.account, uidNext });
        draft.addMailbox(record);
      });
    }
  });
}

/** Every mailbox that has rows of a kind, by skipping from one to the next. */
async function mailboxesWith(
  { engine, keys }: CheckContext,
  letter: 'm' | 'p',
  rangeOf: (mailboxId: number) => KeyRange,
): Promise<number[]> {
  const found: number[] = [];
  const { start: first, end } = keys.rows(letter);
  for (let start = first; ; ) {
    const page = await engine.page({ start, end }, { entriesMax: 1, bytesMax: 1 });
    if (page.entries.length === 0) return found;
    const mailboxId = decodeTuple(page.entries[0]!.key)[3] as number;
    found.push(mailboxId);
    start = rangeOf(mailboxId).end;
  }
}

async function uidBehindAll({ engine, keys, clock }: CheckContext, mailboxId: number): Promise<number> {
  const lastIn = async (range: KeyRange): Promise<number> => {
    const last = await engine.page({ ...range, reverse: true }, { entriesMax: 1, bytesMax: 1 });
    return last.entries[0] === undefined ? -1 : (decodeTuple(last.entries[0].key)[4] as number);
  };
  // The whole page: its last uids may be of messages that are gone.
  const lastOfPages = ((await lastIn(keys.messagePages(mailboxId))) + 1) * pageUids - 1;
  let uid = Math.max(0, await lastIn(keys.messages(mailboxId)), lastOfPages);
  await eachEntry(engine, keys.tombstones(mailboxId), clock, ({ key }) => {
    uid = Math.max(uid, decodeTuple(key)[5] as number);
  });
  return uid + 1;
}

/** What is of no email goes. */
export async function checkEmailsOf(
  context: CheckContext,
  repair: Repair,
  rows: readonly StoredRow[],
): Promise<void> {
  const { keys, engine } = context;
  const values = await engine.getMany(rows.map(({ row }) => keys.email(row.emailId)));
  const pending = new Map<number, EmailRecord>();
  for (const [index, { mailboxId, row }] of rows.entries()) {
    const { emailId, uid } = row;
    const value = values[index];
    const known =
      pending.get(emailId) ?? (value === undefined ? undefined : unlessDamaged(() => decodeEmail(value)));
    const email = known ?? (await rescueEmail(context, row));
    if (email === undefined) {
      context.found(`message ${uid} of mailbox ${mailboxId} has lost its email ${emailId}`, 'setAside');
      repair.setAside({ key: keys.message(mailboxId, uid), value: encodeMessageRow(row) });
      repair.vanish(mailboxId, uid, emailId);
      continue;
    }
    if (known === undefined) context.found(`the record of email ${emailId} was lost or damaged`, 'repaired');
    else if (hasMembership(email, mailboxId, uid)) continue;
    else context.found(`email ${emailId} did not know of message ${uid} of mailbox ${mailboxId}`, 'repaired');
    const repaired = hasMembership(email, mailboxId, uid)
      ? email
      : { ...email, memberships: [...email.memberships, mailboxId, uid] };
    pending.set(emailId, repaired);
  }
  for (const [emailId, email] of pending) repair.put(keys.email(emailId), encodeEmail(email));
}

export function hasMembership(email: EmailRecord, mailboxId: number, uid: number): boolean {
  const { memberships } = email;
  for (let at = 0; at < memberships.length; at += 2) {
    if (memberships[at] === mailboxId && memberships[at + 1] === uid) return true;
  }
  return false;
}

/** The email record made again from its content or its blob; thread rows come back by the pass over emails. */
async function rescueEmail(context: CheckContext, row: MessageRow): Promise<EmailRecord | undefined> {
  const { keys, engine, blobs } = context;
  const { emailId } = row;
  const [content, summary] = await engine.getMany([keys.content(emailId), keys.summary(emailId)]);
  const known = summary === undefined ? undefined : unlessDamaged(() => decodeSummaryRecord(summary));
  const rescued = {
    threadId: known?.threadId ?? emailId,
    createdModSeq: row.modSeq,
    threadHashes: [],
    memberships: [],
    // The pass over emails sees to it.
    sentOtherwise: false,
    isNulFree: false,
  };
  const bytes = content === undefined ? undefined : unlessDamaged(() => decodeContent(content).bytes);
  if (bytes !== undefined) {
    return { ...rescued, size: bytes.length, digest: hash('sha256', bytes, 'buffer'), inline: true };
  }
  const digest = await context.blobHeldBy(emailId);
  if (digest === undefined || (await blobs.verify(digest)) !== 'sound') return undefined;
  return { ...rescued, size: row.size, digest, inline: false };
}
