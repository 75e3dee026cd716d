// Stores new messages in one mailbox, all or none (RFC 9051 6.3.12, RFC 3502). Quota is checked here, in the account's
// order of decisions, so that concurrent deliveries cannot pass it together.
// Refuses: noSuchMailbox, mailboxNotSelectable, noSuchMessage, overQuota, invalidArgument, tooManyKeywords, limitReached.

import type { FlagBits } from '../../mail/flags.ts';
import type { EmailId, MailboxId, ModSeq, ThreadId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Condition, Entry } from '../../storage/engine.ts';
import { normalTarget } from '../mailbox-name.ts';
import type { Appended, AppendOptions, NewMessage, ReplaceOptions } from '../port.ts';
import { encodeContent, encodeSentSize, encodeSummaryRecord } from '../records/email-record.ts';
import type { OperationResult } from '../records/operation-record.ts';
import { threadHashesOf } from '../records/thread-row.ts';
import { KeywordPlaces, mayLackPlaces, resolveFlags } from '../table/keyword-table.ts';
import type { Draft } from '../writing/draft.ts';
import { type DraftMailbox, uidMax } from '../writing/draft-mailbox.ts';
import { expungeRows } from './expunge.ts';
import type { Mutation } from './mutation.ts';
import { mailboxOf } from './store-flags.ts';

interface Links {
  readonly puts: readonly Entry[];
  readonly conditions: readonly Condition[];
}
const noLinks: Links = { puts: [], conditions: [] };

/**
 * The mutation of an append. Messages above `inlineBytesMax` must be in the blob store already. `find`: the mailbox they come
 * into, when it is not the target.
 */
export function appendMutation(
  options: AppendOptions | ReplaceOptions,
  inlineBytesMax: number,
  find: (draft: Draft) => DraftMailbox = (draft) => targetOf(draft, options),
): Mutation<Appended> {
  const hashes = options.messages.map((message) => threadHashesOf(message.prepared));
  const large = options.messages.filter((message) => message.prepared.bytes.length > inlineBytesMax);
  let bytes = 0;
  for (const { prepared } of options.messages) {
    bytes += prepared.summary.length + Math.min(prepared.bytes.length, inlineBytesMax);
  }
  return {
    name: 'append',
    operation: options.operation,
    bytes,
    threadHashes: hashes.flat(),
    blobs: large.map((message) => message.prepared),
    decide: (draft) => decideAppend(draft, find(draft), options, { hashes, inlineBytesMax }),
    result: ({ mailboxId, uidValidity, uids, emailIds, modSeq }): OperationResult => [
      mailboxId,
      uidValidity,
      uids[0] ?? 0,
      emailIds[0] ?? 0,
      uids.length,
      modSeq,
    ],
    replay(result) {
      const [mailboxId, uidValidity, uid, emailId, count, modSeq] = result as readonly number[];
      return appended({ mailboxId, uidValidity, uid, emailId, count, modSeq } as AppendedRun);
    },
  };
}

interface AppendedRun {
  readonly mailboxId: number;
  readonly uidValidity: number;
  readonly uid: number;
  readonly emailId: number;
  readonly count: number;
  readonly modSeq: number;
}

/** The messages of one append have consecutive uids and email ids. */
function appended({ mailboxId, uidValidity, uid, emailId, count, modSeq }: AppendedRun): Appended {
  const uids = new Uint32Array(count);
  const emailIds = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    uids[index] = uid + index;
    emailIds[index] = emailId + index;
  }
  return { mailboxId: mailboxId as MailboxId, uidValidity, uids, emailIds, modSeq: modSeq as ModSeq };
}

function targetOf(draft: Draft, options: AppendOptions): DraftMailbox {
  const found = draft.find(normalTarget(options.target));
  const usable = found?.record.selectable ? found : undefined;
  const mailbox = usable ?? (options.orInbox ? draft.find({ role: 'inbox' }) : undefined);
  if (mailbox !== undefined) return mailbox;
  if (found !== undefined)
    throw new MailError('mailboxNotSelectable', 'the mailbox is only a place for others');
  throw new MailError('noSuchMailbox', 'no such mailbox');
}

