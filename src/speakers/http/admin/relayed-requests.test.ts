import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type ClusterSite, openClusterSite } from '../../../../test/cluster-site.ts';
import { openAdministrationService, type RelayedRequest } from '../../../cluster/relayed-administration.ts';
import type { AdministrationArea } from '../../../config/schema.ts';
import { type TokenScope, tokenScopes } from '../../../directory/tokens.ts';
import type { NodeId } from '../../../mail/ids.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { type AdminApp, type AdminServer, buildAdminApp, openAdminServer } from './admin-server.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { openRelayedRequests } from './relayed-requests.ts';

const peer = 'edge' as NodeId;

const request = (
  line: `${RelayedRequest['method']} /${string}`,
  given: { fields?: Record<string, string>; body?: object; isOperator?: boolean } = {},
): RelayedRequest => {
  const [method, url] = line.split(' ') as [RelayedRequest['method'], string];
  const { fields = {}, body, isOperator = false } = given;
  return {
    method,
    url,
    fields: { 'content-type': 'application/json', ...fields },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
    remoteAddress: '127.0.0.1',
    isOperator,
  };
};

suite('requests that other nodes carry', () => {
  let site: ClusterSite;
  let server: AdminServer;
  let areas: readonly AdministrationArea[] = ['password', 'directory'];
  before(async () => {
    site = await openClusterSite([{ name: 'a' }]);
    const dependencies = { ...site.nodes[0]!.dependencies, areasForOuterZone: () => areas };
    server = await openAdminServer({ dependencies, listen: [], socketPath: undefined });
  });
  after(async () => {
    await server.close();
    await site[Symbol.asyncDispose]();
  });

  const tokenWith = async (...scopes: readonly TokenScope[]): Promise<Record<string, string>> => {
    const { tokens } = site.nodes[0]!.dependencies;
    const { token } = await tokens.create({ name: 'test', scopes, expiresAt: undefined });
    return { authorization: `Bearer ${token}` };
  };
  const ask = async (isOuter: boolean, ...given: Parameters<typeof request>) => {
    const { status, body } = await server.answer(request(...given), { peer, isOuter });
    return { status, body: body.length === 0 ? undefined : JSON.parse(Buffer.from(body).toString()) };
  };

  test('through the outer zone: with a token, what is open, and nothing else however much the token may', async () => {
    const fields = await tokenWith(...tokenScopes);
    const body = { address: 'bob@example.test', password: 'a word' };
    assert.equal((await ask(true, 'POST /api/accounts', { body })).status, 401);
    assert.equal(
      (await ask(true, 'POST /api/accounts', { fields: { authorization: 'Bearer x' }, body })).status,
      401,
    );
    assert.equal((await ask(true, 'POST /api/accounts', { fields, body })).status, 201);
    assert.deepEqual((await ask(true, 'GET /api/token', { fields })).body, {
      scopes: [...tokenScopes],
      domain: null,
    });
    for (const line of [
      'GET /api/cluster',
      'GET /api/cluster/configuration',
      'POST /api/cluster/tokens',
      'POST /api/cluster/nodes/a/drain',
      'GET /api/config',
      'POST /api/reload',
      'GET /api/tokens',
      'POST /api/tokens',
      'GET /api/nodes/a/config',
      'GET /api/accounts/bob@example.test/mailboxes/1/messages',
      'GET /api/openapi.json',
      'GET /api/metrics',
      'GET /metrics',
      'GET /readyz',
    ] as const)
      assert.equal((await ask(true, line, { fields, body: {} })).status, 403, line);
    areas = ['site'];
    assert.equal((await ask(true, 'GET /api/cluster', { fields })).status, 200);
    assert.equal((await ask(true, 'GET /api/accounts', { fields })).status, 403);
    areas = ['password', 'directory'];
    const weak = await tokenWith('read');
    assert.equal((await ask(true, 'GET /api/accounts', { fields: weak })).status, 200);
    assert.equal((await ask(true, 'POST /api/accounts', { fields: weak, body })).status, 403);
  });

  test('users change their own passwords, with the old one', async () => {
    const address = 'carol@example.test';
    await site.directory.addAccount({ address, password: 'the first' });
    const change = (current: string, password: string, user = address) =>
      ask(true, 'PUT /api/password', { body: { address: user, current, password } });
    assert.equal((await change('guessed', 'mine now')).status, 401);
    assert.equal((await change('the first', 'the second', 'bob@example.test')).status, 401);
    assert.equal((await change('the first', 'the second')).status, 204);
    assert.equal((await change('the first', 'the third')).status, 401);
    // The answer was lost, and the request comes again.
    assert.equal((await change('the first', 'the second')).status, 204);
    const context = { service: 'imap' as const, remoteAddress: '192.0.2.1', traceId: 'test' };
    const user = { user: address, authorizationId: '' };
    await site.directory.verifyPassword({ ...user, password: 'the second' }, context);
    const { id } = (await site.directory.accountByAddress(address))!;
    const app = await site.directory.addAppPassword(id, { name: 'phone', services: ['http', 'imap'] });
    assert.equal((await change(app.password, 'the third')).status, 403);
    areas = ['directory'];
    assert.equal((await change('the second', 'the third')).status, 403);
    areas = ['password', 'directory'];
  });

  test('wrong passwords count for the node that carries them, whatever addresses it says they come from', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 8; index++) {
      const body = { address: `user${index}@example.test`, current: 'guessed', password: 'mine now' };
      const fields = { 'rookery-frontend': `node${index}` };
      const asked = { ...request('PUT /api/password', { body, fields }), remoteAddress: `192.0.2.${index}` };
      const { status } = await server.answer(asked, { peer: 'stolen' as NodeId, isOuter: true });
      statuses.push(status);
    }
    assert.deepEqual(new Set(statuses), new Set([401, 429]));
    assert.equal(statuses.at(-1), 429);
    const body = { address: 'user8@example.test', current: 'guessed', password: 'mine now' };
    const carried = { ...request('PUT /api/password', { body }), remoteAddress: '192.0.2.9' };
    const other = await server.answer(carried, { peer: 'other' as NodeId, isOuter: true });
    assert.equal(other.status, 401);
  });

  test('from an inner node: its operator may do everything, others what their tokens may', async () => {
    assert.equal((await ask(false, 'GET /api/cluster', { isOperator: true })).status, 200);
    assert.equal((await ask(false, 'GET /api/cluster')).status, 401);
    assert.equal((await ask(false, 'GET /api/cluster', { fields: await tokenWith('metrics') })).status, 403);
    assert.equal((await ask(false, 'GET /api/cluster', { fields: await tokenWith('read') })).status, 200);
    // It is the other node that the client is on.
    assert.equal((await ask(false, 'GET /api/metrics')).status, 401);
    const onward = await ask(false, 'GET /api/nodes/a/config', { isOperator: true });
    assert.equal(onward.status, 403);
    const check = await ask(false, 'POST /api/store/check', { isOperator: true, body: {} });
    assert.equal(check.status, 403);
  });

  test('a node of the outer zone vouches for nobody, and says nothing but requests', async () => {
    const service = openAdministrationService({ answer: server.answer, authorize: () => {}, isOuter: true });
    const call = (given: unknown, method = 'request') =>
      service({ method, held: false, peer, arguments: given } as Parameters<typeof service>[0]);
    const refused = (kind: Parameters<typeof isMailError>[1]) => (error: unknown) => isMailError(error, kind);
    await assert.rejects(
      call(request('GET /api/accounts', { isOperator: true })),
      refused('permissionDenied'),
    );
    await assert.rejects(call(request('GET /api/accounts'), 'answer'), refused('permissionDenied'));
    await assert.rejects(call({ ...request('GET /api/accounts'), url: 'x' }), refused('invalidArgument'));
    const long = { ...request('POST /api/accounts'), body: Buffer.alloc(1024 * 1024 + 1) };
    await assert.rejects(call(long), refused('invalidArgument'));
  });

  test('metrics are for this machine, or for who has a token for them', async () => {
    const { dependencies } = site.nodes[0]!;
    const keys = new IdempotencyKeys(dependencies.engine, dependencies.clock);
    await using app = await buildAdminApp(dependencies, { trusted: false, keys });
    const status = async (remoteAddress: string, headers: Record<string, string> = {}) =>
      (await app.inject({ url: '/metrics', remoteAddress, headers })).statusCode;
    assert.equal(await status('127.0.0.1'), 200);
    assert.equal(await status('::ffff:127.0.0.9'), 200);
    assert.equal(await status('127.0.0.1', { 'x-forwarded-for': '192.0.2.1' }), 401);
    assert.equal(await status('192.0.2.1'), 401);
    assert.equal(await status('192.0.2.1', await tokenWith('read')), 403);
    assert.equal(await status('192.0.2.1', await tokenWith('metrics')), 200);
  });
});

