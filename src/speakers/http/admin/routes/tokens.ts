// /api/tokens: bearer tokens of this API.

import { z } from 'zod';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { newTokenSchema, nullsForUndefined, tokenSchema } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAnything } from '../domain-tokens.ts';

export function tokenRoutes(app: AdminApp, { directory, tokens }: AdminDependencies): void {
  const operate = { config: { scope: 'operate' as const } };
  const created = tokenSchema.extend({ token: z.string().describe('Shown this once.') });

  app.get(
    '/api/tokens',
    { ...operate, schema: { response: { 200: z.object({ items: z.array(tokenSchema) }) } } },
    async () => ({
      items: (await tokens.list()).map((token) => nullsForUndefined({ ...token, scopes: [...token.scopes] })),
    }),
  );
  app.post(
    '/api/tokens',
    {
      config: { ...operate.config, secret: true as const },
      schema: { body: newTokenSchema, response: { 201: created } },
    },
    async (request, reply) => {
      const { name, scopes, expiresAt, domain: wanted } = request.body;
      // Nobody hands out more than they have.
      const missing = scopes.find((scope) => !request.scopes.includes(scope));
      if (missing !== undefined)
        throw new MailError('permissionDenied', `your own token lacks the scope "${missing}"`);
      const domain = wanted == null ? undefined : await directory.domain(wanted);
      if (wanted != null && (domain === undefined || domain.aliasOf !== undefined))
        throw new MailError('invalidArgument', `${wanted} is no domain with accounts`);
      const token = await tokens.create({
        name,
        scopes,
        expiresAt: expiresAt ?? undefined,
        domain: domain?.name,
      });
      return reply.status(201).send(nullsForUndefined({ ...token, scopes: [...token.scopes] }));
    },
  );
  const own = tokenSchema.pick({ scopes: true, domain: true });
  app.get(
    '/api/token',
    {
      config: { scope: 'any', area: 'directory', within: withinAnything },
      schema: { description: 'What the token that is shown may do.', response: { 200: own } },
    },
    async ({ scopes, domain }) => ({ scopes: [...scopes], domain: domain ?? null }),
  );
  const params = z.object({ token: z.string() });
  app.delete(
    '/api/tokens/:token',
    { ...operate, schema: { params, response: { 204: z.null() } } },
    async (request, reply) => {
      await tokens.revoke(request.params.token);
      return reply.status(204).send(null);
    },
  );
}