/** Refuses when the messages do not fit in the quota any more. */
export function checkQuota(draft: Draft, bytes: number, messages: number): void {
  const { bytesMax, messagesMax, bytesUsed, messagesUsed } = draft.account;
  if (bytesMax !== undefined && bytesUsed + bytes > bytesMax)
    throw new MailError('overQuota', 'no room in bytes');
  if (messagesMax !== undefined && messagesUsed + messages > messagesMax) {
    throw new MailError('overQuota', 'no room in messages');
  }
}

interface Given {
  /** Of each message. */
  readonly hashes: readonly (readonly number[])[];
  readonly inlineBytesMax: number;
}

function decideAppend(
  draft: Draft,
  mailbox: DraftMailbox,
  options: AppendOptions | ReplaceOptions,
  given: Given,
): Appended | Promise<Appended> {
  if ('replaces' in options) return decideReplace(draft, mailbox, options, given);
  const { messages } = options;
  if (options.ifNew === true) return appendIfNew(draft, mailbox, messages, given);
  if (!needsTable(mailbox, messages)) return appendNew(draft, mailbox, messages, given);
  return draft.loadTable(mailbox).then(() => appendNew(draft, mailbox, messages, given));
}

/** Of two that come at once the second finds the first one: decisions are made one after the other. */
async function appendIfNew(
  draft: Draft,
  mailbox: DraftMailbox,
  messages: readonly NewMessage[],
  given: Given,
): Promise<Appended> {
  const [message] = messages;
  if (message === undefined || messages.length > 1)
    throw new MailError('invalidArgument', 'one message at a time is looked for');
  await draft.loadTable(mailbox);
  const { bytes, digest } = message.prepared;
  const alike = mailbox.emailsOfSize(bytes.length);
  await draft.loadEmails(alike);
  const isThere = alike.some((id) => draft.email(id)?.digest.every((byte, at) => byte === digest[at]));
  if (!isThere) return appendNew(draft, mailbox, messages, given);
  const { id: mailboxId, uidValidity, uidNext: uid, highestModSeq: modSeq } = mailbox.record;
  return appended({ mailboxId, uidValidity, uid, emailId: draft.account.nextEmailId, count: 0, modSeq });
}

/** Nearly always a delivery does without the columns; but who looks for a keyword's place must know what is in use. */
function needsTable({ record }: DraftMailbox, messages: readonly NewMessage[]): boolean {
  return mayLackPlaces(
    messages.flatMap(({ flags }) => flags),
    record.keywords,
  );
}

function appendNew(
  draft: Draft,
  mailbox: DraftMailbox,
  messages: readonly NewMessage[],
  { hashes, inlineBytesMax }: Given,
): Appended | Promise<Appended> {
  const flags = checkAppend(draft, mailbox, messages, noneGoes);
  if (messages.every((message) => message.prepared.bytes.length <= inlineBytesMax)) {
    return applyAppend(draft, mailbox, messages, { hashes, flags, links: [] });
  }
  return linkBlobs(draft, messages, inlineBytesMax).then((links) =>
    applyAppend(draft, mailbox, messages, { hashes, flags, links }),
  );
}

/** The new messages come, then the other goes: one change, before which everything was checked. */
async function decideReplace(
  draft: Draft,
  mailbox: DraftMailbox,
  options: ReplaceOptions,
  { hashes, inlineBytesMax }: Given,
): Promise<Appended> {
  const { messages } = options;
  const { mailboxId, uid } = options.replaces;
  const source = mailboxOf(draft, mailboxId);
  await draft.loadTable(source);
  const row = source.row(uid);
  if (row === undefined) throw new MailError('noSuchMessage', 'the message to replace is gone');
  await draft.loadEmails([row.emailId]);
  const goes = (draft.email(row.emailId)?.memberships.length ?? 0) <= 2;
  if (needsTable(mailbox, messages)) await draft.loadTable(mailbox);
  const flags = checkAppend(draft, mailbox, messages, goes ? { bytes: row.size, messages: 1 } : noneGoes);
  const links = await linkBlobs(draft, messages, inlineBytesMax);
  const done = applyAppend(draft, mailbox, messages, { hashes, flags, links });
  await expungeRows(draft, source, [row]);
  return done;
}

const noneGoes = { bytes: 0, messages: 0 };

