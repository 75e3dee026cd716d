// /healthz (the process lives), /readyz (it may take traffic), /metrics (Prometheus). Open to whoever reaches the admin
// listener: they hold no names and no mail.

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
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    const { contentType, body } = await dependencies.metricsText();
    return reply.type(contentType).send(body);
  });
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
}
