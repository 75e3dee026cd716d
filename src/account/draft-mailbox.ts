// One mailbox as the mutations of a group have decided it so far: a copy of its record and the rows that differ from
// the committed columns.
// Invariant: record's counters always agree with rows; nothing here touches committed state or the engine.

import { assert } from '../base/assert.ts';
import { flagDeleted, flagSeen } from '../mail/flags.ts';
import type { MailboxRecord } from './account-record.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { MessageRow } from './message-row.ts';

/** RFC 9051 2.3.1.1: a UID is a 32-bit number; the last one is kept free. */
export const uidMax = 0xffff_fffe;

export class DraftMailbox {
  /** Undefined: made by this draft. */
  readonly state: MailboxState | undefined;
  readonly record: MailboxRecord;
  /** Differences to the columns; undefined: expunged. New uids are in ascending order. */
  readonly rows = new Map<number, MessageRow | undefined>();
  /** Triples: mod-sequence, uid, email id, in the order of the expunges. */
  readonly tombstones: number[] = [];
  /** Of changes to messages that were there before. */
  lastChangeModSeq: number;
  /** The record must be written. */
  changed: boolean;
  /** New rows below this uid are in the engine already (staged-copy.ts). */
  stagedBelow = 0;
  /** Removed for good: record and remaining rows go. */
  dropped = false;

  constructor(state: MailboxState | undefined, record: MailboxRecord) {
    this.state = state;
    this.record = record;
    this.changed = state === undefined;
    this.lastChangeModSeq = state?.lastChangeModSeq ?? record.highestModSeq;
  }

  get id(): number {
    return this.record.id;
  }

  /** The message as it is in the draft; undefined when there is none. The columns must be loaded. */
  row(uid: number, guess = 0): MessageRow | undefined {
    if (this.rows.size > 0 && this.rows.has(uid)) return this.rows.get(uid);
    const table = this.#table();
    if (table === undefined) return undefined;
    const index = table.indexNear(uid, guess);
    return index < 0 ? undefined : table.row(index);
  }

  /** Every uid in the draft, ascending. */
  uids(): Uint32Array {
    const table = this.#table();
    const committed = table === undefined ? new Uint32Array() : table.columns.uids.subarray(0, table.length);
    if (this.rows.size === 0) return committed.slice();
    const kept = committed.filter((uid) => !this.rows.has(uid) || this.rows.get(uid) !== undefined);
    const last = committed.at(-1) ?? 0;
    const added = [...this.rows.keys()].filter((uid) => uid > last && this.rows.get(uid) !== undefined);
    const all = new Uint32Array(kept.length + added.length);
    all.set(kept);
    all.set(added, kept.length);
    return all;
  }

  /** Adds a message under the next uid, which the row must have. */
  add(row: MessageRow): void {
    const { record } = this;
    assert(row.uid === record.uidNext && row.uid <= uidMax, 'a message gets the next uid');
    record.uidNext++;
    this.rows.set(row.uid, row);
    this.#count(row, 1);
    this.touch(row.modSeq);
  }

  /** The message has other flags now. */
  change(before: MessageRow, after: MessageRow): void {
    this.rows.set(after.uid, after);
    this.#count(before, -1);
    this.#count(after, 1);
    this.touch(after.modSeq);
    this.lastChangeModSeq = after.modSeq;
  }

  expunge(row: MessageRow, modSeq: number): void {
    this.rows.set(row.uid, undefined);
    this.#count(row, -1);
    this.tombstones.push(modSeq, row.uid, row.emailId);
    this.record.tombstones++;
    this.touch(modSeq);
  }

  touch(modSeq: number): void {
    this.record.highestModSeq = modSeq;
    this.changed = true;
  }

  #table() {
    assert(
      this.state === undefined || this.state.table !== undefined,
      'columns are loaded before they are used',
    );
    return this.state?.table;
  }

  #count(row: MessageRow, sign: 1 | -1): void {
    const { record } = this;
    record.messages += sign;
    record.bytes += sign * row.size;
    if ((row.flagsLow & flagSeen) === 0) record.unseen += sign;
    if ((row.flagsLow & flagDeleted) !== 0) record.deleted += sign;
  }
}
