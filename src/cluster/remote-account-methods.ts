// The account port as it crosses links: one table of methods with what may come in as arguments and as results, which of
// them only read, and how long an answer may take. Whoever adds a method to the port adds it here.
// Invariant: nothing that another node sent reaches an account host, or a speaker, unchecked: a node of another version
// or with a bug is refused. Unknown members of objects are dropped: a newer node may send more.
// Parsing fails with MailError invalidArgument (arguments) or a Fault (results).

import { z } from 'zod';
import type { AccountPort } from '../account/port.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { sortCriteriaMax, sortFields, threadAlgorithms } from '../mail/message-order.ts';
import {
  accountId,
  appended,
  bytes,
  checked,
  chosenHeaderFields,
  columns,
  copied,
  isEven,
  isNulFree,
  listOf,
  mailboxColumns,
  mailboxInfo,
  messageFlags,
  newMessage,
  operation,
  resultOf,
  rights,
  role,
  searchKey,
  target,
  text,
  texts,
  uint32s,
  whole,
} from './remote-account-values.ts';

/** `watch` and `lockMaildrop` are held streams, see account-service.ts. */
export type AccountMethod = Exclude<keyof AccountPort, 'accountId' | 'watch' | 'lockMaildrop'>;

interface MethodShape {
  readonly arguments: z.ZodType;
  readonly result: z.ZodType;
  readonly isRead: boolean;
  /** From the call to its answer, moves of the account included. */
  readonly answerMs: number;
  /** What the caller lets the answer have, where it says so. */
  readonly answerBytes?: (given: readonly unknown[]) => number;
}

/** What answers from memory or with one read or commit; and what may go through a whole mailbox. */
const answerMsQuick = 30_000;
const answerMsLong = 300_000;

const nothing = z.undefined();
/** readSummaries and readMessages. */
const thirdArgument = (given: readonly unknown[]): number => given[2] as number;

const read = (given: z.ZodType, result: z.ZodType, answerMs = answerMsQuick): MethodShape => ({
  arguments: given,
  result,
  isRead: true,
  answerMs,
});
const change = (given: z.ZodType, result: z.ZodType, answerMs = answerMsQuick): MethodShape => ({
  arguments: z.tuple([given]),
  result,
  isRead: false,
  answerMs,
});

