// /api/domains.

import { z } from 'zod';
import { parseDomain } from '../../../../mail/address.ts';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import {
  domainChangeSchema,
  domainSchema,
  newDomainSchema,
  nullsForUndefined,
  pageOf,
  pageQuery,
  undefinedForNulls,
} from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinOneDomain } from '../domain-tokens.ts';

const params = z.object({ domain: z.string() });

export function domainRoutes(app: AdminApp, { directory, tokens }: AdminDependencies): void {
  const read = { config: { scope: 'read' as const, area: 'directory' as const } };
  const write = { config: { scope: 'write:directory' as const, area: 'directory' as const } };

  app.get(
    '/api/domains',
    { ...read, schema: { querystring: pageQuery, response: { 200: pageOf(domainSchema) } } },
    async (request) => {
      const page = await directory.domains({ after: request.query.after, limit: request.query.limit });
      return {
        items: page.items.map(nullsForUndefined),
        ...(page.next === undefined ? {} : { next: page.next }),
      };
    },
  );
  app.post(
    '/api/domains',
    { ...write, schema: { body: newDomainSchema, response: { 201: domainSchema } } },
    async (request, reply) => {
      const { name } = request.body;
      // Left behind when the server stopped between a domain of that name and its tokens.
      if ((await directory.domain(name)) === undefined) await revokeTokensFor(name, tokens);
      const domain = await directory.addDomain(
        undefinedForNulls(request.body) as Parameters<typeof directory.addDomain>[0],
      );
      return reply.status(201).send(nullsForUndefined(domain));
    },
  );
  app.get(
    '/api/domains/:domain',
    {
      config: { ...read.config, within: withinOneDomain },
      schema: { params, response: { 200: domainSchema } },
    },
    async (request) => {
      const domain = await directory.domain(request.params.domain);
      if (domain === undefined)
        throw new MailError('noSuchAccount', `there is no domain ${request.params.domain}`);
      return nullsForUndefined(domain);
    },
  );
  app.patch(
    '/api/domains/:domain',
    { ...write, schema: { params, body: domainChangeSchema, response: { 200: domainSchema } } },
    async (request) => {
      const change = undefinedForNulls(request.body) as Parameters<typeof directory.setDomain>[1];
      return nullsForUndefined(await directory.setDomain(request.params.domain, change));
    },
  );
  app.delete(
    '/api/domains/:domain',
    { ...write, schema: { params, response: { 204: z.null() } } },
    async (request, reply) => {
      const { domain } = request.params;
      await directory.removeDomain(domain);
      await revokeTokensFor(domain, tokens);
      return reply.status(204).send(null);
    },
  );
}

/** Whoever has the domain's name next is somebody else. */
async function revokeTokensFor(domain: string, tokens: AdminDependencies['tokens']): Promise<void> {
  const name = parseDomain(domain);
  const left = (await tokens.list()).filter((token) => token.domain !== undefined && token.domain === name);
  for (const { id } of left) await tokens.revoke(id);
}
