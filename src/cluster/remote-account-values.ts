// What the account port's values look like when they come from another node: shapes that several of its methods share.
// Invariant: what passes has the types that the port declares; members that are not known are dropped.
// `checked` fails with MailError invalidArgument (arguments), `resultOf` with a Fault (results).

import { z } from 'zod';
import { Fault } from '../base/fault.ts';
import { MailError } from '../mail/mail-error.ts';
import { allRights } from '../mail/rights.ts';
import type { SearchKey } from '../mail/search-key.ts';
import { isSearchKey } from './is-search-key.ts';

const isText = (value: unknown): boolean => typeof value === 'string';

export const whole = z.custom<number>((value) => Number.isSafeInteger(value) && (value as number) >= 0);
export const text = z.string();
export const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
export const uint32s = z.custom<Uint32Array>((value) => value instanceof Uint32Array);
export const float64s = z.custom<Float64Array>((value) => value instanceof Float64Array);
export const texts = z.custom<string[]>((value) => Array.isArray(value) && value.every(isText));
export const accountId = z.string().regex(/^[a-z2-7]{16}$/);

/**
 * As z.array, which collects what is wrong with every item: a message full of faults would keep this node busy for half a minute,
 * and take gigabytes. Here the first one ends it.
 */
export function listOf<T>(item: z.ZodType<T>) {
  const isList = z.custom<readonly unknown[]>((value) => Array.isArray(value));
  return isList.transform((given, context): T[] => {
    const list: T[] = [];
    for (const each of given) {
      const parsed = item.safeParse(each);
      if (!parsed.success) {
        context.addIssue('an item that does not belong into the list');
        return z.NEVER;
      }
      list.push(parsed.data);
    }
    return list;
  });
}

/** Printable ASCII; chunks of a long mutation add a few characters to the caller's (changes-in-chunks.ts). */
export const operation = z.string().regex(/^[\x20-\x7e]{1,80}$/);
export const role = z.enum([
  'inbox',
  'drafts',
  'sent',
  'junk',
  'trash',
  'archive',
  'all',
  'flagged',
  'important',
]);
export const target = z.union([z.object({ id: whole }), z.object({ name: text }), z.object({ role })]);

/** From a node that does not know of rights whoever asks is the owner. */
export const rights = text.default(allRights);

export const mailboxInfo = z.object({
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
export const isEven = (given: { readonly uids: Uint32Array }): boolean =>
  Object.values(given).every(({ length }) => length === given.uids.length);

const everyColumn = z.object({
  uids: uint32s,
  flagsLow: uint32s,
  flagsHigh: uint32s,
  modSeqs: float64s,
  sizes: uint32s,
  internalDates: float64s,
  saveDates: float64s,
  emailIds: float64s,
});
export const columns = everyColumn.refine(isEven);

/** Without keywords from a node whose tables only grow: any later one has their names (routed-account.ts). */
export const mailboxColumns = everyColumn
  .extend({ keywords: texts.optional() })
  .refine(({ keywords: _, ...given }) => isEven(given));

export const messageFlags = z
  .object({ uids: uint32s, flagsLow: uint32s, flagsHigh: uint32s, modSeqs: float64s })
  .refine(isEven);

export const chosenHeaderFields = z
  .object({ answered: whole, uids: uint32s, ends: uint32s, bytes })
  .refine(({ answered, uids, ends, bytes: { length } }) => {
    const isAscending = ends.every((end, at) => at === 0 || ends[at - 1]! <= end);
    const isWhole = (ends[ends.length - 1] ?? 0) === length;
    return answered > 0 && ends.length === uids.length && isAscending && isWhole;
  });

/** Nodes of before did not look. */
export const isNulFree = z.boolean().default(false);

export const newMessage = z.object({
  prepared: z.object({
    bytes,
    digest: bytes.refine(({ length }) => length === 32),
    summary: bytes,
    messageIds: texts,
    baseSubject: text,
    sentSize: z.object({ lineEnds: whole, surrogate: z.number().int() }).optional(),
    isNulFree,
  }),
  flags: texts,
  internalDate: z.number().optional(),
});

export const appended = z.object({
  mailboxId: whole,
  uidValidity: whole,
  uids: uint32s,
  emailIds: float64s,
  modSeq: whole,
});
export const copied = z.object({
  to: whole,
  uidValidity: whole,
  sourceUids: uint32s,
  targetUids: uint32s,
  modSeq: whole,
});
export const searchKey = z.custom<SearchKey>((value) => isSearchKey(value));

/** What a host answered. */
export function resultOf<T>(schema: z.ZodType<T>, wire: unknown, method: string): T {
  const parsed = schema.safeParse(wire);
  if (parsed.success) return parsed.data;
  throw new Fault(`the host of the account answered ${method} with something else`, {
    temporary: false,
    cause: parsed.error,
  });
}

/** What a caller sent. */
export function checked<T>(schema: z.ZodType<T>, wire: unknown): T {
  const parsed = schema.safeParse(wire);
  if (!parsed.success) throw new MailError('invalidArgument', 'arguments of a call that no account takes');
  return parsed.data;
}
