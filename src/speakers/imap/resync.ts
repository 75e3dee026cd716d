// What a client with a cached mailbox is told to catch up (RFC 7162 3.2.5, 3.2.6): the UIDs that vanished since a
// mod-sequence, and the messages that changed. Invariant: a UID of the view is never told as vanished earlier, so what is
// expunged meanwhile is told by the view's own updates. Failures of the account pass through, before anything is written.

import type { MailboxChanges } from '../../account/port.ts';
import type { ModSeq } from '../../mail/ids.ts';
import type { QresyncParameters } from '../../wire/imap/mailbox-command.ts';
import { formatRanges, type SequenceSet, sequenceRanges } from '../../wire/imap/sequence-set.ts';
import { tellFlagLines } from './fetch/flag-lines.ts';
import { flagsResponses } from './flag-text.ts';
import { type ImapSession, viewOf } from './session.ts';
import type { MailboxView } from './view.ts';

/** What changed since `modSeq` for a client that knows `uids` (undefined: all that were ever given). */
export interface Resync {
  /** Inclusive pairs, ascending. */
  readonly vanished: readonly number[];
  readonly changes: MailboxChanges;
  /** Rows of `changes.changed` to tell. */
  readonly rows: readonly number[];
}

export async function resyncSince(
  view: MailboxView,
  known: { readonly modSeq: number; readonly uids: SequenceSet | undefined; readonly seenUpTo: number },
): Promise<Resync> {
  const changes = await view.account.changesSince(view.mailboxId, known.modSeq as ModSeq);
  const last = view.uidNext - 1;
  const ranges = known.uids === undefined ? (last === 0 ? [] : [1, last]) : sequenceRanges(known.uids, last);
  const asked = clipped(ranges, known.seenUpTo + 1, last);
  const vanished = changes.incomplete ? withoutUids(asked, view) : pairsOf(changes.vanished, asked, view);
  const rows: number[] = [];
  const { uids } = changes.changed;
  const isAsked = memberOf(ranges);
  for (let row = 0; row < uids.length; row++) {
    if (view.sequenceOf(uids[row]!) !== 0 && isAsked(uids[row]!)) rows.push(row);
  }
  return { vanished, changes, rows };
}

/** `* VANISHED (EARLIER) 41,43:116`; '' when none did. */
export function vanishedEarlier({ vanished }: Resync): string {
  return vanished.length === 0 ? '' : `* VANISHED (EARLIER) ${formatRanges(vanished)}\r\n`;
}

export async function tellResync(session: ImapSession, resync: Resync): Promise<void> {
  session.connection.write(vanishedEarlier(resync));
  const { changed: columns, keywords } = resync.changes;
  const view = viewOf(session);
  if (view.learns(keywords)) session.connection.write(flagsResponses(view));
  await tellFlagLines(session, { columns, rows: resync.rows, keywords, hasFlags: true });
}

/**
 * The highest UID that the client has under the number it has here (RFC 7162 3.2.5.2): it knows of all expunges below.
 * Walks no more than the view has, however large the sets.
 */
export function matchedUpTo(match: QresyncParameters['match'], view: MailboxView): number {
  if (match === undefined) return 0;
  const sequences = match.sequences.ranges;
  const uids = match.uids.ranges;
  let matched = 0;
  let place = 0;
  let [sequenceTaken, uidTaken] = [0, 0];
  for (let at = 0; at < sequences.length && place < uids.length; ) {
    const sequence = sequences[at]! + sequenceTaken;
    const uid = uids[place]! + uidTaken;
    const run = Math.min(sequences[at + 1]! - sequence, uids[place + 1]! - uid) + 1;
    // Both must ascend; a client that does not keep the rule gets no help from it.
    if (run <= 0 || sequence > view.count) return matched;
    for (let step = Math.min(run, view.count - sequence + 1) - 1; step >= 0; step--) {
      if (view.uids[sequence + step - 1] !== uid + step) continue;
      matched = Math.max(matched, uid + step);
      break;
    }
    sequenceTaken += run;
    uidTaken += run;
    if (sequences[at]! + sequenceTaken > sequences[at + 1]!) {
      at += 2;
      sequenceTaken = 0;
    }
    if (uids[place]! + uidTaken > uids[place + 1]!) {
      place += 2;
      uidTaken = 0;
    }
  }
  return matched;
}

/** Ascending pairs cut to those from `low` to `high`. */
function clipped(pairs: readonly number[], low: number, high: number): number[] {
  const kept: number[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    const from = Math.max(pairs[at]!, low);
    const to = Math.min(pairs[at + 1]!, high);
    if (from <= to) kept.push(from, to);
  }
  return kept;
}

/** Pairs without the UIDs of the view: no more than it has messages, and one for each pair given. */
function withoutUids(pairs: readonly number[], view: MailboxView): number[] {
  const { uids } = view;
  const left: number[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    let from = pairs[at]!;
    const to = pairs[at + 1]!;
    for (let index = view.indexFrom(from); index < uids.length && uids[index]! <= to; index++) {
      if (uids[index]! > from) left.push(from, uids[index]! - 1);
      from = uids[index]! + 1;
    }
    if (from <= to) left.push(from, to);
  }
  return left;
}

/** Ascending UIDs that were asked for and are not in the view, as pairs. */
function pairsOf(vanished: Uint32Array, asked: readonly number[], view: MailboxView): number[] {
  const isAsked = memberOf(asked);
  const pairs: number[] = [];
  for (let at = 0; at < vanished.length; at++) {
    const uid = vanished[at]!;
    if (!isAsked(uid) || view.sequenceOf(uid) !== 0) continue;
    if (pairs.length > 0 && pairs[pairs.length - 1] === uid - 1) pairs[pairs.length - 1] = uid;
    else pairs.push(uid, uid);
  }
  return pairs;
}

/** Whether a number is in ascending pairs; numbers must be asked in ascending order. */
function memberOf(pairs: readonly number[]): (number: number) => boolean {
  let at = 0;
  return (number) => {
    while (at < pairs.length && pairs[at + 1]! < number) at += 2;
    return at < pairs.length && pairs[at]! <= number;
  };
}
