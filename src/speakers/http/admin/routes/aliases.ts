// /api/aliases.

import { z } from 'zod';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import {
  aliasChangeSchema,
  aliasSchema,
  lookedUp,
  newAliasSchema,
  pageOf,
  pageQuery,
} from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAlias, withinAliases } from '../domain-tokens.ts';

const params = z.object({ alias: z.string() });
const listQuery = pageQuery.extend({ domain: lookedUp.optional() });

export function aliasRoutes(app: AdminApp, { directory }: AdminDependencies): void {
  const one = { area: 'directory' as const, within: withinAlias };
  const read = { config: { ...one, scope: 'read' as const } };
  const write = { config: { ...one, scope: 'write:directory' as const } };
  const list = { config: { ...read.config, within: withinAliases } };
  const add = { config: { ...write.config, within: withinAliases } };

  app.get(
    '/api/aliases',
    { ...list, schema: { querystring: listQuery, response: { 200: pageOf(aliasSchema) } } },
    async (request) => {
      const { after, limit, domain } = request.query;
      const page = await directory.aliases({ after, limit, ...(domain === undefined ? {} : { domain }) });
      return {
        items: page.items.map((alias) => ({ ...alias, targets: [...alias.targets] })),
        ...(page.next === undefined ? {} : { next: page.next }),
      };
    },
  );
  app.post(
    '/api/aliases',
    { ...add, schema: { body: newAliasSchema, response: { 201: aliasSchema } } },
    async (request, reply) => {
      const alias = await directory.addAlias(request.body);
      return reply.status(201).send({ ...alias, targets: [...alias.targets] });
    },
  );
  app.get(
    '/api/aliases/:alias',
    { ...read, schema: { params, response: { 200: aliasSchema } } },
    async (request) => {
      const alias = await directory.alias(request.params.alias);
      if (alias === undefined)
        throw new MailError('noSuchAccount', `there is no alias ${request.params.alias}`);
      return { ...alias, targets: [...alias.targets] };
    },
  );
  app.patch(
    '/api/aliases/:alias',
    { ...write, schema: { params, body: aliasChangeSchema, response: { 200: aliasSchema } } },
    async (request) => {
      const alias = await directory.setAlias(
        request.params.alias,
        request.body as Parameters<typeof directory.setAlias>[1],
      );
      return { ...alias, targets: [...alias.targets] };
    },
  );
  app.delete(
    '/api/aliases/:alias',
    { ...write, schema: { params, response: { 204: z.null() } } },
    async (request, reply) => {
      await directory.removeAlias(request.params.alias);
      return reply.status(204).send(null);
    },
  );
}
