// The account port as it crosses links: one table of methods with what may come in as arguments and as results, which of
// them only read, and how long an answer may take. Whoever adds a method to the port adds it here.
// Invariant: nothing that another node sent reaches an account host, or a speaker, unchecked: a node of another version
// or with a bug is refused. Unknown members of objects are dropped: a newer node may send more.
// Parsing fails with MailError invalidArgument (arguments) or a Fault (results).

import { z } from 'zod';
import type { AccountPort } from '../account/port.ts';
import { Fault } from '../base/fault.ts';
import type { AccountId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import { sortCriteriaMax, sortFields, threadAlgorithms } from '../mail/message-order.ts';
import { allRights } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { isSearchKey } from './is-search-key.ts';
import type { NodeSessions } from './session-census.ts';

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

const whole = z.custom<number>((value) => Number.isSafeInteger(value) && (value as number) >= 0);
const text = z.string();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const uint32s = z.custom<Uint32Array>((value) => value instanceof Uint32Array);
const float64s = z.custom<Float64Array>((value) => value instanceof Float64Array);
const texts = z.array(text);
const accountId = z.string().regex(/^[a-z2-7]{16}$/);

/** Printable ASCII; chunks of a long mutation add a few characters to the caller's (changes-in-chunks.ts). */
const operation = z.string().regex(/^[\x20-\x7e]{1,80}$/);
const role = z.enum(['inbox', 'drafts', 'sent', 'junk', 'trash', 'archive', 'all', 'flagged', 'important']);
const target = z.union([z.object({ id: whole }), z.object({ name: text }), z.object({ role })]);

/** From a node that does not know of rights whoever asks is the owner. */
const rights = text.default(allRights);

const mailboxInfo = z.object({
  id: whole,
  name: text,
  role: role.optional(),
  selectable: z.boolean(),
  uidValidity: whole,
  uidNext: whole,
  highestModSeq: whole,
  messages: whole,
  unseen: whole,
  deleted: whole,
  bytes: whole,
  keywords: texts,
  rights,
});

/** Columns of one table. */
const isEven = (given: { readonly uids: Uint32Array }): boolean =>
  Object.values(given).every(({ length }) => length === given.uids.length);

const columns = z
  .object({
    uids: uint32s,
    flagsLow: uint32s,
    flagsHigh: uint32s,
    modSeqs: float64s,
    sizes: uint32s,
    internalDates: float64s,
    saveDates: float64s,
    emailIds: float64s,
  })
  .refine(isEven);

const chosenHeaderFields = z
  .object({ answered: whole, uids: uint32s, ends: uint32s, bytes })
  .refine(({ answered, uids, ends, bytes: { length } }) => {
    const isAscending = ends.every((end, at) => at === 0 || ends[at - 1]! <= end);
    const isWhole = (ends[ends.length - 1] ?? 0) === length;
    return answered > 0 && ends.length === uids.length && isAscending && isWhole;
  });

const newMessage = z.object({
  prepared: z.object({
    bytes,
    digest: bytes.refine(({ length }) => length === 32),
    summary: bytes,
    messageIds: texts,
    baseSubject: text,
    sentSize: z.object({ lineEnds: whole, surrogate: z.number().int() }).optional(),
  }),
  flags: texts,
  internalDate: z.number().optional(),
});

const quotaLimits = z.object({ operation, bytesMax: whole.optional(), messagesMax: whole.optional() });
const appended = z.object({
  mailboxId: whole,
  uidValidity: whole,
  uids: uint32s,
  emailIds: float64s,
  modSeq: whole,
});
const copied = z.object({
  to: whole,
  uidValidity: whole,
  sourceUids: uint32s,
  targetUids: uint32s,
  modSeq: whole,
});
const searchKey = z.custom<SearchKey>((value) => isSearchKey(value));
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
  columns: read(z.tuple([whole, uint32s.optional()]), columns),
  sentSizes: read(
    z.tuple([whole]),
    z.object({ uids: uint32s, sizes: uint32s, surrogateSizes: uint32s }).refine(isEven),
  ),
  changesSince: read(
    z.tuple([whole, whole]),
    z.object({
      exists: z.boolean(),
      uidValidity: whole,
      modSeq: whole,
      uidNext: whole,
      keywords: texts,
      changed: columns,
      vanished: uint32s,
      incomplete: z.boolean(),
      rights,
    }),
  ),
  append: change(
    z.object({ operation, target, messages: z.array(newMessage), orInbox: z.boolean().optional() }),
    appended,
    answerMsLong,
  ),
  stage: change(
    z.object({ operation, staging: operation, target, from: whole, messages: z.array(newMessage) }),
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
      messages: columns,
      modified: uint32s,
      keywords: texts,
      missing: uint32s,
      modSeqBefore: whole,
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
      z.array(z.object({ uid: whole, emailId: whole, threadId: whole, summary: bytes.optional() })),
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
      z.array(z.object({ uid: whole, bytes: bytes.optional(), size: whole })),
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
      messages: z.array(newMessage),
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
  annotations: read(z.tuple([whole.optional()]), z.array(z.object({ name: text, value: bytes }))),
  setAnnotations: change(
    z.object({
      operation,
      mailboxId: whole.optional(),
      changes: z.array(z.object({ name: text, value: bytes.optional() })),
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
  setQuota: change(quotaLimits, nothing),
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

const service = z.enum(['imap', 'pop3']);
/** `service`: that of the sessions behind the watch, which are asked for their number; `epoch`: they logged in under it. */
const watchRequest = z.object({
  since: whole.optional(),
  service: service.optional(),
  epoch: text.optional(),
});

export function parseWatchRequest(given: unknown): z.infer<typeof watchRequest> {
  return checked(watchRequest, given);
}

const sessionsTold = z.object({ question: whole, count: whole });

/** The answer to a question that came with a watch's events. */
export function parseSessionsTold(given: unknown): z.infer<typeof sessionsTold> {
  return checked(sessionsTold, given);
}

const nodeSessions = z.array(z.object({ node: text, service, sessions: whole.optional() }));

export function parseNodeSessions(wire: unknown): NodeSessions[] {
  return resultOf(nodeSessions, wire, 'countSessions') as NodeSessions[];
}

const question = z.object({ question: whole });

/** Undefined: what the host of a watched account said are events. */
export function parseQuestion(wire: unknown): number | undefined {
  return Array.isArray(wire) ? undefined : resultOf(question, wire, 'watch').question;
}

const events = z.array(
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('mailbox'), mailboxId: whole, modSeq: whole }),
    z.object({ type: z.literal('mailboxes'), modSeq: whole }),
    z.object({
      type: z.literal('annotations'),
      mailboxId: whole.optional(),
      names: texts,
      modSeq: whole,
    }),
    z.object({ type: z.literal('closed') }),
  ]),
);

export function parseEvents(wire: unknown): unknown[] {
  return resultOf(events, wire, 'watch');
}

export function parseResult(method: AccountMethod, wire: unknown): unknown {
  return resultOf(accountMethods[method].result, wire, method);
}

function resultOf<T>(schema: z.ZodType<T>, wire: unknown, method: string): T {
  const parsed = schema.safeParse(wire);
  if (parsed.success) return parsed.data;
  throw new Fault(`the host of the account answered ${method} with something else`, {
    temporary: false,
    cause: parsed.error,
  });
}

function checked<T>(schema: z.ZodType<T>, wire: unknown): T {
  const parsed = schema.safeParse(wire);
  if (!parsed.success) throw new MailError('invalidArgument', 'arguments of a call that no account takes');
  return parsed.data;
}
