// The admin API: REST over HTTP on the admin listener and on a socket in the data directory. The socket (mode 0600) is
// trusted as the operator; everywhere else a bearer token with scopes is needed, except for /healthz, /readyz, changing
// one's own password, and /metrics from this machine. Other nodes carry requests here over links (relayed-requests.ts).
// Every error is problem+json; every write may carry an Idempotency-Key; /api/openapi.json describes it all.

import { chmodSync, rmSync } from 'node:fs';
import swagger from '@fastify/swagger';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { Fault } from '../../../base/fault.ts';
import type { AnswerAdministration } from '../../../cluster/relayed-administration.ts';
import type { AdministrationArea } from '../../../config/schema.ts';
import { type TokenScope, tokenScopes } from '../../../directory/tokens.ts';
import type { NodeId } from '../../../mail/ids.ts';
import { isMailError, MailError } from '../../../mail/mail-error.ts';
import type { AdminDependencies } from './admin-dependencies.ts';
import { problemSchema } from './admin-schemas.ts';
import { describeRoute, idempotencyKeyBytesMax } from './describe-route.ts';
import type { WithinDomain } from './domain-tokens.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { isLocalRequest } from './local-request.ts';
import { problem, problemContentType, statusByMailError } from './problem.ts';
import { frontendField, openRelayedRequests } from './relayed-requests.ts';
import { accountRoutes } from './routes/accounts.ts';
import { aliasRoutes } from './routes/aliases.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { clusterConfigurationRoutes } from './routes/cluster-configuration.ts';
import { clusterTokenRoutes } from './routes/cluster-tokens.ts';
import { domainRoutes } from './routes/domains.ts';
import { healthRoutes } from './routes/health.ts';
import { messageRoutes } from './routes/messages.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { operationRoutes } from './routes/operations.ts';
import { passwordRoutes } from './routes/password.ts';
import { searchIndexRoutes } from './routes/search-index.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { tokenRoutes } from './routes/tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls: a token's id, or 'socket'. */
    caller: string;
    /** The node of the outer zone that carried it here. */
    frontend: NodeId | undefined;
    scopes: readonly TokenScope[];
    /** Of a token that is for one domain. */
    domain: string | undefined;
  }
  interface FastifyContextConfig {
    /** What a caller must be allowed; 'any': a token is enough; undefined: anyone. */
    scope?: TokenScope | 'any';
    /** Whoever is on this machine needs no token. */
    isOpenLocally?: true;
    /** What must be open to the outer zone for a request through it; by default as little as can be: 'site'. */
    area?: AdministrationArea;
    /** Another node answers. */
    isCarried?: true;
    /** What keeps a token for one domain within it; undefined: it is of no use here. */
    within?: WithinDomain;
    /** It takes as long as it takes, and answers bit by bit: not for carrying. */
    isLong?: true;
    /** The answer holds a secret that is shown once. */
    secret?: true;
  }
}

export type AdminApp = FastifyInstance<
  import('node:http').Server,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  import('fastify').FastifyBaseLogger,
  ZodTypeProvider
>;

export interface AdminServerOptions {
  readonly dependencies: AdminDependencies;
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  /** Path of the operator's socket; a stale one is replaced. Undefined: another process has it. */
  readonly socketPath: string | undefined;
}

export interface AdminServer {
  /** Where it listens, ports filled in. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[];
  /** Requests that other nodes carry here. */
  readonly answer: AnswerAdministration;
  close(): Promise<void>;
}

/** A whole request, body and all: the largest message over a slow line still comes in it. */
const requestTimeoutMs = 300_000;
const headersTimeoutMs = 10_000;
/** Administrators and a collector of metrics; more is a flood. Each may hold a body in memory. */
const connectionsMax = 200;

/** One app for each place to listen (fastify has one server each); they share the dependencies. */
export async function openAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const apps: AdminApp[] = [];
  const addresses: { address: string; port: number }[] = [];
  const { dependencies } = options;
  const keys = new IdempotencyKeys(dependencies.engine, dependencies.clock);
  const relayed = openRelayedRequests({
    operator: () => buildAdminApp(dependencies, { trusted: true, keys, isRelayed: true }),
    inner: () => buildAdminApp(dependencies, { trusted: false, keys, isRelayed: true }),
    outer: () =>
      buildAdminApp(dependencies, {
        trusted: false,
        keys,
        isRelayed: true,
        areas: dependencies.areasForOuterZone,
      }),
  });
  try {
    const { socketPath } = options;
    if (socketPath !== undefined) {
      const operatorApp = await buildAdminApp(dependencies, { trusted: true, keys });
      apps.push(operatorApp);
      rmSync(socketPath, { force: true });
      await operatorApp.listen({ path: socketPath });
      chmodSync(socketPath, 0o600);
    }
    for (const { address, port } of options.listen) {
      const app = await buildAdminApp(dependencies, { trusted: false, keys });
      apps.push(app);
      await app.listen({ host: address, port }).catch((error: NodeJS.ErrnoException) => {
        throw listenFault(error, address, port);
      });
      const bound = app.server.address();
      addresses.push({ address, port: typeof bound === 'object' && bound !== null ? bound.port : port });
    }
  } catch (error) {
    await Promise.all(apps.map((app) => app.close()));
    throw error;
  }
  return {
    addresses,
    answer: relayed.answer,
    close: async () => {
      await relayed.close();
      await Promise.all(apps.map((app) => app.close()));
      if (options.socketPath !== undefined) rmSync(options.socketPath, { force: true });
    },
  };
}

