// Before the message rows: the pages of rows of every mailbox (message-page.ts). What is in a page must belong to emails as
// rows must. A damaged page is set aside, and its messages are made again from the emails that say they are in it, with
// their uids: flags are lost, and dates, but for the day of the message's own date.

import type { Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { decodeTuple } from '../../storage/tuple.ts';
import { eachEntry } from '../account-state.ts';
import { soundSummary } from '../reading/message-reader.ts';
import { numberBehind } from '../records/account-keys.ts';
import { decodeEmail } from '../records/email-record.ts';
import { encodeMessageRow, type MessageRow } from '../records/message-row.ts';
import { summarySentDay } from '../summary.ts';
import { readMessageRows } from '../table/load-table.ts';
import { rowOf } from '../table/message-columns.ts';
import { firstUidOf, MessagePage, pageOf } from '../table/message-page.ts';
import type { CheckContext, Repair } from './check-context.ts';
import { checkEmailsOf, type StoredRow } from './check-message-rows.ts';

const daySeconds = 86_400;

export async function checkMessagePages(context: CheckContext): Promise<void> {
  const page = new MessagePage();
  const visit = async (repair: Repair, entries: readonly Entry[]): Promise<void> => {
    for (const entry of entries) {
      const [, , , mailboxId, number] = decodeTuple(entry.key) as [string, string, string, number, number];
      const mailbox = repair.draft.goneMailbox(mailboxId);
      if (mailbox === undefined) {
        context.found(`page ${number} of mailbox ${mailboxId} is of no mailbox`, 'setAside');
        repair.setAside(entry);
        continue;
      }
      // Leftovers of a copy that was cut off go by themselves (staged-copy.ts).
      if (firstUidOf(number) >= mailbox.record.uidNext) continue;
      if (!page.loadSound(number, entry.value)) {
        await makeAgain(context, repair, { entry, mailboxId, number });
        continue;
      }
      const rows: StoredRow[] = [];
      for (let at = 0; at < page.length; at++) rows.push({ mailboxId, row: rowOf(page, at) });
      await checkEmailsOf(context, repair, rows);
    }
  };
  // One at a time: it is of as many emails as other passes look at in several steps.
  await context.eachPage(context.keys.rows('p'), visit, 1);
}

async function makeAgain(
  context: CheckContext,
  repair: Repair,
  { entry, mailboxId, number }: { entry: Entry; mailboxId: number; number: number },
): Promise<void> {
  const { keys } = context;
  const lost = await lostMessages(context, mailboxId, number);
  context.found(
    `page ${number} of mailbox ${mailboxId} is damaged: its ${lost.length} messages lose their flags`,
    'setAside',
  );
  repair.setAside(entry);
  repair.edit((draft) => {
    const { modSeq } = draft.account;
    for (const row of lost)
      draft.puts.push({
        key: keys.message(mailboxId, row.uid),
        value: encodeMessageRow({ ...row, modSeq, saveDate: draft.nowSeconds }),
      });
    draft.goneMailbox(mailboxId)?.touch(modSeq);
  });
}

/** The messages of the page that have no row of their own, by what emails say. */
async function lostMessages(context: CheckContext, mailboxId: number, number: number): Promise<MessageRow[]> {
  const { keys, engine, clock } = context;
  const range = keys.rows('e');
  const found: { uid: number; emailId: number; size: number }[] = [];
  await eachEntry(engine, range, clock, ({ key, value }) => {
    const email = unlessDamaged(() => decodeEmail(value));
    if (email === undefined) return;
    const { memberships, size } = email;
    for (let at = 0; at < memberships.length; at += 2) {
      const uid = memberships[at + 1]!;
      if (memberships[at] !== mailboxId || pageOf(uid) !== number) continue;
      found.push({ uid, emailId: numberBehind(key, range.prefixLength), size });
    }
  });
  const known = await readMessageRows(
    engine,
    keys,
    found.map(({ uid }) => [mailboxId, uid]),
  );
  const lost = found
    .filter((_, index) => known[index] === undefined)
    .sort((one, other) => one.uid - other.uid);
  const summaries = await engine.getMany(lost.map(({ emailId }) => keys.summary(emailId)));
  const now = Math.floor(clock.now() / 1000);
  return lost.map((message, index) => {
    const record = soundSummary(summaries[index]);
    const day = record && summarySentDay(record.summary);
    const internalDate = day === undefined ? now : day * daySeconds;
    return { ...message, flagsLow: 0, flagsHigh: 0, modSeq: 0, internalDate, saveDate: now };
  });
}