/** The flags of new messages, and the mailbox's table that has them all. */
interface NewFlags {
  readonly bits: readonly FlagBits[];
  readonly keywords: readonly string[];
}

function checkAppend(
  draft: Draft,
  mailbox: DraftMailbox,
  messages: readonly NewMessage[],
  goes: { readonly bytes: number; readonly messages: number },
): NewFlags {
  let bytes = 0;
  for (const { prepared } of messages) bytes += prepared.bytes.length;
  checkQuota(draft, bytes - goes.bytes, messages.length - goes.messages);
  if (mailbox.record.uidNext + messages.length > uidMax)
    throw new MailError('limitReached', 'the mailbox is out of UIDs');
  const places = new KeywordPlaces(mailbox.record.keywords, () => mailbox.flagsInUse());
  const bits = messages.map(({ flags }) => resolveFlags(flags, places, true));
  return { bits, keywords: places.keywords };
}

/** Links of the messages that are blobs; undefined for the others. */
async function linkBlobs(draft: Draft, messages: readonly NewMessage[], inlineBytesMax: number) {
  const links: (Links | undefined)[] = [];
  let emailId = draft.account.nextEmailId;
  for (const { prepared } of messages) {
    const holder = draft.blobHolder(emailId++);
    const isBlob = prepared.bytes.length > inlineBytesMax;
    links.push(isBlob ? await draft.context.blobs.link(prepared.digest, holder) : undefined);
  }
  return links;
}

interface Placing {
  readonly hashes: readonly (readonly number[])[];
  readonly flags: NewFlags;
  readonly links: readonly (Links | undefined)[];
}

function applyAppend(
  draft: Draft,
  mailbox: DraftMailbox,
  messages: readonly NewMessage[],
  placing: Placing,
): Appended {
  const { record } = mailbox;
  const { account } = draft;
  const first = { uid: record.uidNext, emailId: account.nextEmailId };
  const modSeq = draft.nextModSeq();
  const saveDate = draft.nowSeconds;
  record.keywords = placing.flags.keywords;
  for (let index = 0; index < messages.length; index++) {
    const { prepared, internalDate } = messages[index]!;
    const bits = placing.flags.bits[index]!;
    const emailId = account.nextEmailId++;
    const uid = record.uidNext;
    const size = prepared.bytes.length;
    mailbox.add({
      uid,
      flagsLow: bits.low,
      flagsHigh: bits.high,
      modSeq,
      size,
      internalDate: internalDate ?? saveDate,
      saveDate,
      emailId,
    });
    const { threadId, owned } = joinThread(draft, emailId as EmailId, placing.hashes[index]!);
    const link = placing.links[index];
    const { keys } = draft.state;
    const summary = encodeSummaryRecord({ ...prepared, threadId });
    const puts = [{ key: keys.summary(emailId), value: summary }];
    if (link === undefined) puts.push({ key: keys.content(emailId), value: encodeContent(prepared) });
    const { sentSize } = prepared;
    if (sentSize !== undefined) puts.push({ key: keys.sentSize(emailId), value: encodeSentSize(sentSize) });
    draft.createEmail(
      emailId,
      {
        threadId,
        size,
        digest: prepared.digest,
        inline: link === undefined,
        sentOtherwise: sentSize !== undefined,
        isNulFree: prepared.isNulFree,
        createdModSeq: modSeq,
        threadHashes: owned,
        memberships: [mailbox.id, uid],
      },
      {
        puts: link === undefined ? puts : [...puts, ...link.puts],
        conditions: (link ?? noLinks).conditions,
        summary,
      },
    );
  }
  const { id: mailboxId, uidValidity } = record;
  return appended({ mailboxId, uidValidity, ...first, count: messages.length, modSeq });
}

/** The thread of the first known hash, or a new one; takes the hashes that nobody has. */
export function joinThread(draft: Draft, emailId: EmailId, hashes: readonly number[]) {
  let threadId: number | undefined;
  for (const hash of hashes) threadId ??= draft.threads.get(hash)?.threadId;
  threadId ??= emailId;
  const owned: number[] = [];
  for (const hash of hashes) {
    if (draft.threads.get(hash) !== undefined) continue;
    draft.setThread(hash, { threadId, emailId });
    owned.push(hash);
  }
  return { threadId: threadId as ThreadId, owned };
}