function listenFault(error: NodeJS.ErrnoException, address: string, port: number): Fault {
  const why = error.code === 'EADDRINUSE' ? 'is taken by another program' : (error.code ?? error.message);
  const way = `stop that program, or choose another: --set listen.admin=${address}:PORT`;
  return new Fault(`cannot listen on ${address}:${port} (admin): it ${why}; ${way}`, {
    temporary: false,
    cause: error,
  });
}

interface AppOptions {
  readonly trusted: boolean;
  readonly keys: IdempotencyKeys;
  /** Another node took the request: nobody is on this machine. */
  readonly isRelayed?: boolean;
  /** The areas that requests reach; undefined: all. */
  readonly areas?: () => readonly AdministrationArea[];
}

/** Exported for tests, which inject requests. */
export async function buildAdminApp(dependencies: AdminDependencies, options: AppOptions): Promise<AdminApp> {
  const app = Fastify({
    loggerInstance: dependencies.log.child({ module: 'admin' }, { level: 'warn' }) as never,
    genReqId: () => dependencies.random.identifier(12),
    bodyLimit: 1024 * 1024,
    forceCloseConnections: true,
    requestTimeout: requestTimeoutMs,
    http: { headersTimeout: headersTimeoutMs },
    routerOptions: { maxParamLength: 1000 },
    frameworkErrors: answerFrameworkError as never,
  }).withTypeProvider<ZodTypeProvider>() as unknown as AdminApp;
  app.server.maxConnections = connectionsMax;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Rookery admin API', version: dependencies.version },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
      security: [{ bearer: [] }],
    },
    transform: describeRoute,
  });
  // Before the routes: every answer that is described has its errors described too.
  app.addHook('onRoute', ({ schema }) => {
    if (schema?.response !== undefined) Object.assign(schema.response as object, { '4xx': problemSchema });
  });
  app.decorateRequest('caller', '');
  app.decorateRequest('frontend');
  app.decorateRequest('scopes');
  app.decorateRequest('domain');
  app.addHook('onRequest', async (request) => authenticate(request, dependencies, options));
  // Before the domain is looked at: the first answer is given again, though what the request was about is gone by now.
  addIdempotency(app, options.keys);
  app.addHook('preHandler', async (request) => {
    const { domain } = request;
    const { directory } = dependencies;
    if (domain !== undefined) await request.routeOptions.config.within!({ request, domain, directory });
  });
  addErrors(app, dependencies);
  app.addContentTypeParser(
    'message/rfc822',
    { parseAs: 'buffer', bodyLimit: dependencies.messageBytesMax },
    (_request, body, done) => {
      done(null, body);
    },
  );
  const routeSets = [
    healthRoutes,
    domainRoutes,
    accountRoutes,
    aliasRoutes,
    messageRoutes,
    searchIndexRoutes,
    passwordRoutes,
    operationRoutes,
    tokenRoutes,
    clusterRoutes,
    clusterTokenRoutes,
    clusterConfigurationRoutes,
    nodeRoutes,
    sessionRoutes,
  ];
  await app.register(async (scope) => {
    for (const routes of routeSets) routes(scope as unknown as AdminApp, dependencies);
  });
  await app.ready();
  return app;
}

class Unauthenticated extends Error {}
class NotAllowed extends Error {}
class NotFound extends Error {}

async function authenticate(
  request: FastifyRequest,
  dependencies: AdminDependencies,
  { trusted, isRelayed, areas }: AppOptions,
): Promise<void> {
  // Before a body is read: who is not known may not fill memory with one.
  if (request.is404) throw new NotFound(`there is no ${request.method} ${request.url.split('?')[0]}`);
  const { scope, area = 'site', within, isOpenLocally, isCarried, isLong } = request.routeOptions.config;
  if (isRelayed === true && isCarried === true)
    throw new NotAllowed('a request is carried once: name the node to the first one');
  if (isRelayed === true && isLong === true)
    throw new NotAllowed('this takes longer than a request is carried: ask the node itself');
  if (areas !== undefined && !areas().includes(area))
    throw new NotAllowed(
      `this is not done through a node of the outer zone (administration.outer_frontends has no "${area}"): ask one of the inner zone`,
    );
  if (areas !== undefined) request.frontend = request.headers[frontendField] as NodeId | undefined;
  if (trusted) {
    request.caller = 'socket';
    request.scopes = tokenScopes;
    return;
  }
  if (
    scope === undefined ||
    (isOpenLocally === true && isRelayed !== true && isLocalRequest(request.ip, request.headers))
  )
    return;
  const header = request.headers.authorization ?? '';
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  const verified = token === undefined ? undefined : await dependencies.tokens.verify(token);
  if (verified === undefined)
    throw new Unauthenticated('send "Authorization: Bearer TOKEN"; tokens are made by `rookery token add`');
  if (scope !== 'any' && !verified.scopes.includes(scope))
    throw new NotAllowed(`this token lacks the scope "${scope}"`);
  if (verified.domain !== undefined && within === undefined)
    throw new NotAllowed(`this token is for the domain ${verified.domain} alone`);
  request.caller = verified.id;
  request.domain = verified.domain;
  request.scopes = verified.scopes;
}