test('what the outer zone asks for keeps no operator out', async () => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const app = (ready: Promise<void>) =>
    ({
      inject: async () => {
        await ready;
        return { statusCode: 200, headers: {}, rawPayload: Buffer.alloc(0) };
      },
      close: async () => {},
    }) as unknown as AdminApp;
  const relayed = openRelayedRequests({
    operator: async () => app(Promise.resolve()),
    inner: async () => app(Promise.resolve()),
    outer: async () => app(released),
  });
  const from = (node: string) => ({ peer: node as NodeId, isOuter: true });
  const outer = from('edge');
  const ask = (count: number, node: string) =>
    Array.from({ length: count }, () => relayed.answer(request('GET /api/accounts'), from(node)));
  const refused = (node: string) =>
    assert.rejects(Promise.all(ask(1, node)), (error) => isMailError(error, 'limitReached'));
  const asked = ask(16, 'edge');
  await refused('edge');
  // One node of the outer zone keeps no other one out, and all of them together no operator.
  for (const node of ['edge2', 'edge3', 'edge4']) asked.push(...ask(16, node));
  await refused('edge5');
  const operator = request('GET /api/cluster', { isOperator: true });
  assert.equal((await relayed.answer(operator, { peer, isOuter: false })).status, 200);
  release();
  await Promise.all(asked);
  assert.equal((await relayed.answer(request('GET /api/accounts'), outer)).status, 200);
  await relayed.close();
});

test('an app that cannot be made fails its request alone: not those after it, and not the end', async () => {
  let made = 0;
  let closed = 0;
  const { promise: released, reject } = Promise.withResolvers<AdminApp>();
  const app = {
    inject: async () => ({ statusCode: 200, headers: {}, rawPayload: Buffer.alloc(0) }),
    close: async () => void closed++,
  } as unknown as AdminApp;
  const make = (): Promise<AdminApp> => {
    made++;
    return made === 1 ? Promise.reject(new Error('no memory')) : Promise.resolve(app);
  };
  const relayed = openRelayedRequests({ operator: make, inner: () => released, outer: make });
  const asked = request('GET /api/accounts');
  const from = { peer, isOuter: true };
  await assert.rejects(relayed.answer(asked, from), /no memory/);
  assert.equal((await relayed.answer(asked, from)).status, 200);
  assert.equal((await relayed.answer(asked, from)).status, 200);
  assert.equal(made, 2);
  // One is being made when the server stops, and cannot be.
  const late = relayed.answer(asked, { peer, isOuter: false });
  const end = relayed.close();
  reject(new Error('stopping'));
  await assert.rejects(late, /stopping/);
  await end;
  assert.equal(closed, 1);
});