export const accountMethods: Readonly<Record<AccountMethod, MethodShape>> = {
  listMailboxes: read(
    z.tuple([]),
    z.object({ mailboxes: z.array(mailboxInfo), subscriptions: texts, modSeq: whole }),
  ),
  findMailbox: read(z.tuple([target]), mailboxInfo.optional()),
  createMailbox: change(z.object({ operation, name: text, role: role.optional() }), mailboxInfo),
  renameMailbox: change(z.object({ operation, from: text, to: text }), mailboxInfo, answerMsLong),
  deleteMailbox: change(z.object({ operation, name: text }), nothing, answerMsLong),
  setSubscribed: change(z.object({ operation, name: text, subscribed: z.boolean() }), nothing),
  openMailbox: read(
    z.tuple([target, z.object({ claimRecent: operation.or(z.literal(false)) })]),
    z.object({ info: mailboxInfo, uids: uint32s, recentFrom: whole, firstUnseen: whole.optional() }),
  ),
  columns: read(z.tuple([whole, uint32s.optional()]), mailboxColumns),
  sentSizes: read(
    z.tuple([whole]),
    z.object({ uids: uint32s, sizes: uint32s, surrogateSizes: uint32s }).refine(isEven),
  ),
  changesSince: read(
    z.tuple([whole, whole, z.object({ claimRecent: z.boolean() }).optional()]),
    z.object({
      exists: z.boolean(),
      uidValidity: whole,
      modSeq: whole,
      uidNext: whole,
      keywords: texts,
      changed: columns,
      vanished: uint32s,
      incomplete: z.boolean(),
      recentFrom: whole.optional(),
      rights,
    }),
  ),
  append: change(
    z.object({
      operation,
      target,
      messages: listOf(newMessage),
      orInbox: z.boolean().optional(),
      ifNew: z.boolean().optional(),
    }),
    appended,
    answerMsLong,
  ),
  stage: change(
    z.object({ operation, staging: operation, target, from: whole, messages: listOf(newMessage) }),
    nothing,
    answerMsLong,
  ),
  appendStaged: change(
    z.object({ operation, staging: operation, target, messages: whole }),
    copied,
    answerMsLong,
  ),
  discardStaged: change(z.object({ staging: operation }), nothing, answerMsLong),
  storeFlags: change(
    z.object({
      operation,
      mailboxId: whole,
      uids: uint32s,
      mode: z.enum(['add', 'remove', 'replace']),
      flags: texts,
      unchangedSince: whole.optional(),
    }),
    z.object({
      messages: messageFlags,
      modified: uint32s,
      keywords: texts,
      missing: uint32s,
      modSeqBefore: whole,
      modSeqAfter: whole,
    }),
    answerMsLong,
  ),
  copy: change(
    z.object({ operation, from: whole, uids: uint32s, to: target, move: z.boolean() }),
    copied,
    answerMsLong,
  ),
  expunge: change(
    z.object({ operation, mailboxId: whole, uids: uint32s.optional(), anyFlags: z.boolean() }),
    z.object({ uids: uint32s, modSeq: whole }),
    answerMsLong,
  ),
  readSummaries: {
    ...read(
      z.tuple([whole, uint32s, whole]),
      z.array(
        z.object({ uid: whole, emailId: whole, threadId: whole, summary: bytes.optional(), isNulFree }),
      ),
    ),
    answerBytes: thirdArgument,
  },
  readHeaderFields: {
    ...read(
      z.tuple([
        whole,
        uint32s,
        z.object({ choice: z.object({ names: texts, matching: z.boolean() }), bytesMax: whole }),
      ]),
      chosenHeaderFields,
    ),
    answerBytes: (given) => (given[2] as { bytesMax: number }).bytesMax,
  },
  readMessages: {
    ...read(
      z.tuple([whole, uint32s, whole]),
      z.array(z.object({ uid: whole, bytes: bytes.optional(), size: whole, isNulFree })),
    ),
    answerBytes: thirdArgument,
  },
  readRange: {
    ...read(z.tuple([whole, whole, z.object({ offset: whole, length: whole })]), bytes.optional()),
    answerBytes: (given) => (given[2] as { length: number }).length,
  },
  replace: change(
    z.object({
      operation,
      target,
      messages: listOf(newMessage),
      orInbox: z.boolean().optional(),
      replaces: z.object({ mailboxId: whole, uid: whole }),
    }),
    appended,
    answerMsLong,
  ),
  search: read(z.tuple([whole, searchKey]), uint32s, answerMsLong),
  sort: read(
    z.tuple([
      whole,
      z.object({
        key: searchKey,
        criteria: z.array(z.object({ field: z.enum(sortFields), reverse: z.boolean() })).max(sortCriteriaMax),
        favoured: searchKey.optional(),
      }),
    ]),
    uint32s,
    answerMsLong,
  ),
  thread: read(
    z.tuple([whole, z.object({ key: searchKey, algorithm: z.enum(threadAlgorithms) })]),
    uint32s,
    answerMsLong,
  ),
  searchIndex: read(
    z.tuple([]),
    z.object({
      messages: whole,
      waiting: whole,
      isBuilding: z.boolean(),
      segments: whole,
      bytes: whole,
      version: whole,
    }),
  ),
  rebuildSearchIndex: { arguments: z.tuple([]), result: nothing, isRead: false, answerMs: answerMsQuick },
  annotations: read(z.tuple([whole.optional()]), z.array(z.object({ name: text, value: bytes }))),
  setAnnotations: change(
    z.object({
      operation,
      mailboxId: whole.optional(),
      changes: listOf(z.object({ name: text, value: bytes.optional() })),
    }),
    whole.optional(),
  ),
  acl: read(z.tuple([whole]), z.array(z.object({ identifier: text, rights: text }))),
  setAcl: change(
    z.object({
      operation,
      mailboxId: whole,
      identifier: text,
      mode: z.enum(['add', 'remove', 'replace']),
      rights: text,
    }),
    nothing,
  ),
  accountsSharedWithMe: read(
    z.tuple([]),
    z.array(z.object({ accountId, address: text, shared: z.boolean() })),
  ),
  quota: read(
    z.tuple([]),
    z.object({
      bytesUsed: whole,
      messagesUsed: whole,
      bytesMax: whole.optional(),
      messagesMax: whole.optional(),
    }),
  ),
  setQuota: change(
    z.object({ operation, bytesMax: whole.optional(), messagesMax: whole.optional() }),
    nothing,
  ),
};

export function accountMethodNamed(name: string): AccountMethod {
  if (!Object.hasOwn(accountMethods, name)) throw new MailError('notSupported', 'no such method of accounts');
  return name as AccountMethod;
}

const request = z.tuple([accountId, z.unknown(), accountId.optional()]);

export interface AccountRequest {
  readonly accountId: AccountId;
  readonly given: unknown;
  /** Who acts, when that is not the owner. Undefined: with all rights. */
  readonly actor: AccountId | undefined;
}

/** A node that knows no actors refuses a request with one. */
export function formatAccountRequest({ accountId: id, given, actor }: AccountRequest): readonly unknown[] {
  return actor === undefined ? [id, given] : [id, given, actor];
}

/** What a call carries: the account, what the method is given, and for whom. */
export function parseAccountRequest(wire: unknown): AccountRequest {
  const [id, given, actor] = checked(request, wire);
  return { accountId: id as AccountId, given, actor: actor as AccountId | undefined };
}

export function parseArguments(method: AccountMethod, given: unknown): readonly unknown[] {
  return checked(accountMethods[method].arguments, given) as readonly unknown[];
}

export function parseResult(method: AccountMethod, wire: unknown): unknown {
  return resultOf(accountMethods[method].result, wire, method);
}
