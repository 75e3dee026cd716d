// Third pass: rows that belong to emails which are not there, tombstones, and the counters of mailboxes and account, which
// are derived from the rows and are set right.

import { flagDeleted, flagSeen, systemFlagBits } from '../../mail/flags.ts';
import { decodeRecord, encodeRecord, unlessDamaged } from '../../storage/record.ts';
import { eachEntry } from '../account-state.ts';
import { numberBehind } from '../records/account-keys.ts';
import type { AccountRecord, MailboxRecord } from '../records/account-record.ts';
import { decodeAnnotations } from '../records/annotation-record.ts';
import { decodeEmail } from '../records/email-record.ts';
import { decodeThreadRow } from '../records/thread-row.ts';
import { readTable } from '../table/load-table.ts';
import type { CheckContext } from './check-context.ts';

export async function checkOrphans(context: CheckContext): Promise<void> {
  const { keys, engine } = context;
  for (const [letter, what] of [
    ['y', 'summary'],
    ['c', 'content'],
    ['w', 'size as it is sent'],
  ] as const) {
    const range = keys.rows(letter);
    await context.eachPage(range, async (repair, entries) => {
      const emailIds = entries.map(({ key }) => numberBehind(key, range.prefixLength));
      const emails = await engine.getMany(emailIds.map((emailId) => keys.email(emailId)));
      for (const [index, emailId] of emailIds.entries()) {
        if (emails[index] !== undefined) continue;
        context.found(`a ${what} of email ${emailId}, which is not there`, 'setAside');
        repair.setAside(entries[index]!);
      }
    });
  }
  await checkThreadRows(context);
  await checkKeyOnlyRows(context);
}

async function checkThreadRows(context: CheckContext): Promise<void> {
  const { keys, engine } = context;
  const range = keys.rows('t');
  await context.eachPage(range, async (repair, entries) => {
    const rows = entries.map(({ value }) => unlessDamaged(() => decodeThreadRow(value)));
    const emails = await engine.getMany(rows.map((row) => keys.email(row?.emailId ?? 0)));
    for (const [index, { key }] of entries.entries()) {
      const value = emails[index];
      const email = value === undefined ? undefined : unlessDamaged(() => decodeEmail(value));
      if (email?.threadHashes.includes(numberBehind(key, range.prefixLength))) continue;
      // Derived data: nothing to keep of it.
      context.found('a thread row of an email that is not there', 'repaired');
      repair.delete(key);
    }
  });
}

/** Rows whose keys say what matters: a damaged value is written again. */
async function checkKeyOnlyRows(context: CheckContext): Promise<void> {
  await context.eachPage(context.keys.rows('s'), async (repair, entries) => {
    for (const { key, value } of entries) {
      if (unlessDamaged(() => decodeRecord('subscription', 1, value)) !== undefined) continue;
      context.found('a damaged subscription', 'repaired');
      repair.put(key, encodeRecord('subscription', 1, Buffer.alloc(0)));
    }
  });
  await context.eachPage(context.keys.rows('n'), async (repair, entries) => {
    for (const entry of entries) {
      if (unlessDamaged(() => decodeAnnotations(entry.value)) !== undefined) continue;
      context.found('damaged annotations', 'setAside');
      repair.setAside(entry);
    }
  });
  await context.eachPage(context.keys.rows('x'), async (repair, entries) => {
    for (const { key, value } of entries) {
      if (unlessDamaged(() => decodeRecord('tombstone', 1, value)) !== undefined) continue;
      context.found('a damaged tombstone', 'repaired');
      // The key says what sessions need; only the email id is lost.
      const emailId = Buffer.alloc(8);
      repair.put(key, encodeRecord('tombstone', 1, emailId));
    }
  });
}

type Counters = Pick<
  MailboxRecord,
  'messages' | 'unseen' | 'deleted' | 'bytes' | 'highestModSeq' | 'tombstones' | 'keywords'
