// One mailbox of an open account as it is committed: its record, and, once somebody used it, its columns.
// Invariant: changes only by apply-draft.ts after a commit, or by being loaded.

import type { MailboxRecord } from '../records/account-record.ts';
import type { MessageTable } from './message-table.ts';
import { TombstoneRing } from './tombstone-ring.ts';

/** The estimate of a mailbox without columns, for the memory limit. */
const mailboxBytes = 600;

export class MailboxState {
  record: MailboxRecord;
  /** Undefined until it is needed. */
  table: MessageTable | undefined = undefined;
  readonly tombstones: TombstoneRing;
  /**
   * The highest mod-sequence of a change to a message that was there before: from it on, changed messages are the
   * last ones, in the order of their mod-sequences.
   */
  lastChangeModSeq: number;

  constructor(record: MailboxRecord, tombstonesInMemoryMax: number) {
    this.record = record;
    this.tombstones = new TombstoneRing(record.highestModSeq, tombstonesInMemoryMax);
    this.lastChangeModSeq = record.highestModSeq;
  }

  get bytes(): number {
    return mailboxBytes + (this.table?.bytes ?? 0) + this.tombstones.length * 16;
  }
}
