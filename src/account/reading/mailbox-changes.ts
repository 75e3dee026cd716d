// Changes of a mailbox since a mod-sequence: the primitive behind IDLE, NOTIFY, QRESYNC and resumption (ARCHITECTURE 4).
// Invariant: applying `changed` and `vanished` to what was known at `since` gives what there is at `modSeq`.

import type { Clock } from '../../base/clock.ts';
import type { ModSeq, Uid } from '../../mail/ids.ts';
import { allRights } from '../../mail/rights.ts';
import type { Engine } from '../../storage/engine.ts';
import { decodeTuple } from '../../storage/tuple.ts';
import { type AccountState, eachEntry } from '../account-state.ts';
import type { MailboxChanges, MessageColumns } from '../port.ts';
import type { MailboxState } from '../table/mailbox-state.ts';
import { emptyColumns } from '../table/message-columns.ts';
import type { MessageTable } from '../table/message-table.ts';

export const goneMailboxChanges: MailboxChanges = Object.freeze({
  exists: false,
  uidValidity: 0,
  modSeq: 0 as ModSeq,
  uidNext: 0 as Uid,
  keywords: [],
  changed: emptyColumns,
  vanished: new Uint32Array(),
  incomplete: false,
  rights: '',
});

/** Messages whose mod-sequence is above `since`. */
function changedRows(mailbox: MailboxState, table: MessageTable, since: number): MessageColumns {
  if (since >= mailbox.lastChangeModSeq) {
    const { modSeqs } = table.columns;
    // Only arrivals since then: they are the last rows, in order.
    let from = table.length;
    while (from > 0 && modSeqs[from - 1]! > since) from--;
    return table.slice(from, table.length);
  }
  return table.changedSince(since);
}

export interface ChangesContext {
  readonly engine: Engine;
  readonly clock: Clock;
}

/** The table is the mailbox's. Reads tombstone rows only when `since` is older than memory reaches. */
export async function changesSince(
  state: AccountState,
  mailbox: MailboxState,
  { since, recentFrom }: { readonly since: number; readonly recentFrom: Uid },
  context: ChangesContext,
): Promise<MailboxChanges> {
  // Everything of memory is taken before the first wait: one moment.
  const { record, tombstones } = mailbox;
  const table = mailbox.table!;
  const changed = since >= record.highestModSeq ? emptyColumns : changedRows(mailbox, table, since);
  const inMemory = since >= tombstones.completeSince;
  const vanished = inMemory
    ? tombstones.after(since)
    : await storedTombstones(state, record.id, { since, upTo: record.highestModSeq }, context);
  return {
    exists: true,
    uidValidity: record.uidValidity,
    modSeq: Math.max(record.highestModSeq, since) as ModSeq,
    uidNext: record.uidNext as Uid,
    keywords: record.keywords,
    changed,
    vanished: Uint32Array.from(vanished).sort(),
    // As it is now: rows may have been pruned while they were read.
    incomplete: since < mailbox.record.tombstonesFrom,
    recentFrom,
    rights: allRights,
  };
}

async function storedTombstones(
  state: AccountState,
  mailboxId: number,
  { since, upTo }: { since: number; upTo: number },
  { engine, clock }: ChangesContext,
): Promise<number[]> {
  const uids: number[] = [];
  await eachEntry(engine, state.keys.tombstones(mailboxId, since + 1), clock, ({ key }) => {
    const [, , , , modSeq, uid] = decodeTuple(key) as number[];
    if (modSeq! <= upTo) uids.push(uid!);
  });
  return uids;
}
