// Copies or moves messages between mailboxes of the account: memberships, never bytes. A copy is one commit whatever
// its size, all or nothing (RFC 9051 6.4.7); a move may be several, each message is in one place at any time (RFC 6851 3.3).
// Refuses: noSuchMailbox, mailboxNotSelectable, limitReached.

import { Slicer } from '../../base/slicer.ts';
import { everyFlag, type FlagBits } from '../../mail/flags.ts';
import type { MailboxId, ModSeq } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import { normalTarget } from '../mailbox-name.ts';
import type { Copied, CopyOptions, MailboxTarget, MessageColumns } from '../port.ts';
import { decodeRuns, encodeRuns, type OperationResult } from '../records/operation-record.ts';
import { FlagTranslation, KeywordPlaces } from '../table/keyword-table.ts';
import { rowOf } from '../table/message-columns.ts';
import type { Draft } from '../writing/draft.ts';
import { type DraftMailbox, uidMax } from '../writing/draft-mailbox.ts';
import { stagedCopy } from '../writing/staged-copy.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

export interface CopyManner {
  /** Write ahead of the commit, for a copy too large for one batch. */
  readonly staged?: boolean;
  /** The flags that the copies may have. */
  readonly allowed?: FlagBits | undefined;
}

export function copyMutation(
  options: CopyOptions,
  { staged = false, allowed = everyFlag }: CopyManner = {},
): Mutation<Copied> {
  return {
    exclusive: staged,
    name: options.move ? 'move' : 'copy',
    operation: options.operation,
    bytes: options.uids.length * 400,
    decide: (draft) => copyFrom(draft, mailboxOf(draft, options.from), { ...options, staged, allowed }),
    result: resultOfCopy,
    replay: replayedCopy,
  };
}

export function resultOfCopy({ to, uidValidity, sourceUids, targetUids, modSeq }: Copied): OperationResult {
  return [to, uidValidity, encodeRuns(sourceUids), encodeRuns(targetUids), modSeq];
}

export function replayedCopy(result: OperationResult): Copied {
  const [to, uidValidity, sourceUids, targetUids, modSeq] = result;
  return {
    to: to as MailboxId,
    uidValidity: uidValidity as number,
    sourceUids: decodeRuns(sourceUids as readonly number[]),
    targetUids: decodeRuns(targetUids as readonly number[]),
    modSeq: modSeq as ModSeq,
  };
}

interface CopyChoice extends Pick<CopyOptions, 'to' | 'move'> {
  /** Undefined: all of the source. */
  readonly uids: Uint32Array | undefined;
  /** As in CopyManner. */
  readonly staged: boolean;
  readonly allowed: FlagBits;
}

/** Refuses before anything is changed. */
export async function copyFrom(
  draft: Draft,
  source: DraftMailbox,
  { uids, to, move, staged, allowed }: CopyChoice,
): Promise<Copied> {
  const target = targetOf(draft, to);
  await draft.loadTable(source);
  await draft.loadTable(target);
  const messages = source.select(uids ?? source.uids());
  if (target.record.uidNext + messages.uids.length > uidMax)
    throw new MailError('limitReached', 'the mailbox is out of UIDs');
  if (staged) return stagedCopy(draft, { source, target, messages, allowed });
  await draft.loadEmails([...messages.emailIds]);
  return applyCopy(draft, { source, target, messages, allowed, move });
}

function targetOf(draft: Draft, to: MailboxTarget): DraftMailbox {
  const target = draft.find(normalTarget(to));
  if (target === undefined) throw new MailError('noSuchMailbox', 'no such mailbox');
  if (!target.record.selectable)
    throw new MailError('mailboxNotSelectable', 'the mailbox is only a place for others');
  return target;
}

export interface CopyWork {
  readonly source: DraftMailbox;
  readonly target: DraftMailbox;
  readonly messages: MessageColumns;
  readonly allowed: FlagBits;
  readonly move: boolean;
}

/** The emails are loaded. Sliced: nothing else of this account is decided meanwhile, others go on. */
async function applyCopy(draft: Draft, work: CopyWork): Promise<Copied> {
  const { source, target, messages, allowed, move } = work;
  const places = new KeywordPlaces(target.record.keywords, () => target.flagsInUse());
  const translation = new FlagTranslation(source.record.keywords, places, allowed);
  const slicer = new Slicer(draft.context.clock);
  const { id, uidValidity } = target.record;
  const sourceUids = messages.uids;
  const targetUids = new Uint32Array(sourceUids.length);
  const done = { to: id as MailboxId, uidValidity, sourceUids, targetUids };
  if (sourceUids.length === 0) return { ...done, modSeq: target.record.highestModSeq as ModSeq };
  const modSeq = draft.nextModSeq();
  const saveDate = draft.nowSeconds;
  for (let index = 0; index < sourceUids.length; index++) {
    const row = rowOf(messages, index);
    const flags = translation.translate(row.flagsLow, row.flagsHigh);
    const uid = target.record.uidNext;
    target.add({ ...row, uid, modSeq, saveDate, flagsLow: flags.low, flagsHigh: flags.high });
    draft.addMembership(row.emailId, id, uid);
    if (move) {
      source.expunge(row, modSeq);
      draft.removeMembership(row.emailId, source.id, row.uid);
    }
    targetUids[index] = uid;
    if ((index & 255) === 255 && slicer.due()) await slicer.rest();
  }
  target.record.keywords = places.keywords;
  return { ...done, modSeq: modSeq as ModSeq };
}
