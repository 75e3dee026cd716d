// Reads the messages of a mailbox from the engine, whether they are stored as rows or in pages (message-page.ts).
// Invariant: what is read is one moment of the mailbox: only while no commit of the account is under way.
// Fails with RecordDamaged, unless damage is to be passed over, or the engine's Fault.

import type { Clock } from '../../base/clock.ts';
import type { Entry, Reader } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { type AccountState, eachEntry, type LoadOptions, rangePageLimits } from '../account-state.ts';
import { type AccountKeys, numberBehind } from '../records/account-keys.ts';
import { decodeMessageRow, type MessageRow } from '../records/message-row.ts';
import type { MailboxState } from './mailbox-state.ts';
import { rowOf } from './message-columns.ts';
import {
  decodeMessagePage,
  firstUidOf,
  inPage,
  inRow,
  MessagePage,
  pageOf,
  pageUids,
} from './message-page.ts';
import { MessageTable } from './message-table.ts';

/** Reads the columns of a mailbox, unless they are there. */
export async function loadTable(
  state: AccountState,
  mailbox: MailboxState,
  options: LoadOptions,
): Promise<MessageTable> {
  if (mailbox.table !== undefined) return mailbox.table;
  return keepTable(state, mailbox, await readTableOf(state, mailbox, options));
}

/** The columns as they are stored. */
export function readTableOf(
  { keys }: AccountState,
  { record }: MailboxState,
  options: LoadOptions,
): Promise<MessageTable> {
  const { id: mailboxId, messages, uidNext } = record;
  return readTable({ keys, mailboxId, uidEnd: uidNext }, { ...options, messages });
}

/** The mailbox has these columns now, unless somebody else read them first. */
export function keepTable(state: AccountState, mailbox: MailboxState, table: MessageTable): MessageTable {
  if (mailbox.table !== undefined) return mailbox.table;
  mailbox.table = table;
  state.tableBytes += table.bytes;
  return table;
}

export interface MailboxPlace {
  readonly keys: AccountKeys;
  readonly mailboxId: number;
  /** What is stored from here on is left over of a large copy that was cut off (staged-copy.ts). */
  readonly uidEnd: number;
}

export interface ReadOptions {
  readonly engine: Reader;
  readonly clock: Clock;
  /** As many are expected. */
  readonly messages: number;
  /** What is damaged is as if it were not there. */
  readonly passDamaged?: boolean;
}

/** For arrivals: without it the first delivery to a mailbox that was just opened would copy all columns, 29 MB of a million messages. */
function roomFor(messages: number): number {
  return messages >>> 6;
}

export async function readTable(place: MailboxPlace, options: ReadOptions): Promise<MessageTable> {
  const { keys, mailboxId, uidEnd } = place;
  const { engine, clock, passDamaged = false } = options;
  const pages = keys.messagePages(mailboxId);
  // One round trip to an engine that has them.
  const [rows, first] = await Promise.all([readRows(place, options), engine.page(pages, rangePageLimits)]);
  const page = new MessagePage();
  const table = new MessageTable(options.messages + roomFor(options.messages));
  let next = 0;
  const pushRowsBelow = (uid: number): void => {
    while (next < rows.length && rows.columns.uids[next]! < uid) table.push(rows.row(next++));
  };
  const take = ({ key, value }: Entry): void => {
    const number = numberBehind(key, pages.prefixLength);
    if (firstUidOf(number) >= uidEnd) return;
    const decode = () => decodeMessagePage(number, value);
    const stored = passDamaged ? unlessDamaged(decode) : decode();
    if (stored === undefined) return;
    const end = (number + 1) * pageUids;
    pushRowsBelow(number * pageUids);
    if (next === rows.length || rows.columns.uids[next]! >= end) table.append(stored);
    else {
      page.load(number, value);
      for (let at = 0; at < page.length; at++) {
        const uid = page.uids[at]!;
        pushRowsBelow(uid);
        if (rows.columns.uids[next] === uid && next < rows.length)
          table.push(rows.row(next++), inRow | inPage);
        else table.push(rowOf(page, at), inPage);
      }
    }
  };
  await eachEntry(engine, pages, clock, take, first);
  // A mailbox without pages is as it was read.
  if (next === 0 && table.length === 0) return rows;
  pushRowsBelow(uidEnd);
  return table;
}

async function readRows(
  { keys, mailboxId, uidEnd }: MailboxPlace,
  { engine, clock, passDamaged = false }: ReadOptions,
): Promise<MessageTable> {
  const range = keys.messages(mailboxId);
  const rows = new MessageTable(0);
  await eachEntry(engine, range, clock, ({ key, value }) => {
    const uid = numberBehind(key, range.prefixLength);
    if (uid >= uidEnd) return;
    const decode = () => decodeMessageRow(uid, value);
    const row = passDamaged ? unlessDamaged(decode) : decode();
    if (row !== undefined) rows.push(row);
  });
  return rows;
}

/** Messages by mailbox and uid, in the order they are asked for; undefined: there is none, or it is damaged. */
export async function readMessageRows(
  reader: Reader,
  keys: AccountKeys,
  places: readonly (readonly [mailboxId: number, uid: number])[],
): Promise<(MessageRow | undefined)[]> {
  const values = await reader.getMany(places.map(([mailboxId, uid]) => keys.message(mailboxId, uid)));
  const pages = await reader.getMany(
    places.map(([mailboxId, uid]) => keys.messagePage(mailboxId, pageOf(uid))),
  );
  const page = new MessagePage();
  return places.map(([, uid], index) => {
    const value = values[index];
    const row = value === undefined ? undefined : unlessDamaged(() => decodeMessageRow(uid, value));
    const stored = pages[index];
    if (row !== undefined || stored === undefined) return row;
    if (!page.loadSound(pageOf(uid), stored)) return undefined;
    const at = page.uids.subarray(0, page.length).indexOf(uid);
    return at < 0 ? undefined : rowOf(page, at);
  });
}
