// One mailbox as the mutations of a group have decided it so far: a copy of its record, and how its messages differ from
// the committed columns. Flags of many messages are changed page by page, in columns as they are stored.
// Invariant: record's counters always agree with the messages; nothing here touches committed state or the engine.

import { assert } from '../../base/assert.ts';
import { type FlagBits, flagDeleted, flagSeen } from '../../mail/flags.ts';
import type { MessageColumns, MessageFlags } from '../port.ts';
import type { MailboxRecord } from '../records/account-record.ts';
import type { MessageRow } from '../records/message-row.ts';
import type { MailboxState } from '../table/mailbox-state.ts';
import { columnsOfRows, emptyColumns, type FlagColumns } from '../table/message-columns.ts';
import { pageOf, pageUids } from '../table/message-page.ts';
import { MessageTable } from '../table/message-table.ts';

/** RFC 9051 2.3.1.1: a UID is a 32-bit number; the last one is kept free. */
export const uidMax = 0xffff_fffe;

/** The flags of all messages of one page; those that were changed have another mod-sequence than the committed ones. */
export interface PageFlags extends FlagColumns {
  readonly page: number;
  /** The index of its first message in the committed columns. */
  readonly from: number;
}

export class DraftMailbox {
  /** Undefined: made by this draft. */
  readonly state: MailboxState | undefined;
  readonly record: MailboxRecord;
  /** Messages from this uid on are new. */
  readonly uidNextBefore: number;
  /** New messages, by their uid - uidNextBefore; undefined: expunged again. */
  readonly added: (MessageRow | undefined)[] = [];
  /** New messages that are in the engine already (staged-copy.ts); then there are no others. */
  staged: MessageTable | undefined = undefined;
  /** By page. */
  readonly pageFlags = new Map<number, PageFlags>();
  /** Of the committed messages. */
  readonly expunged = new Set<number>();
  /** Pages that are written though nothing in them changed; then nothing else of the mailbox does. */
  readonly packed: number[] = [];
  /** What draft-rows.ts wrote as pages. */
  readonly pagesWritten = new Set<number>();
  /** Triples: mod-sequence, uid, email id, in the order of the expunges. */
  readonly tombstones: number[] = [];
  /** Of changes to messages that were there before. */
  lastChangeModSeq: number;
  /** The record must be written. */
  changed: boolean;
  /** Removed for good: record and remaining rows go. */
  dropped = false;

  constructor(state: MailboxState | undefined, record: MailboxRecord) {
    this.state = state;
    this.record = record;
    this.uidNextBefore = state?.record.uidNext ?? 1;
    this.changed = state === undefined;
    this.lastChangeModSeq = state?.lastChangeModSeq ?? record.highestModSeq;
  }

  get id(): number {
    return this.record.id;
  }

  /** True while the messages are those of the committed columns. */
  get hasSameUids(): boolean {
    return this.added.length === 0 && this.expunged.size === 0 && this.staged === undefined;
  }

  /** The message as it is in the draft; undefined when there is none. The columns must be loaded. */
  row(uid: number, guess = 0): MessageRow | undefined {
    const table = this.#table();
    if (uid >= this.uidNextBefore) return this.added[uid - this.uidNextBefore];
    if (table === undefined || this.expunged.has(uid)) return undefined;
    const index = table.indexNear(uid, guess);
    if (index < 0) return undefined;
    const flags = this.pageFlags.get(pageOf(uid));
    if (flags === undefined) return table.row(index);
    const at = index - flags.from;
    return {
      ...table.row(index),
      flagsLow: flags.flagsLow[at]!,
      flagsHigh: flags.flagsHigh[at]!,
      modSeq: flags.modSeqs[at]!,
    };
  }

  /** A copy of those of these messages that are in the draft; the uids ascend. */
  select(uids: Uint32Array): MessageColumns {
    const table = this.#table();
    if (!this.hasSameUids) {
      const rows: MessageRow[] = [];
      for (const uid of uids) {
        const row = this.row(uid);
        if (row !== undefined) rows.push(row);
      }
      return columnsOfRows(rows);
    }
    if (table === undefined) return emptyColumns;
    const messages = table.select(uids);
    for (let at = 0; at < messages.uids.length && this.pageFlags.size > 0; at++) {
      const uid = messages.uids[at]!;
      const flags = this.pageFlags.get(pageOf(uid));
      if (flags === undefined) continue;
      const index = table.indexOf(uid) - flags.from;
      messages.flagsLow[at] = flags.flagsLow[index]!;
      messages.flagsHigh[at] = flags.flagsHigh[index]!;
      messages.modSeqs[at] = flags.modSeqs[index]!;
    }
    return messages;
  }

  /** The same of their flags alone. */
  selectFlags(uids: Uint32Array): MessageFlags {
    const table = this.#table();
    if (table === undefined || !this.hasSameUids || this.pageFlags.size > 0) return this.select(uids);
    return table.selectFlags(uids);
  }

  /** Every uid in the draft, ascending. */
  uids(): Uint32Array {
    const table = this.#table();
    const committed = table === undefined ? new Uint32Array() : table.columns.uids.subarray(0, table.length);
    if (this.hasSameUids) return committed.slice();
    const kept = committed.filter((uid) => !this.expunged.has(uid));
    const added: number[] = [];
    for (const row of this.added) if (row !== undefined) added.push(row.uid);
    const all = new Uint32Array(kept.length + added.length);
    all.set(kept);
    all.set(added, kept.length);
    return all;
  }

