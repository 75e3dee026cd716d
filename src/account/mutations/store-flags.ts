// Changes flags of messages (RFC 9051 6.4.6, RFC 7162 3.1.3). A message whose flags do not change keeps its
// mod-sequence, so that no session is told of it.
// Refuses: noSuchMailbox, invalidArgument, tooManyKeywords.

import { everyFlag, type FlagBits } from '../../mail/flags.ts';
import type { ModSeq } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { StoredFlags, StoreFlagsOptions } from '../port.ts';
import { decodeRuns, encodeRuns, type OperationResult } from '../records/operation-record.ts';
import { KeywordPlaces, resolveFlags } from '../table/keyword-table.ts';
import type { Draft } from '../writing/draft.ts';
import type { DraftMailbox } from '../writing/draft-mailbox.ts';
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
    result: ({ modified, modSeqBefore, modSeqAfter }): OperationResult => [
      encodeRuns(modified),
      modSeqBefore,
      modSeqAfter,
    ],
    async replay(result, draft) {
      const mailbox = mailboxOf(draft, options.mailboxId);
      await draft.loadTable(mailbox);
      const modified = decodeRuns(result[0] as readonly number[]);
      const messages = mailbox.selectFlags(without(options.uids, modified));
      // Operations of before have one or two members: everything may be news then.
      const modSeqBefore = (result[1] ?? mailbox.record.highestModSeq) as ModSeq;
      const modSeqAfter = (result[2] ?? modSeqBefore) as ModSeq;
      const missing = without(without(options.uids, modified), messages.uids);
      return { messages, modified, missing, keywords: mailbox.record.keywords, modSeqBefore, modSeqAfter };
    },
  };
}

/** Both ascend. */
function without(uids: Uint32Array, left: Uint32Array): Uint32Array {
  if (left.length === 0) return uids;
  let at = 0;
  return uids.filter((uid) => {
    while (at < left.length && left[at]! < uid) at++;
    return left[at] !== uid;
  });
}

function applyFlags(
  draft: Draft,
  mailbox: DraftMailbox,
  options: StoreFlagsOptions & { readonly allowed: FlagBits },
): StoredFlags {
  const { mode, unchangedSince, allowed } = options;
  const { record } = mailbox;
  const modSeqBefore = record.highestModSeq as ModSeq;
  const places = new KeywordPlaces(record.keywords, () => mailbox.flagsInUse());
  const { low, high } = resolveFlags(options.flags, places, mode !== 'remove');
  const changeLow = bitChange(mode, low, allowed.low);
  const changeHigh = bitChange(mode, high, allowed.high);
  const messages = mailbox.selectFlags(options.uids);
  const { uids, flagsLow, flagsHigh, modSeqs } = messages;
  const modified: number[] = [];
  let modSeq = 0;
  for (let at = 0; at < uids.length; at++) {
    if (unchangedSince !== undefined && modSeqs[at]! > unchangedSince) {
      modified.push(uids[at]!);
      continue;
    }
    const afterLow = ((flagsLow[at]! & changeLow.kept) | changeLow.set) >>> 0;
    const afterHigh = ((flagsHigh[at]! & changeHigh.kept) | changeHigh.set) >>> 0;
    if (afterLow === flagsLow[at] && afterHigh === flagsHigh[at]) continue;
    if (modSeq === 0) modSeq = draft.nextModSeq();
    flagsLow[at] = afterLow;
    flagsHigh[at] = afterHigh;
    modSeqs[at] = modSeq;
  }
  if (modSeq !== 0) {
    mailbox.changeFlags(messages, modSeq);
    // A keyword nobody bears after all (all messages were left alone) takes no bit.
    record.keywords = places.keywords;
  }
  const left = Uint32Array.from(modified);
  return {
    messages: left.length === 0 ? messages : mailbox.selectFlags(without(uids, left)),
    modified: left,
    missing: uids.length === options.uids.length ? new Uint32Array() : without(options.uids, uids),
    keywords: record.keywords,
    modSeqBefore,
    modSeqAfter: record.highestModSeq as ModSeq,
  };
}

/** A message's bits become those that are kept, and those that are set. */
function bitChange(mode: StoreFlagsOptions['mode'], given: number, allowed: number) {
  const set = mode === 'remove' ? 0 : given & allowed;
  if (mode === 'add') return { kept: -1, set };
  return { kept: mode === 'remove' ? ~(given & allowed) : ~allowed, set };
}
