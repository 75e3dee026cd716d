// /api/cluster/tokens: what new machines join with.

import { z } from 'zod';
import type { JoinTokenInfo } from '../../../../cluster/authority/cluster-authority.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { nullsForUndefined } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import { joinTokenSchema, newJoinTokenSchema } from '../cluster-schemas.ts';
import { findCluster } from './find-cluster.ts';

export function clusterTokenRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const operate = { config: { scope: 'operate' as const } };
  const created = joinTokenSchema.extend({
    token: z.string().describe('Shown this once.'),
    at: z.object({ host: z.string(), port: z.number().nullable() }).describe('Where new machines join.'),
  });

  app.get(
    '/api/cluster/tokens',
    { ...operate, schema: { response: { 200: z.object({ items: z.array(joinTokenSchema) }) } } },
    async () => ({ items: (await findCluster(dependencies).joinTokens()).map(tokenBody) }),
  );
  app.post(
    '/api/cluster/tokens',
    {
      config: { ...operate.config, secret: true as const },
      schema: { body: newJoinTokenSchema, response: { 201: created } },
    },
    async (request, reply) => {
      const { expiresInSeconds, ...wanted } = request.body;
      const options = { ...wanted, expiresMs: expiresInSeconds * 1000 };
      const cluster = findCluster(dependencies);
      const made = await cluster.createJoinToken(options);
      const at = nullsForUndefined(cluster.joinPlace());
      return reply.status(201).send({ ...tokenBody(made), token: made.token, at });
    },
  );
  const params = z.object({ token: z.string() });
  app.delete(
    '/api/cluster/tokens/:token',
    { ...operate, schema: { params, response: { 204: z.null() } } },
    async (request, reply) => {
      await findCluster(dependencies).revokeJoinToken(request.params.token);
      return reply.status(204).send(null);
    },
  );
}

function tokenBody({ id, roles, zone, createdAt, expiresAt, usesLeft }: JoinTokenInfo) {
  const inSeconds = (ms: number): number => Math.floor(ms / 1000);
  const times = { createdAt: inSeconds(createdAt), expiresAt: inSeconds(expiresAt) };
  return { id, roles: [...roles], zone, ...times, usesLeft };
}
