// /healthz (the process lives) and /readyz (it may take traffic), open to whoever reaches the admin listener: balancers have
// no tokens. /metrics (Prometheus), and the same as /api/metrics, for other nodes: with a token, or from this machine.

import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AdminApp } from '../admin-server.ts';

export function healthRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'alive' }));
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const reason = dependencies.unreadyReason();
    return reply
      .status(reason === undefined ? 200 : 503)
      .send(reason === undefined ? { status: 'ready' } : { status: 'unready', reason });
  });
  const config = { scope: 'metrics' as const, isOpenLocally: true as const };
  for (const url of ['/metrics', '/api/metrics'])
    app.get(url, { config, schema: { hide: true } }, async (_request, reply) => {
      const { contentType, body } = await dependencies.metricsText();
      return reply.type(contentType).send(body);
    });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
