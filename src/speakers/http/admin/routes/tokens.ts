// /api/tokens: bearer tokens of this API.

import { z } from 'zod';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { newTokenSchema, nullsForUndefined, tokenSchema } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';

export function tokenRoutes(app: AdminApp, { tokens }: AdminDependencies): void {
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
      const { name, scopes, expiresAt } = request.body;
      // Nobody hands out more than they have.
      const missing = scopes.find((scope) => !request.scopes.includes(scope));
      if (missing !== undefined)
        throw new MailError('permissionDenied', `your own token lacks the scope "${missing}"`);
      const token = await tokens.create({ name, scopes, expiresAt: expiresAt ?? undefined });
      return reply.status(201).send(nullsForUndefined({ ...token, scopes: [...token.scopes] }));
    },
  );
  const own = tokenSchema.pick({ scopes: true });
  app.get(
    '/api/token',
    {
      config: { scope: 'any', area: 'directory' },
      schema: { description: 'What the token that is shown may do.', response: { 200: own } },
    },
    async ({ scopes }) => ({ scopes: [...scopes] }),
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
