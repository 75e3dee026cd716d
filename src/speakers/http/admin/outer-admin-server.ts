// The admin listener of a node of the outer zone: /healthz, /readyz and /metrics as every node has them; /api is carried to a
// node of the inner zone, which answers what is open to the outer zone (administration.outer_frontends). The socket in the data
// directory answers the same: whoever is on this machine has no more say in the cluster than whoever reaches its listeners.
// Invariant: it decides nothing about tokens and passwords: those are verified inside. What it holds of a request is bounded.
// Fails to open with a Fault when a port cannot be had.

import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { boundedBody } from '../../../base/bounded-body.ts';
import { Fault } from '../../../base/fault.ts';
import type { Logger } from '../../../base/log.ts';
import type { Random } from '../../../base/random.ts';
import {
  administrationProtocol,
  carriedFields,
  type RelayedAnswer,
  type RelayedRequest,
  relayedBodyBytesMax,
} from '../../../cluster/relayed-administration.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { isLocalRequest } from './local-request.ts';
import { problem, problemContentType, statusByMailError } from './problem.ts';

export interface OuterAdminServerOptions {
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  /** A stale one is replaced. */
  readonly socketPath: string;
  readonly metricsText: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Undefined while the server may take traffic, else why not. */
  readonly unreadyReason: () => string | undefined;
  /** A node of the inner zone answers. Rejects with a Fault when none does. */
  readonly administer: (request: RelayedRequest) => Promise<RelayedAnswer>;
  readonly random: Random;
  readonly log: Logger;
}

export interface OuterAdminServer extends AsyncDisposable {
  /** Where it listens, ports filled in. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
}

/** Balancers, a collector of metrics, administrators; each may hold a body. More is a flood. */
const connectionsMax = 200;
const headersTimeoutMs = 10_000;
/** A megabyte over a slow line. */
const requestTimeoutMs = 30_000;
const idempotencyKeyLength = 24;

export async function openOuterAdminServer(options: OuterAdminServerOptions): Promise<OuterAdminServer> {
  await using opened = new AsyncDisposableStack();
  const addresses: { address: string; port: number }[] = [];
  const open = async (place: ListenOptions, name: string, isOnMachine: boolean): Promise<Server> => {
    const timeouts = { headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs };
    const server = createServer(timeouts, (request, response) => {
      answer(options, { request, response, isOnMachine }).catch((error: unknown) => {
        refuse(options, response, error);
      });
    });
    server.maxConnections = connectionsMax;
    opened.defer(() => closed(server));
    server.listen(place);
    await once(server, 'listening').catch((cause: Error) => {
      throw new Fault(`cannot listen on ${name} (admin): ${cause.message}`, { temporary: false, cause });
    });
    return server;
  };
  const path = options.socketPath;
  rmSync(path, { force: true });
  await open({ path }, path, true);
  chmodSync(path, 0o600);
  for (const { address, port } of options.listen) {
    const server = await open({ host: address, port }, `${address}:${port}`, false);
    addresses.push({ address, port: (server.address() as AddressInfo).port });
  }
  const stack = opened.move();
  return { addresses, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Came over the socket. */
  readonly isOnMachine: boolean;
}

async function answer(options: OuterAdminServerOptions, exchange: Exchange): Promise<void> {
  const { request, response, isOnMachine } = exchange;
  const json = (status: number, body: object): void => {
    const contentType = 'application/json; charset=utf-8';
    response.writeHead(status, { 'content-type': contentType }).end(JSON.stringify(body));
  };
  const path = request.url?.split('?')[0] ?? '';
  switch (`${request.method} ${path}`) {
    case 'GET /healthz':
      return json(200, { status: 'alive' });
    case 'GET /readyz': {
      const reason = options.unreadyReason();
      return reason === undefined ? json(200, { status: 'ready' }) : json(503, { status: 'unready', reason });
    }
    case 'GET /metrics': {
      if (!isOnMachine && !(await maySeeMetrics(options, request)))
        return tell(options, response, 401, 'metrics need a token with the scope "metrics"');
      const { contentType, body } = await options.metricsText();
      response.writeHead(200, { 'content-type': contentType }).end(body);
      return;
    }
    default:
      if (path.startsWith('/api/')) return carry(options, exchange);
      return tell(options, response, 404, `there is no ${request.method} ${path}`);
  }
}

async function carry(
  options: OuterAdminServerOptions,
  { request, response, isOnMachine }: Exchange,
): Promise<void> {
  const { question } = administrationProtocol.request;
  const body = await boundedBody(request, relayedBodyBytesMax);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    return tell(options, response, 413, `more than ${relayedBodyBytesMax} bytes are not carried`);
  }
  const fields = carriedFields(request.headers);
  // Another node is asked when the first is lost: it must not do again what that one did.
  fields['idempotency-key'] ??= options.random.identifier(idempotencyKeyLength);
  const asked = question.safeParse({
    method: request.method,
    url: request.url,
    fields,
    ...(body.length === 0 ? {} : { body }),
    remoteAddress: isOnMachine ? '127.0.0.1' : (request.socket.remoteAddress ?? ''),
    isOperator: false,
  });
  if (!asked.success) return tell(options, response, 400, 'this request cannot be carried');
  const answered = await options.administer(asked.data);
  response.writeHead(answered.status, answered.fields).end(answered.body);
}

/** Whether it is asked here, or the token that is shown is good for it. */
async function maySeeMetrics(
  { administer }: OuterAdminServerOptions,
  { headers, socket }: IncomingMessage,
): Promise<boolean> {
  const remoteAddress = socket.remoteAddress ?? '';
  if (isLocalRequest(remoteAddress, headers)) return true;
  const fields = carriedFields({ authorization: headers.authorization });
  const asked = { method: 'GET' as const, url: '/api/token', fields, remoteAddress, isOperator: false };
  const { status, body } = await administer(asked);
  if (status !== 200) return false;
  const { scopes } = JSON.parse(Buffer.from(body).toString()) as { readonly scopes: readonly string[] };
  return scopes.includes('metrics');
}

function refuse(options: OuterAdminServerOptions, response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (isMailError(error)) {
    tell(options, response, statusByMailError[error.kind], error.message);
    return;
  }
  options.log.error({ err: error }, 'a request was not answered');
  const isTemporary = error instanceof Fault && error.temporary;
  tell(options, response, isTemporary ? 503 : 500, isTemporary ? 'try again later' : 'see the server log');
}

const kinds: Record<number, string> = {
  400: 'badRequest',
  401: 'authenticationFailed',
  404: 'notFound',
  413: 'messageTooLarge',
  503: 'unavailable',
};

function tell(
  { random }: OuterAdminServerOptions,
  response: ServerResponse,
  status: number,
  detail: string,
): void {
  const body = problem({ kind: kinds[status] ?? 'internal', status, detail, traceId: random.identifier(12) });
  response.writeHead(status, { 'content-type': problemContentType }).end(JSON.stringify(body));
}

async function closed(server: Server): Promise<void> {
  const over = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await over;
}
