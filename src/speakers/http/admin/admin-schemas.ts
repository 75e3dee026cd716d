// The shapes of the admin API, as zod schemas: they check requests, shape responses and are the OpenAPI description.

import { z } from 'zod';
import { services } from '../../../directory/directory.ts';
import { tokenScopes } from '../../../directory/tokens.ts';

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    traceId: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .describe('RFC 9457 problem details');

/** Bounds one page's work and memory; a caller that wants all follows `next`. */
export const pageLimitMax = 1000;

/** No address or name is longer (RFC 5321 4.5.3.1: 255 and 255 bytes); the engine's keys have room for so much. */
const nameBytesMax = 511;
/** What is looked for in the directory. */
export const lookedUp = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= nameBytesMax, `has at most ${nameBytesMax} bytes`);

export const pageQuery = z.object({
  after: lookedUp.optional().describe('The `next` of the page before.'),
  limit: z.coerce.number().int().min(1).max(pageLimitMax).default(100),
});

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional().describe('Absent on the last page.') });
}

export const domainSchema = z.object({
  name: z.string(),
  enabled: z.boolean(),
  aliasOf: z.string().nullable().describe('Another name of that domain.'),
  catchAll: z.string().nullable().describe('Gets what no account or alias takes.'),
  postmaster: z
    .string()
    .nullable()
    .describe(
      'Gets mail for postmaster, unless an account or alias has that address; null: an administrator.',
    ),
  accountsMax: z
    .int()
    .nonnegative()
    .nullable()
    .describe(
      'So many accounts may be there before a token for this domain alone adds one; null: any number.',
    ),
  quotaBytesMax: z
    .int()
    .nonnegative()
    .nullable()
    .describe('The largest quota that such a token gives an account, and the one it gets; null: any.'),
  description: z.string(),
});
export const newDomainSchema = domainSchema.partial().required({ name: true }).strict();
export const domainChangeSchema = domainSchema.omit({ name: true }).partial().strict();

export const accountSchema = z.object({
  id: z.string(),
  address: z.string(),
  addresses: z.array(z.string()).describe('Further addresses of the same account.'),
  fullName: z.string(),
  enabled: z.boolean(),
  administrator: z.boolean(),
  groups: z.array(z.string()).describe('What lists of rights may name as group=<name>.'),
  shared: z.boolean().describe('Nobody logs in; its mailboxes are for those that their lists let in.'),
  services: z.array(z.enum(services)),
  quotaBytes: z.int().nonnegative().nullable(),
  quotaMessages: z.int().nonnegative().nullable(),
  createdAt: z.number().describe('Seconds since 1970 UTC.'),
  cell: z.string().describe('The storage domain its mail is in: that of the node that made the account.'),
});
export const newAccountSchema = accountSchema
  .omit({ id: true, createdAt: true, cell: true, enabled: true })
  .extend({ password: z.string().min(1).max(1024) })
  .partial()
  .required({ address: true })
  .strict();
export const accountChangeSchema = accountSchema
  .omit({ id: true, createdAt: true, cell: true })
  .partial()
  .strict();
export const passwordSchema = z.strictObject({ password: z.string().min(1).max(1024) });

export const quotaSchema = z.object({
  bytesUsed: z.number(),
  messagesUsed: z.number(),
  bytesMax: z.number().nullable(),
  messagesMax: z.number().nullable(),
});
export const quotaChangeSchema = z.strictObject({
  bytesMax: z.int().nonnegative().nullable().optional(),
  messagesMax: z.int().nonnegative().nullable().optional(),
});

export const mailboxSchema = z.object({
  id: z.number(),
  name: z.string(),
  role: z.string().nullable(),
  selectable: z.boolean(),
  subscribed: z.boolean(),
  uidValidity: z.number(),
  uidNext: z.number(),
  highestModSeq: z.number(),
  messages: z.number(),
  unseen: z.number(),
  bytes: z.number(),
});

export const searchIndexSchema = z.object({
  messages: z.number(),
  indexed: z.number(),
  waiting: z
    .number()
    .describe(
      'Searched all the same, more slowly. At the most: expunged ones may count. Few wait until more come.',
    ),
  building: z.boolean().describe('What waits is being indexed, or will be at once.'),
  segments: z.number(),
  bytes: z.number().describe('In the store.'),
  version: z.number().describe('Of its format.'),
});

export const aclEntrySchema = z.object({
  identifier: z
    .string()
    .describe('An address, group=<name> or anyone; with - before it: what it is refused.'),
  rights: z.string().describe('Letters of RFC 4314.'),
});
export const aclChangeSchema = z.strictObject({
  identifier: z.string(),
  mode: z.enum(['add', 'remove', 'replace']).default('replace'),
  rights: z.string().describe('None with replace: the entry goes.'),
});

export const messageRowSchema = z.object({
  uid: z.number(),
  flags: z.array(z.string()),
  internalDate: z.number().describe('Seconds since 1970 UTC.'),
  bytes: z.number(),
});

export const aliasSchema = z.object({
  address: z.string(),
  targets: z.array(z.string()),
  enabled: z.boolean(),
});
export const newAliasSchema = z.strictObject({
  address: z.string(),
  targets: z.array(z.string()).min(1).max(1000),
});
export const aliasChangeSchema = aliasSchema.omit({ address: true }).partial().strict();

export const appPasswordSchema = z.object({
  id: z.string(),
  name: z.string(),
  services: z.array(z.enum(services)),
  createdAt: z.number(),
  lastUsedAt: z.number().nullable(),
});
export const newAppPasswordSchema = z.strictObject({
  name: z.string().min(1).max(100),
  services: z.array(z.enum(services)).min(1),
});

export const tokenSchema = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(tokenScopes)),
  domain: z
    .string()
    .nullable()
    .describe('It reaches the accounts and aliases of this domain alone; null: all.'),
  expiresAt: z.number().nullable(),
  createdAt: z.number(),
});
export const newTokenSchema = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(z.enum(tokenScopes)).min(1),
  expiresAt: z.number().nullable().optional(),
  domain: lookedUp.nullable().optional(),
});

/** JSON has null where the code has undefined. */
export function nullsForUndefined<T extends object>(
  value: T,
): { [Key in keyof T]: Exclude<T[Key], undefined> | (undefined extends T[Key] ? null : never) } {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, member === undefined ? null : member]),
  ) as never;
}

/** And back: null becomes undefined, absent stays absent. */
export function undefinedForNulls<T extends object>(
  value: T,
): { [Key in keyof T]: Exclude<T[Key], null> | (null extends T[Key] ? undefined : never) } {
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, member === null ? undefined : member]),
  ) as never;
}
