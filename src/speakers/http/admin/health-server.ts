// The admin listener of a node that administers nothing: /healthz, /readyz and /metrics, as the whole one has them, and a 404
// for everything else. Fails to open with a Fault when a port cannot be had.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '../../../base/fault.ts';
import type { Logger } from '../../../base/log.ts';
import { problemContentType } from './problem.ts';

export interface HealthServerOptions {
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Undefined while the server may take traffic, else why not. */
  readonly unreadyReason: () => string | undefined;
  readonly log: Logger;
}

export interface HealthServer extends AsyncDisposable {
  /** Where it listens, ports filled in. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
}

/** Balancers and a collector of metrics; more is a flood. */
const connectionsMax = 200;
const headersTimeoutMs = 10_000;

export async function openHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  await using opened = new AsyncDisposableStack();
  const addresses: { address: string; port: number }[] = [];
  for (const { address, port } of options.listen) {
    const server = createServer({ headersTimeout: headersTimeoutMs }, (request, response) => {
      answer(options, `${request.method} ${request.url?.split('?')[0]}`, response).catch((error: unknown) => {
        options.log.error({ err: error }, 'a health check was not answered');
        response.destroy();
      });
    });
    server.maxConnections = connectionsMax;
    opened.defer(() => closed(server));
    server.listen(port, address);
    await once(server, 'listening').catch((cause: Error) => {
      const message = `cannot listen on ${address}:${port} (admin): ${cause.message}`;
      throw new Fault(message, { temporary: false, cause });
    });
    addresses.push({ address, port: (server.address() as AddressInfo).port });
  }
  const stack = opened.move();
  return { addresses, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function answer(options: HealthServerOptions, asked: string, response: ServerResponse): Promise<void> {
  const json = (status: number, body: object, contentType = 'application/json; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': contentType }).end(JSON.stringify(body));
  };
  switch (asked) {
    case 'GET /healthz':
      return json(200, { status: 'alive' });
    case 'GET /readyz': {
      const reason = options.unreadyReason();
      return reason === undefined ? json(200, { status: 'ready' }) : json(503, { status: 'unready', reason });
    }
    case 'GET /metrics': {
      const { contentType, body } = await options.metricsText();
      response.writeHead(200, { 'content-type': contentType }).end(body);
      return;
    }
    default: {
      const detail = 'this node is in the outer zone and administers nothing: ask one of the inner zone';
      return json(404, { title: 'not found', status: 404, detail }, problemContentType);
    }
  }
}

async function closed(server: Server): Promise<void> {
  const over = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await over;
}
