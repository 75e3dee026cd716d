// /api/nodes/NODE/…: this API as another node answers it: its metrics, its configuration, its reload. The request is carried
// there as it is, and the token in it is verified there once more.

import { z } from 'zod';
import { carriedFields, relayedBodyBytesMax } from '../../../../cluster/relayed-administration.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AdminApp } from '../admin-server.ts';
import { withinAnything } from '../domain-tokens.ts';
import { findCluster } from './find-cluster.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
const params = z.object({ node: z.string(), '*': z.string() });

export function nodeRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  void app.register(async (plain) => {
    const scope = plain as unknown as AdminApp;
    // Bodies are the other node's to read.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: relayedBodyBytesMax },
      (_, body, done) => {
        done(null, body);
      },
    );
    // The other node sees to it what the token is for.
    const config = { scope: 'any' as const, isCarried: true as const, within: withinAnything };
    const options = { method: [...methods], url: '/api/nodes/:node/*', config };
    scope.route({
      ...options,
      schema: { params, hide: true },
      handler: async (request, reply) => {
        const { node, '*': rest } = request.params;
        const query = request.url.indexOf('?');
        const { status, fields, body } = await findCluster(dependencies).administer(node, {
          method: request.method as (typeof methods)[number],
          url: `/api/${rest}${query < 0 ? '' : request.url.slice(query)}`,
          fields: carriedFields(request.headers),
          ...(Buffer.isBuffer(request.body) ? { body: request.body } : {}),
          // A socket of this machine has no address.
          remoteAddress: request.ip ?? '',
          isOperator: request.caller === 'socket',
        });
        return reply
          .status(status)
          .headers(fields)
          .serializer((bytes: Buffer) => bytes as unknown as string)
          .send(Buffer.from(body));
      },
    });
  });
}
