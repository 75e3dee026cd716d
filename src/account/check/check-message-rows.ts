// First pass: the message rows of every mailbox. Each must check, be below uidNext, and belong to an email that names it.
// An email record that is lost is made again when its content is there; a row without any email is set aside.

import { hash } from 'node:crypto';
import type { Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { decodeTuple } from '../../storage/tuple.ts';
import { eachEntry } from '../account-state.ts';
import {
  decodeContent,
  decodeEmail,
  decodeSummaryRecord,
  type EmailRecord,
  encodeEmail,
} from '../email-record.ts';
import { decodeMessageRow, type MessageRow } from '../message-row.ts';
import type { CheckContext, Repair } from './check-context.ts';
import { lostMailbox } from './rebuild-account.ts';

export async function checkMessageRows(context: CheckContext): Promise<void> {
  if (context.repair) await restoreMailboxes(context);
  await context.eachPage(context.keys.rows('m'), async (repair, entries) => {
    const rows: { mailboxId: number; row: MessageRow }[] = [];
    for (const entry of entries) {
      const [, , , mailboxId, uid] = decodeTuple(entry.key) as number[];
      const row = unlessDamaged(() => decodeMessageRow(uid!, entry.value));
      const mailbox = repair.draft.goneMailbox(mailboxId!);
      // Leftovers of a copy that was cut off go by themselves (staged-copy.ts).
      if (mailbox !== undefined && uid! >= mailbox.record.uidNext) continue;
      if (row !== undefined && mailbox !== undefined) rows.push({ mailboxId: mailboxId!, row });
      else {
        context.found(
          `message ${uid} of mailbox ${mailboxId} is ${row ? 'of no mailbox' : 'damaged'}`,
          'setAside',
        );
        setRowAside(repair, entry, { mailboxId: mailboxId!, uid: uid!, emailId: row?.emailId ?? 0 });
      }
    }
    await checkEmailsOf(context, repair, rows, entries);
  });
}

/** Mailboxes that have messages but no record come back empty; the last pass counts them. */
async function restoreMailboxes(context: CheckContext): Promise<void> {
  const { engine, keys } = context;
  await context.alone(async (repair) => {
    const rows = keys.rows('m');
    let start = rows.start;
    for (;;) {
      const page = await engine.page({ start, end: rows.end }, { entriesMax: 1, bytesMax: 1 });
      if (page.entries.length === 0) return;
      const mailboxId = decodeTuple(page.entries[0]!.key)[3] as number;
      start = keys.messages(mailboxId).end;
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

async function uidBehindAll({ engine, keys, clock }: CheckContext, mailboxId: number): Promise<number> {
  const last = await engine.page(
    { ...keys.messages(mailboxId), reverse: true },
    { entriesMax: 1, bytesMax: 1 },
  );
  let uid = last.entries[0] === undefined ? 0 : (decodeTuple(last.entries[0].key)[4] as number);
  await eachEntry(engine, keys.tombstones(mailboxId), clock, ({ key }) => {
    uid = Math.max(uid, decodeTuple(key)[5] as number);
  });
  return uid + 1;
}

function setRowAside(
  repair: Repair,
  entry: Entry,
  { mailboxId, uid, emailId }: { mailboxId: number; uid: number; emailId: number },
): void {
  repair.setAside(entry);
  repair.vanish(mailboxId, uid, emailId);
}

async function checkEmailsOf(
  context: CheckContext,
  repair: Repair,
  rows: readonly { mailboxId: number; row: MessageRow }[],
  entries: readonly Entry[],
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
      const entry = entries.find(({ key }) => Buffer.compare(key, keys.message(mailboxId, uid)) === 0)!;
      setRowAside(repair, entry, { mailboxId, uid, emailId });
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
  };
  const bytes = content === undefined ? undefined : unlessDamaged(() => decodeContent(content));
  if (bytes !== undefined) {
    return { ...rescued, size: bytes.length, digest: hash('sha256', bytes, 'buffer'), inline: true };
  }
  const digest = await context.blobHeldBy(emailId);
  if (digest === undefined || (await blobs.verify(digest)) !== 'sound') return undefined;
  return { ...rescued, size: row.size, digest, inline: false };
}
