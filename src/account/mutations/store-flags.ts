// Changes flags of messages (RFC 9051 6.4.6, RFC 7162 3.1.3). A message whose flags do not change keeps its
// mod-sequence, so that no session is told of it.
// Refuses: noSuchMailbox, invalidArgument, tooManyKeywords.

import { everyFlag, type FlagBits } from '../../mail/flags.ts';
import type { ModSeq } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Draft } from '../draft.ts';
import type { DraftMailbox } from '../draft-mailbox.ts';
import { resolveFlags } from '../keyword-table.ts';
import type { MessageRow } from '../message-row.ts';
import { columnsOfRows } from '../message-table.ts';
import { decodeRuns, encodeRuns, type OperationResult } from '../operation-record.ts';
import type { StoredFlags, StoreFlagsOptions } from '../port.ts';
import type { Mutation } from './mutation.ts';

/** The mailbox, or a refusal. */
export function mailboxOf(draft: Draft, mailboxId: number): DraftMailbox {
  const mailbox = draft.mailbox(mailboxId);
  if (mailbox === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  return mailbox;
}

/** `allowed`: the bits that may change. */
export function storeFlagsMutation(
  options: StoreFlagsOptions,
  allowed: FlagBits = everyFlag,
): Mutation<StoredFlags> {
  return {
    name: 'storeFlags',
    operation: options.operation,
    bytes: options.uids.length * 100,
    async decide(draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      await draft.loadTable(mailbox);
      return applyFlags(draft, mailbox, { ...options, allowed });
    },
    result: ({ modified, modSeqBefore }): OperationResult => [encodeRuns(modified), modSeqBefore],
    async replay(result, draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      await draft.loadTable(mailbox);
      const modified = decodeRuns(result[0] as readonly number[]);
      const left = new Set(modified);
      const { rows, missing } = rowsOf(
        mailbox,
        options.uids.filter((uid) => !left.has(uid)),
      );
      // Operations of before have no second member: everything may be news then.
      const modSeqBefore = (result[1] ?? mailbox.record.highestModSeq) as ModSeq;
      return { ...storedFlags(mailbox, rows, modified, missing), modSeqBefore };
    },
  };
}

function rowsOf(mailbox: DraftMailbox, uids: Uint32Array): { rows: MessageRow[]; missing: number[] } {
  const rows: MessageRow[] = [];
  const missing: number[] = [];
  const table = mailbox.state?.table;
  let guess = 0;
  for (const uid of uids) {
    const row = mailbox.row(uid, guess);
    if (row === undefined) missing.push(uid);
    else rows.push(row);
    guess =
      table !== undefined && table.columns.uids[guess] === uid
        ? guess + 1
        : (table?.lowerBound(uid) ?? 0) + 1;
  }
  return { rows, missing };
}

function storedFlags(
  mailbox: DraftMailbox,
  rows: readonly MessageRow[],
  modified: Uint32Array,
  missing: readonly number[],
): Omit<StoredFlags, 'modSeqBefore'> {
  return {
    messages: columnsOfRows(rows),
    modified,
    keywords: mailbox.record.keywords,
    missing: Uint32Array.from(missing),
  };
}

function applyFlags(
  draft: Draft,
  mailbox: DraftMailbox,
  options: StoreFlagsOptions & { readonly allowed: FlagBits },
): StoredFlags {
  const { mode, unchangedSince, allowed } = options;
  const { record } = mailbox;
  const modSeqBefore = record.highestModSeq as ModSeq;
  const { low, high, keywords } = resolveFlags(options.flags, record.keywords, mode !== 'remove');
  const { rows, missing } = rowsOf(mailbox, options.uids);
  const modified: number[] = [];
  const answered: MessageRow[] = [];
  let modSeq = 0;
  for (const row of rows) {
    if (unchangedSince !== undefined && row.modSeq > unchangedSince) {
      modified.push(row.uid);
      continue;
    }
    const flagsLow = withFlags(row.flagsLow, { mode, given: low, allowed: allowed.low });
    const flagsHigh = withFlags(row.flagsHigh, { mode, given: high, allowed: allowed.high });
    if (flagsLow === row.flagsLow && flagsHigh === row.flagsHigh) {
      answered.push(row);
      continue;
    }
    if (modSeq === 0) modSeq = draft.nextModSeq();
    const after: MessageRow = { ...row, flagsLow, flagsHigh, modSeq };
    mailbox.change(row, after);
    answered.push(after);
  }
  // A keyword nobody bears after all (all messages were left alone) takes no bit.
  if (modSeq !== 0) record.keywords = keywords;
  return { ...storedFlags(mailbox, answered, Uint32Array.from(modified), missing), modSeqBefore };
}

function withFlags(
  before: number,
  { mode, given, allowed }: { mode: StoreFlagsOptions['mode']; given: number; allowed: number },
): number {
  const after = mode === 'add' ? before | given : mode === 'remove' ? before & ~given : given;
  return ((after & allowed) | (before & ~allowed)) >>> 0;
}