function addIdempotency(app: AdminApp, keys: IdempotencyKeys): void {
  const pending = new WeakMap<FastifyRequest, { key: string; request: string }>();
  app.addHook('preHandler', async (request, reply) => {
    const key = request.headers['idempotency-key'];
    if (key === undefined || request.method === 'GET' || request.method === 'HEAD') return;
    // Nothing is kept for those whom nobody knows, nor twice for what another node answers.
    if (request.caller === '' || request.routeOptions.config.isCarried === true) return;
    if (typeof key !== 'string' || key === '' || key.length > idempotencyKeyBytesMax) {
      throw new MailError(
        'invalidArgument',
        `an Idempotency-Key has 1 to ${idempotencyKeyBytesMax} characters`,
      );
    }
    const digest = IdempotencyKeys.digestOf(request.method, request.url, request.body);
    const kept = await keys.begin(request.caller, key, digest);
    if (kept === undefined) {
      pending.set(request, { key, request: digest });
      return;
    }
    void reply.header('Idempotency-Replayed', 'true');
    if (kept.body === undefined) {
      throw new MailError(
        'conflict',
        'this was done before; its answer held a secret that is not shown again',
      );
    }
    if (kept.type !== undefined) void reply.type(kept.type);
    await reply.status(kept.status).serializer(String).send(kept.body);
  });
  app.addHook('onSend', async (request, reply, payload) => {
    const begun = pending.get(request);
    if (begun === undefined) return payload;
    pending.delete(request);
    if (isStream(payload)) {
      keys.abandon(request.caller, begun.key);
      return payload;
    }
    const isSecret = request.routeOptions.config.secret === true && reply.statusCode < 300;
    const body = isSecret ? undefined : typeof payload === 'string' ? payload : '';
    const type = reply.getHeader('content-type')?.toString();
    await keys.finish(request.caller, begun.key, {
      request: begun.request,
      status: reply.statusCode,
      body,
      type,
    });
    return payload;
  });
}

/** What never became a request of a route: a URL that cannot be decoded, a parameter that is too long. */
function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode: status = 400, message: detail } = error;
  const body = problem({ kind: 'badRequest', status, detail, traceId: request.id });
  void reply.status(status).type(problemContentType).serializer(JSON.stringify).send(body);
}

/** Too large to keep, and not yet made. */
function isStream(payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && 'pipe' in payload;
}

function addErrors(app: AdminApp, dependencies: AdminDependencies): void {
  const send = (
    request: FastifyRequest,
    reply: FastifyReply,
    kind: string,
    status: number,
    detail: string,
  ): FastifyReply =>
    reply
      .status(status)
      .type(problemContentType)
      .serializer(JSON.stringify)
      .send(problem({ kind, status, detail, traceId: request.id }));
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (hasZodFastifySchemaValidationErrors(error)) {
      const errors = error.validation.map((one) => ({
        path: one.instancePath,
        message: one.message ?? 'is not right',
      }));
      const detail = errors.map((one) => `${one.path || '/'}: ${one.message}`).join('; ');
      const body = problem({ kind: 'invalidArgument', status: 400, detail, traceId: request.id, errors });
      return reply.status(400).type(problemContentType).serializer(JSON.stringify).send(body);
    }
    if (error instanceof Unauthenticated) {
      void reply.header('WWW-Authenticate', 'Bearer');
      return send(request, reply, 'authenticationFailed', 401, error.message);
    }
    if (error instanceof NotFound) return send(request, reply, 'notFound', 404, error.message);
    if (error instanceof NotAllowed) return send(request, reply, 'permissionDenied', 403, error.message);
    if (isMailError(error))
      return send(request, reply, error.kind, statusByMailError[error.kind], error.message);
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return send(request, reply, 'badRequest', error.statusCode, error.message);
    }
    dependencies.log.error({ err: error, traceId: request.id, url: request.url }, 'admin request failed');
    if (error instanceof Fault && error.temporary)
      return send(request, reply, 'unavailable', 503, 'try again later');
    return send(request, reply, 'internal', 500, 'see the server log');
  });
}
