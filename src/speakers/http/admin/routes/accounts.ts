// /api/accounts: accounts, their passwords, app passwords, quota and mailboxes.

import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { DirectoryAccount, WithinLimits } from '../../../../directory/directory.ts';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import {
  accountChangeSchema,
  accountSchema,
  appPasswordSchema,
  lookedUp,
  mailboxSchema,
  newAccountSchema,
  newAppPasswordSchema,
  nullsForUndefined,
  pageOf,
  pageQuery,
  passwordSchema,
  quotaChangeSchema,
  quotaSchema,
  undefinedForNulls,
} from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAccount, withinAccounts } from '../domain-tokens.ts';
import { aclRoutes } from './acl.ts';
import { findAccount } from './find-account.ts';

const params = z.object({ account: z.string().describe('Address or id.') });
const listQuery = pageQuery.extend({ domain: lookedUp.optional() });
const one = { area: 'directory' as const, within: withinAccount };
const read = { config: { ...one, scope: 'read' as const } };
const write = { config: { ...one, scope: 'write:directory' as const } };
const list = { config: { ...read.config, within: withinAccounts } };
const add = { config: { ...write.config, within: withinAccounts } };

function shownAccount(account: DirectoryAccount): z.output<typeof accountSchema> {
  return nullsForUndefined({
    ...account,
    addresses: [...account.addresses],
    groups: [...account.groups],
    services: [...account.services],
  });
}

/** A domain's limits bind the tokens that are for it alone. */
function limitsOf({ domain }: Pick<FastifyRequest, 'domain'>): WithinLimits {
  return { withinLimits: domain !== undefined };
}

export function accountRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  addAccountRoutes(app, dependencies);
  addSecretRoutes(app, dependencies);
  addStorageRoutes(app, dependencies);
  aclRoutes(app, dependencies);
}

function addAccountRoutes(app: AdminApp, { directory }: AdminDependencies): void {
  app.get(
    '/api/accounts',
    { ...list, schema: { querystring: listQuery, response: { 200: pageOf(accountSchema) } } },
    async (request) => {
      const { after, limit, domain } = request.query;
      const page = await directory.accounts({ after, limit, ...(domain === undefined ? {} : { domain }) });
      return { items: page.items.map(shownAccount), ...(page.next === undefined ? {} : { next: page.next }) };
    },
  );
  app.post(
    '/api/accounts',
    { ...add, schema: { body: newAccountSchema, response: { 201: accountSchema } } },
    async (request, reply) => {
      const account = await directory.addAccount(
        undefinedForNulls({ password: undefined, ...request.body }) as Parameters<
          typeof directory.addAccount
        >[0],
        limitsOf(request),
      );
      return reply.status(201).send(shownAccount(account));
    },
  );
  app.get(
    '/api/accounts/:account',
    { ...read, schema: { params, response: { 200: accountSchema } } },
    async (request) => shownAccount(await findAccount(directory, request.params.account)),
  );
  app.patch(
    '/api/accounts/:account',
    { ...write, schema: { params, body: accountChangeSchema, response: { 200: accountSchema } } },
    async (request) => {
      const { id } = await findAccount(directory, request.params.account);
      return shownAccount(
        await directory.setAccount(
          id,
          undefinedForNulls(request.body) as Parameters<typeof directory.setAccount>[1],
          limitsOf(request),
        ),
      );
    },
  );
  app.delete(
    '/api/accounts/:account',
    { ...write, schema: { params, response: { 204: z.null() } } },
    async (request, reply) => {
      const { id } = await findAccount(directory, request.params.account);
      await directory.removeAccount(id);
      return reply.status(204).send(null);
    },
  );
}

function addSecretRoutes(app: AdminApp, { directory }: AdminDependencies): void {
  app.put(
    '/api/accounts/:account/password',
    { ...write, schema: { params, body: passwordSchema, response: { 204: z.null() } } },
    async (request, reply) => {
      const { id } = await findAccount(directory, request.params.account);
      await directory.setPassword(id, request.body.password);
      return reply.status(204).send(null);
    },
  );
  const all = z.object({ items: z.array(appPasswordSchema) });
  app.get(
    '/api/accounts/:account/app-passwords',
    { ...read, schema: { params, response: { 200: all } } },
    async (request) => {
      const { id } = await findAccount(directory, request.params.account);
      const items = await directory.appPasswords(id);
      return { items: items.map((item) => nullsForUndefined({ ...item, services: [...item.services] })) };
    },
  );
  const created = appPasswordSchema.extend({ password: z.string().describe('Shown this once.') });
  app.post(
    '/api/accounts/:account/app-passwords',
    {
      config: { ...write.config, secret: true as const },
      schema: { params, body: newAppPasswordSchema, response: { 201: created } },
    },
    async (request, reply) => {
      const { id } = await findAccount(directory, request.params.account);
      const item = await directory.addAppPassword(id, request.body);
      return reply.status(201).send(nullsForUndefined({ ...item, services: [...item.services] }));
    },
  );
  const appPassword = params.extend({ appPassword: z.string() });
  app.delete(
    '/api/accounts/:account/app-passwords/:appPassword',
    { ...write, schema: { params: appPassword, response: { 204: z.null() } } },
    async (request, reply) => {
      const { id } = await findAccount(directory, request.params.account);
      await directory.removeAppPassword(id, request.params.appPassword);
      return reply.status(204).send(null);
    },
  );
}

function addStorageRoutes(app: AdminApp, { directory, accounts }: AdminDependencies): void {
  app.get(
    '/api/accounts/:account/quota',
    { ...read, schema: { params, response: { 200: quotaSchema } } },
    async (request) => {
      const { id } = await findAccount(directory, request.params.account);
      return nullsForUndefined(await (await accounts.open(id)).quota());
    },
  );
  app.put(
    '/api/accounts/:account/quota',
    { ...write, schema: { params, body: quotaChangeSchema, response: { 200: quotaSchema } } },
    async (request) => {
      const { id } = await findAccount(directory, request.params.account);
      const { bytesMax, messagesMax } = request.body;
      // The directory says what the limits are, and tells the account, which keeps a copy to enforce them without asking.
      const change = {
        ...(bytesMax === undefined ? {} : { quotaBytes: bytesMax ?? undefined }),
        ...(messagesMax === undefined ? {} : { quotaMessages: messagesMax ?? undefined }),
      };
      const account = await directory.setAccount(id, change, limitsOf(request));
      const quota = await (await accounts.open(id)).quota();
      if (quota.bytesMax !== account.quotaBytes || quota.messagesMax !== account.quotaMessages)
        throw new MailError(
          'unavailable',
          'the limits are set; the account follows them when it can be reached',
        );
      return nullsForUndefined(quota);
    },
  );
  const mailboxes = z.object({ items: z.array(mailboxSchema) });
  app.get(
    '/api/accounts/:account/mailboxes',
    { ...read, schema: { params, response: { 200: mailboxes } } },
    async (request) => {
      const { id } = await findAccount(directory, request.params.account);
      const list = await (await accounts.open(id)).listMailboxes();
      const subscribed = new Set(list.subscriptions);
      return {
        items: list.mailboxes.map((mailbox) => ({
          ...mailbox,
          role: mailbox.role ?? null,
          subscribed: subscribed.has(mailbox.name),
        })),
      };
    },
  );
}