  /** The emails of all messages with so many bytes, but for staged ones. The columns must be loaded. */
  emailsOfSize(bytes: number): number[] {
    const found: number[] = [];
    const table = this.#table();
    const { uids, sizes, emailIds } = table?.columns ?? emptyColumns;
    const length = table?.length ?? 0;
    for (let index = 0; index < length; index++)
      if (sizes[index] === bytes && !this.expunged.has(uids[index]!)) found.push(emailIds[index]!);
    for (const row of this.added) if (row?.size === bytes) found.push(row.emailId);
    return found;
  }

  /** All flags that messages of the draft have, but for staged ones. The columns must be loaded. */
  flagsInUse(): FlagBits {
    let low = 0;
    let high = 0;
    for (const row of this.added) {
      low |= row?.flagsLow ?? 0;
      high |= row?.flagsHigh ?? 0;
    }
    const table = this.#table();
    const { uids, flagsLow, flagsHigh } = table?.columns ?? emptyColumns;
    const hasExpunged = this.expunged.size > 0;
    const length = table?.length ?? 0;
    let page: PageFlags | undefined;
    for (let index = 0, pageEnd = 0; index < length; index++) {
      const uid = uids[index]!;
      if (uid >= pageEnd) {
        page = this.pageFlags.get(pageOf(uid));
        pageEnd = (pageOf(uid) + 1) * pageUids;
      }
      if (hasExpunged && this.expunged.has(uid)) continue;
      low |= page === undefined ? flagsLow[index]! : page.flagsLow[index - page.from]!;
      high |= page === undefined ? (flagsHigh?.[index] ?? 0) : page.flagsHigh[index - page.from]!;
    }
    return { low: low >>> 0, high: high >>> 0 };
  }

  /** Adds a message under the next uid, which the row must have. */
  add(row: MessageRow): void {
    this.#come(row);
    this.added.push(row);
  }

  /** The same of one that is in the engine already, at this place (message-page.ts). */
  addStaged(row: MessageRow, place: number): void {
    this.#come(row);
    this.staged ??= new MessageTable(0);
    this.staged.push(row, place);
  }

  /** Those of these messages (all in the draft) that bear this new mod-sequence have other flags now. */
  changeFlags(messages: MessageFlags, modSeq: number): void {
    const { uids, modSeqs } = messages;
    for (let at = 0; at < uids.length; ) {
      if (modSeqs[at] !== modSeq) at++;
      else if (uids[at]! >= this.uidNextBefore) this.#changeAdded(messages, at++);
      else at = this.#changePage(messages, at, modSeq);
    }
    this.touch(modSeq);
    this.lastChangeModSeq = modSeq;
  }

  #changeAdded({ uids, flagsLow, flagsHigh, modSeqs }: MessageFlags, at: number): void {
    const index = uids[at]! - this.uidNextBefore;
    const row = this.added[index]!;
    this.#recountFlags(row.flagsLow, flagsLow[at]!);
    this.added[index] = {
      ...row,
      flagsLow: flagsLow[at]!,
      flagsHigh: flagsHigh[at]!,
      modSeq: modSeqs[at]!,
    };
  }

  /** Those that are in one page; where the next one is. */
  #changePage({ uids, flagsLow, flagsHigh, modSeqs }: MessageFlags, start: number, modSeq: number): number {
    const page = this.#flagsOf(uids[start]!);
    const end = Math.min((page.page + 1) * pageUids, this.uidNextBefore);
    const stored = this.state!.table!.columns.uids;
    let at = start;
    for (let index = 0; at < uids.length && uids[at]! < end; at++) {
      if (modSeqs[at] !== modSeq) continue;
      while (stored[page.from + index]! < uids[at]!) index++;
      this.#recountFlags(page.flagsLow[index]!, flagsLow[at]!);
      page.flagsLow[index] = flagsLow[at]!;
      page.flagsHigh[index] = flagsHigh[at]!;
      page.modSeqs[index] = modSeq;
    }
    return at;
  }

  expunge(row: MessageRow, modSeq: number): void {
    if (row.uid >= this.uidNextBefore) this.added[row.uid - this.uidNextBefore] = undefined;
    else this.expunged.add(row.uid);
    this.#count(row, -1);
    this.tombstones.push(modSeq, row.uid, row.emailId);
    this.record.tombstones++;
    this.touch(modSeq);
  }

  touch(modSeq: number): void {
    this.record.highestModSeq = modSeq;
    this.changed = true;
  }

  #come(row: MessageRow): void {
    const { record } = this;
    assert(row.uid === record.uidNext && row.uid <= uidMax, 'a message gets the next uid');
    record.uidNext++;
    this.#count(row, 1);
    this.touch(row.modSeq);
  }

  #table() {
    assert(
      this.state === undefined || this.state.table !== undefined,
      'columns are loaded before they are used',
    );
    return this.state?.table;
  }

  #flagsOf(uid: number): PageFlags {
    const page = pageOf(uid);
    const known = this.pageFlags.get(page);
    const flags = known ?? this.#copyFlags(page);
    if (known === undefined) this.pageFlags.set(page, flags);
    return flags;
  }

  #copyFlags(page: number): PageFlags {
    const table = this.state!.table!;
    const { from, to } = table.indexesOf(page);
    return { page, from, ...table.flags(from, to) };
  }

  #count(row: MessageRow, sign: 1 | -1): void {
    this.record.messages += sign;
    this.record.bytes += sign * row.size;
    this.#countFlags(row.flagsLow, sign);
  }

  #recountFlags(before: number, after: number): void {
    if (((before ^ after) & (flagSeen | flagDeleted)) === 0) return;
    this.#countFlags(before, -1);
    this.#countFlags(after, 1);
  }

  #countFlags(flagsLow: number, sign: 1 | -1): void {
    const { record } = this;
    if ((flagsLow & flagSeen) === 0) record.unseen += sign;
    if ((flagsLow & flagDeleted) !== 0) record.deleted += sign;
  }
}