>;

export async function checkCounters(context: CheckContext): Promise<number> {
  return context.alone(async (repair) => {
    const { draft } = repair;
    let messages = 0;
    let modSeq = draft.account.modSeq;
    for (const { record } of [...draft.state.mailboxes.values()]) {
      const counted = await countMailbox(context, record);
      messages += counted.messages;
      modSeq = Math.max(modSeq, counted.highestModSeq);
      const wrong = (Object.keys(counted) as (keyof Counters)[]).filter((name) => {
        if (name === 'keywords') return counted.keywords.length !== record.keywords.length;
        return counted[name] !== record[name];
      });
      if (wrong.length === 0) continue;
      context.found(`mailbox ${record.id} counted wrong: ${wrong.join(', ')}`, 'repaired');
      repair.edit(() => {
        const mailbox = draft.goneMailbox(record.id)!;
        Object.assign(mailbox.record, counted, {
          highestModSeq: Math.max(counted.highestModSeq, draft.account.modSeq),
        });
        mailbox.changed = true;
      });
    }
    const account = await countAccount(context, draft.account, modSeq);
    const wrong = (Object.keys(account) as (keyof typeof account)[]).filter(
      (name) => account[name] !== draft.account[name],
    );
    if (wrong.length > 0) {
      context.found(`the account counted wrong: ${wrong.join(', ')}`, 'repaired');
      repair.edit(() =>
        Object.assign(draft.account, { ...account, modSeq: Math.max(account.modSeq, draft.account.modSeq) }),
      );
    }
    return messages;
  });
}

/** What the record should say by its rows. Counters that only rise are never lowered. */
async function countMailbox(context: CheckContext, record: MailboxRecord): Promise<Counters> {
  const counted = { messages: 0, unseen: 0, deleted: 0, bytes: 0, tombstones: 0 };
  let { highestModSeq } = record;
  const { keys, engine, clock } = context;
  const place = { keys, mailboxId: record.id, uidEnd: record.uidNext };
  const table = await readTable(place, { engine, clock, messages: 0, passDamaged: true });
  const { flagsLow, flagsHigh, sizes, modSeqs } = table.columns;
  counted.messages = table.length;
  let [low, high] = [0, 0];
  for (let index = 0; index < table.length; index++) {
    counted.bytes += sizes[index]!;
    if ((flagsLow[index]! & flagSeen) === 0) counted.unseen++;
    if ((flagsLow[index]! & flagDeleted) !== 0) counted.deleted++;
    highestModSeq = Math.max(highestModSeq, modSeqs[index]!);
    low |= flagsLow[index]!;
    high |= flagsHigh?.[index] ?? 0;
  }
  const bits = high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(low);
  const tombstones = context.keys.tombstones(record.id);
  await eachEntry(context.engine, tombstones, context.clock, () => {
    counted.tombstones++;
  });
  const keywords = [...record.keywords];
  while (keywords.length + systemFlagBits < bits) keywords.push(`recovered-${keywords.length + 1}`);
  return { ...counted, highestModSeq, keywords };
}

async function countAccount(
  context: CheckContext,
  account: AccountRecord,
  modSeq: number,
): Promise<Pick<AccountRecord, 'bytesUsed' | 'messagesUsed' | 'nextEmailId' | 'modSeq'>> {
  let bytesUsed = 0;
  let messagesUsed = 0;
  let { nextEmailId } = account;
  const range = context.keys.rows('e');
  await eachEntry(context.engine, range, context.clock, ({ key, value }) => {
    const email = unlessDamaged(() => decodeEmail(value));
    if (email === undefined) return;
    bytesUsed += email.size;
    messagesUsed++;
    nextEmailId = Math.max(nextEmailId, numberBehind(key, range.prefixLength) + 1);
  });
  return { bytesUsed, messagesUsed, nextEmailId, modSeq };
}
