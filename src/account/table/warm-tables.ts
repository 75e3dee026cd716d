// Reads a made-up mailbox when a server starts, so that its first clients do not wait while the process learns to read theirs:
// V8 compiles what reads pages while the first ten thousand messages are read, on what it has seen by then, and anew
// whenever a column comes in another shape.
// Owns nothing and leaves nothing but compiled code: its store is in memory and goes with it. Does not fail.

import type { Clock } from '../../base/clock.ts';
import type { AccountId } from '../../mail/ids.ts';
import type { Entry } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import { AccountKeys } from '../records/account-keys.ts';
import { encodeMessageRow, type MessageRow } from '../records/message-row.ts';
import { readTable } from './load-table.ts';
import { encodeMessagePage, MessagePage, pageUids } from './message-page.ts';

/** Five thousand messages: page by page their columns take every shape, beside every other's. */
export const pages = 40;
/** After so many nothing is compiled anew. All of it takes some twenty milliseconds of the processor. */
const rounds = 7;
const mailboxId = 1;

/** What opening a mailbox does for the first time is done. */
export async function warmTables(clock: Clock): Promise<void> {
  const keys = new AccountKeys('aaaaaaaaaaaaaaaa' as AccountId);
  await using engine = openMemoryEngine();
  await engine.commit({ puts: [...practiceEntries(keys)] });
  const place = { keys, mailboxId, uidEnd: (pages + 1) * pageUids };
  for (let round = 0; round < rounds; round++)
    await readTable(place, { engine, clock, messages: pages * pageUids });
}

/** Pages, rows over a few of them, and rows behind them. */
function* practiceEntries(keys: AccountKeys): Generator<Entry> {
  const rows: MessageRow[] = [practiceRow(pages * pageUids), practiceRow(pages * pageUids + 1)];
  for (let number = 0; number < pages; number++) {
    const page = practicePage(number);
    yield { key: keys.messagePage(mailboxId, number), value: encodeMessagePage(page) };
    if (number % 20 === 7) rows.push(practiceRow(number * pageUids + 3));
  }
  for (const row of rows) yield { key: keys.message(mailboxId, row.uid), value: encodeMessageRow(row) };
}

/** The first is not full, as no message has the uid 0, and some have a gap. */
export function practicePage(number: number): MessagePage {
  const page = new MessagePage();
  const gap = number % 8 === 5 ? 9 : 0;
  for (let at = 0; at < pageUids; at++)
    if (at !== gap || (gap === 0 && number > 0)) page.push(practiceRow(number * pageUids + at));
  return page;
}

/** What is as wide as what changes from page to page. */
function practiceRow(uid: number): MessageRow {
  const kind = Math.floor(uid / pageUids);
  return {
    uid,
    flagsLow: narrow(uid, kind),
    flagsHigh: kind < 2 ? 0 : narrow(uid, kind + 1),
    modSeq: wide(uid, kind),
    size: narrow(uid, kind + 2),
    internalDate: wide(uid, kind + 1),
    saveDate: wide(uid, kind + 2),
    emailId: wide(uid, kind + 3),
  };
}

/** The same for all, small or large, or values of one, two or four bytes. */
function narrow(uid: number, kind: number): number {
  return [7, 3_000_000_000, uid % 256, uid % 65_536, 2 ** 31 + uid][kind % 5]!;
}

/** Or of eight. */
function wide(uid: number, kind: number): number {
  return [7, 2 ** 40, uid % 256, uid % 65_536, 2 ** 31 + uid, 2 ** 40 + uid, -uid][kind % 7]!;
}
