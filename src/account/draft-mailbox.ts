// One mailbox as the mutations of a group have decided it so far: a copy of its record, and how its messages differ from
// the committed columns. Flags of many messages are changed page by page, in columns as they are stored.
// Invariant: record's counters always agree with the messages; nothing here touches committed state or the engine.

import { assert } from '../base/assert.ts';
import { flagDeleted, flagSeen } from '../mail/flags.ts';
import type { MailboxRecord } from './account-record.ts';
import type { MailboxState } from './mailbox-state.ts';
import { pageOf, pageUids } from './message-page.ts';
import type { MessageRow } from './message-row.ts';
import { columnsOfRows, emptyColumns, type FlagColumns, MessageTable } from './message-table.ts';
import type { MessageColumns } from './port.ts';

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
  /** Where the last change was, most often the next one is beside it. */
  #lastFlags: PageFlags | undefined;

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

  /** A message that is in the draft has other flags now. */
  changeFlags(uid: number, flags: Pick<MessageRow, 'flagsLow' | 'flagsHigh' | 'modSeq'>): void {
    const { flagsLow, flagsHigh, modSeq } = flags;
    let before: number;
    if (uid >= this.uidNextBefore) {
      const at = uid - this.uidNextBefore;
      const row = this.added[at]!;
      before = row.flagsLow;
      this.added[at] = { ...row, flagsLow, flagsHigh, modSeq };
    } else {
      const page = this.#flagsOf(uid);
      const at = this.state!.table!.indexNear(uid, page.from + (uid % pageUids)) - page.from;
      before = page.flagsLow[at]!;
      page.flagsLow[at] = flagsLow;
      page.flagsHigh[at] = flagsHigh;
      page.modSeqs[at] = modSeq;
    }
    this.#countFlags(before, -1);
    this.#countFlags(flagsLow, 1);
    this.touch(modSeq);
    this.lastChangeModSeq = modSeq;
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
    if (this.#lastFlags?.page === page) return this.#lastFlags;
    const known = this.pageFlags.get(page);
    const flags = known ?? this.#copyFlags(page);
    if (known === undefined) this.pageFlags.set(page, flags);
    this.#lastFlags = flags;
    return flags;
  }

  #copyFlags(page: number): PageFlags {
    const table = this.state!.table!;
    const { from, to } = table.indexesOf(page);
    const { flagsLow, flagsHigh, modSeqs } = table.columns;
    return {
      page,
      from,
      flagsLow: flagsLow.slice(from, to),
      flagsHigh: flagsHigh?.slice(from, to) ?? new Uint32Array(to - from),
      modSeqs: new Float64Array(modSeqs.subarray(from, to)),
    };
  }

  #count(row: MessageRow, sign: 1 | -1): void {
    this.record.messages += sign;
    this.record.bytes += sign * row.size;
    this.#countFlags(row.flagsLow, sign);
  }

  #countFlags(flagsLow: number, sign: 1 | -1): void {
    const { record } = this;
    if ((flagsLow & flagSeen) === 0) record.unseen += sign;
    if ((flagsLow & flagDeleted) !== 0) record.deleted += sign;
  }
}
