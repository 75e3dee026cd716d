// Removes messages from a mailbox (RFC 9051 6.4.3, 6.4.9). An email goes with its last membership.
// Refuses: noSuchMailbox.

import { flagDeleted } from '../../mail/flags.ts';
import type { ModSeq } from '../../mail/ids.ts';
import type { AccountPort, Expunged } from '../port.ts';
import type { MessageRow } from '../records/message-row.ts';
import { decodeRuns, encodeRuns, type OperationResult } from '../records/operation-record.ts';
import { countTakenOut } from '../table/uid-lists.ts';
import type { Draft } from '../writing/draft.ts';
import type { DraftMailbox } from '../writing/draft-mailbox.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

export type ExpungeOptions = Parameters<AccountPort['expunge']>[0];

/** `uids` undefined: all there are; `messagesMax` of them at the most, the first ones, and fewer when they are in many pages. */
export function expungeMutation(options: ExpungeOptions, messagesMax: number): Mutation<Expunged> {
  return {
    name: 'expunge',
    operation: options.operation,
    bytes: Math.min(options.uids?.length ?? messagesMax, messagesMax) * 200,
    async decide(draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      await draft.loadTable(mailbox);
      const rows: MessageRow[] = [];
      for (const uid of options.uids ?? candidates(mailbox, options.anyFlags)) {
        const row = mailbox.row(uid);
        if (row !== undefined && (options.anyFlags || (row.flagsLow & flagDeleted) !== 0)) rows.push(row);
        if (rows.length === messagesMax) break;
      }
      rows.length = countTakenOut(
        Uint32Array.from(rows, ({ uid }) => uid),
        0,
        messagesMax,
      );
      return expungeRows(draft, mailbox, rows);
    },
    result: ({ uids, modSeq }): OperationResult => [encodeRuns(uids), modSeq],
    replay: (result) => ({
      uids: decodeRuns(result[0] as readonly number[]),
      modSeq: result[1] as ModSeq,
    }),
  };
}

/** UIDs worth looking at: by the columns, so that a large mailbox costs one pass over numbers. */
function candidates(mailbox: DraftMailbox, anyFlags: boolean): Uint32Array {
  if (anyFlags || !mailbox.hasSameUids || mailbox.pageFlags.size > 0) return mailbox.uids();
  if (mailbox.record.deleted === 0) return new Uint32Array();
  const table = mailbox.state?.table;
  if (table === undefined) return new Uint32Array();
  const { flagsLow, uids } = table.columns;
  const found: number[] = [];
  for (let index = 0; index < table.length; index++) {
    if ((flagsLow[index]! & flagDeleted) !== 0) found.push(uids[index]!);
  }
  return Uint32Array.from(found);
}

/** Removes the rows, which are in the mailbox's draft, in one mod-sequence. */
export async function expungeRows(
  draft: Draft,
  mailbox: DraftMailbox,
  rows: readonly MessageRow[],
): Promise<Expunged> {
  if (rows.length === 0) return { uids: new Uint32Array(), modSeq: mailbox.record.highestModSeq as ModSeq };
  await draft.loadEmails(rows.map((row) => row.emailId));
  const modSeq = draft.nextModSeq();
  const uids = new Uint32Array(rows.length);
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!;
    mailbox.expunge(row, modSeq);
    draft.removeMembership(row.emailId, mailbox.id, row.uid);
    uids[index] = row.uid;
  }
  return { uids, modSeq: modSeq as ModSeq };
}
