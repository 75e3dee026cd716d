// /api/version, /api/config, /api/reload, /api/store/check.

import { Readable } from 'node:stream';
import { z } from 'zod';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AdminApp } from '../admin-server.ts';

export function operationRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const read = { config: { scope: 'read' as const } };
  const operate = { config: { scope: 'operate' as const } };

  app.get(
    '/api/version',
    { ...read, schema: { response: { 200: z.object({ version: z.string(), node: z.string() }) } } },
    async () => ({
      version: dependencies.version,
      node: process.version,
    }),
  );
  app.get(
    '/api/config',
    { ...read, schema: { description: 'The configuration in effect, secrets masked.' } },
    async () => dependencies.effectiveConfig(),
  );
  const outcome = z.object({ reloaded: z.array(z.string()), needRestart: z.array(z.string()) });
  app.post('/api/reload', { ...operate, schema: { response: { 200: outcome } } }, async () => {
    const { reloaded, needRestart } = await dependencies.reload();
    return { reloaded: [...reloaded], needRestart: [...needRestart] };
  });
  const body = z.strictObject({
    repair: z.boolean().default(true),
    accountsOnly: z.boolean().default(false),
  });
  const description =
    'Walks everything while the server goes on; the answer is one JSON line an event, the last one is of type "done".';
  const config = { ...operate.config, isLong: true as const };
  app.post('/api/store/check', { config, schema: { body, description } }, async (request, reply) => {
    const events = dependencies.checkStore(request.body);
    return reply.type('application/x-ndjson').send(Readable.from(linesOf(events)));
  });
}

async function* linesOf(events: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}
