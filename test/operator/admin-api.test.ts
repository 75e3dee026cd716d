// The admin API over TCP as any HTTP client sees it: tokens and scopes, problem+json, pages, idempotency keys, the OpenAPI
// description, health and metrics.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addressOf, ServerProcess } from '../server-process.ts';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what is tested
  readonly body: any;
}

interface Asked {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** Every route, as docs and programs rely on them. */
interface Operation {
  readonly summary?: string;
  readonly operationId?: string;
  readonly security?: readonly Record<string, readonly string[]>[];
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
}

const routes: Record<string, readonly string[]> = {
  '/api/domains': ['get', 'post'],
  '/api/domains/{domain}': ['delete', 'get', 'patch'],
  '/api/accounts': ['get', 'post'],
  '/api/accounts/{account}': ['delete', 'get', 'patch'],
  '/api/accounts/{account}/password': ['put'],
  '/api/accounts/{account}/app-passwords': ['get', 'post'],
  '/api/accounts/{account}/app-passwords/{appPassword}': ['delete'],
  '/api/accounts/{account}/quota': ['get', 'put'],
  '/api/accounts/{account}/mailboxes': ['get'],
  '/api/accounts/{account}/mailboxes/{mailbox}/acl': ['get', 'patch'],
  '/api/accounts/{account}/messages': ['post'],
  '/api/accounts/{account}/mailboxes/{mailbox}/messages': ['get'],
  '/api/accounts/{account}/mailboxes/{mailbox}/messages/{uid}': ['get'],
  '/api/accounts/{account}/search-index': ['get'],
  '/api/accounts/{account}/search-index/rebuild': ['post'],
  '/api/aliases': ['get', 'post'],
  '/api/aliases/{alias}': ['delete', 'get', 'patch'],
  '/api/version': ['get'],
  '/api/config': ['get'],
  '/api/reload': ['post'],
  '/api/store/check': ['post'],
  '/api/password': ['put'],
  '/api/token': ['get'],
  '/api/sessions': ['delete', 'get'],
  '/api/tokens': ['get', 'post'],
  '/api/tokens/{token}': ['delete'],
  '/api/cluster': ['get'],
  '/api/cluster/nodes/{node}': ['delete'],
  '/api/cluster/nodes/{node}/drain': ['post'],
  '/api/cluster/nodes/{node}/undrain': ['post'],
  '/api/cluster/nodes/{node}/admit': ['post'],
  '/api/cluster/shards': ['get'],
  '/api/cluster/shards/{shard}/move': ['post'],
  '/api/cluster/rebalance': ['post'],
  '/api/cluster/who/{account}': ['get'],
  '/api/cluster/balancer': ['get'],
  '/api/cluster/tokens': ['get', 'post'],
  '/api/cluster/tokens/{token}': ['delete'],
  '/api/cluster/configuration': ['get', 'put'],
  '/api/cluster/configuration/history': ['get'],
  '/api/cluster/configuration/history/{version}': ['get'],
  '/api/cluster/configuration/rollback': ['post'],
};

describe('the admin API', () => {
  let server: ServerProcess;
  let all: string;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
    all = await tokenWith('read', 'write:directory', 'write:accounts', 'operate', 'metrics');
  });
  after(() => server.stop());

  const tokenWith = async (...scopes: string[]): Promise<string> => {
    const body = { name: scopes.join(), scopes };
    const path = '/api/tokens';
    return (await server.admin.call<{ token: string }>({ method: 'POST', path, body })).token;
  };
  const ask = async (
    path: string,
    { method = 'GET', token, body, headers = {} }: Asked = {},
  ): Promise<Answer> => {
    const response = await fetch(`http://127.0.0.1:${server.ports.admin}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  const refused = (answer: Answer, status: number, type: string): void => {
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(answer.body.type, `urn:rookery:problem:${type}`);
    assert.equal(answer.body.status, status);
    assert.ok(answer.body.title !== '' && answer.body.detail !== '' && answer.body.traceId !== '');
  };

  test('needs a token that is known and has the scope', async () => {
    const without = await ask('/api/accounts');
    refused(without, 401, 'authentication-failed');
    assert.equal(without.headers.get('www-authenticate'), 'Bearer');
    refused(await ask('/api/accounts', { token: `${all}x` }), 401, 'authentication-failed');
    refused(await ask('/api/accounts', { token: all.replace(/.$/, '!') }), 401, 'authentication-failed');
    const read = await tokenWith('read');
    assert.equal((await ask('/api/accounts', { token: read })).status, 200);
    const body = { name: 'x.test' };
    const post = { method: 'POST', token: read, body };
    refused(await ask('/api/domains', post), 403, 'permission-denied');
    refused(await ask('/api/tokens', { token: read }), 403, 'permission-denied');
    const operate = await tokenWith('operate');
    const more = { name: 'more', scopes: ['write:directory'] };
    refused(
      await ask('/api/tokens', { method: 'POST', token: operate, body: more }),
      403,
      'permission-denied',
    );
    const expired = { name: 'old', scopes: ['read'], expiresAt: 1 };
    const made = await ask('/api/tokens', { method: 'POST', token: all, body: expired });
    assert.equal(made.status, 201);
    refused(await ask('/api/accounts', { token: made.body.token }), 401, 'authentication-failed');
  });

  test('a revoked token is refused at once', async () => {
    const body = { name: 'short', scopes: ['read'] };
    const { token, id } = (await ask('/api/tokens', { method: 'POST', token: all, body })).body;
    assert.equal((await ask('/api/domains', { token })).status, 200);
    assert.equal((await ask(`/api/tokens/${id}`, { method: 'DELETE', token: all })).status, 204);
    refused(await ask('/api/domains', { token }), 401, 'authentication-failed');
    const listed = (await ask('/api/tokens', { token: all })).body.items;
    assert.ok(listed.every((item: { token?: string; digest?: string }) => !item.token && !item.digest));
  });

  test('errors are problem+json', async () => {
    const post = { method: 'POST', token: all };
    refused(await ask('/api/nothing', { token: all }), 404, 'not-found');
    refused(await ask('/api/accounts/nobody@example.test', { token: all }), 404, 'not-found');
    refused(await ask('/api/domains', { ...post, body: { name: 'example.test' } }), 409, 'conflict');
    const shape = await ask('/api/domains', { ...post, body: { nam: 'x', enabled: 'perhaps' } });
    refused(shape, 400, 'invalid-argument');
    assert.ok(shape.body.errors.length >= 2, JSON.stringify(shape.body));
    refused(await ask('/api/domains', { ...post, body: '{' }), 400, 'bad-request');
    refused(
      await ask('/api/domains', { ...post, headers: { 'content-type': 'text/csv' }, body: 'a,b' }),
      415,
      'bad-request',
    );
    refused(await ask('/api/domains', { ...post, body: 'x'.repeat(2 ** 21) }), 413, 'bad-request');
    refused(await ask('/api/domains?limit=0', { token: all }), 400, 'invalid-argument');
    const path = `/api/accounts/${addressOf('alice')}/mailboxes/999/messages`;
    refused(await ask(path, { token: all }), 404, 'no-such-mailbox');
  });

  test('lists come in pages', async () => {
    const names = Array.from({ length: 7 }, (_, at) => `page${at}.test`);
    for (const name of names) await ask('/api/domains', { method: 'POST', token: all, body: { name } });
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
      const page = await ask(`/api/domains?limit=3${query}`, { token: all });
      assert.ok(page.body.items.length <= 3);
      seen.push(...page.body.items.map(({ name }: { name: string }) => name));
      after = page.body.next;
    } while (after !== undefined);
    assert.deepEqual(seen, ['example.test', ...names]);
    for (const name of names) {
      assert.equal((await ask(`/api/domains/${name}`, { method: 'DELETE', token: all })).status, 204);
    }
  });

  test('a write with an Idempotency-Key takes effect once', async () => {
    const headers = { 'idempotency-key': '7b9e6f1c-0001' };
    const post = { method: 'POST', token: all, headers, body: { name: 'once.test' } };
    const first = await ask('/api/domains', post);
    const second = await ask('/api/domains', post);
    assert.deepEqual([first.status, second.status], [201, 201]);
    assert.deepEqual(second.body, first.body);
    assert.equal(first.headers.get('idempotency-replayed'), null);
    assert.equal(second.headers.get('idempotency-replayed'), 'true');
    const other = await ask('/api/domains', { ...post, body: { name: 'other.test' } });
    refused(other, 400, 'invalid-argument');
    const otherToken = await ask('/api/domains', { ...post, token: await tokenWith('write:directory') });
    refused(otherToken, 409, 'conflict');
    const deletion = { method: 'DELETE', token: all, headers: { 'idempotency-key': '7b9e6f1c-0002' } };
    assert.equal((await ask('/api/domains/once.test', deletion)).status, 204);
    assert.equal((await ask('/api/domains/once.test', deletion)).status, 204);
    refused(await ask('/api/domains/once.test', { method: 'DELETE', token: all }), 404, 'not-found');
    const both = { ...post, headers: { 'idempotency-key': '7b9e6f1c-0003' }, body: { name: 'twice.test' } };
    const answers = await Promise.all([ask('/api/domains', both), ask('/api/domains', both)]);
    assert.ok(answers.some(({ status }) => status === 201));
    assert.ok(answers.every(({ status, body }) => status === 201 || /Idempotency-Key/.test(body.detail)));
  });

  test('OpenAPI describes every route', async () => {
    const { body, status } = await ask('/api/openapi.json');
    assert.equal(status, 200);
    assert.match(body.openapi, /^3\.1\./);
    const described = Object.entries(body.paths as Record<string, object>).map(([path, methods]) => [
      path,
      Object.keys(methods).sort(),
    ]);
    assert.deepEqual(Object.fromEntries(described), routes);
    const text = JSON.stringify(body);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      assert.ok(body.components.schemas[name!] !== undefined, `${name} is described`);
    const account = body.paths['/api/accounts'].post.requestBody.content['application/json'].schema;
    assert.deepEqual(account.required, ['address']);
    const operations = Object.values(body.paths as Record<string, Record<string, Operation>>).flatMap(
      Object.values<Operation>,
    );
    for (const one of operations) assert.ok(one.summary, JSON.stringify(one));
    const ids = operations.map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length, 'a generated client has a method for each');
    const { get, post } = body.paths['/api/accounts'] as { get: Operation; post: Operation };
    assert.equal(post.operationId, 'postAccounts');
    assert.deepEqual(
      [get.security, post.security],
      [[{ bearer: ['read'] }], [{ bearer: ['write:directory'] }]],
    );
    assert.deepEqual(body.paths['/api/password'].put.security, [], 'the password says who it is');
    const headers = ({ parameters = [] }: Operation): string[] =>
      parameters.flatMap((one) => (one.in === 'header' ? [one.name] : []));
    assert.deepEqual([headers(get), headers(post)], [[], ['Idempotency-Key']]);
  });

  test('health, readiness and metrics need no token', async () => {
    assert.deepEqual((await ask('/healthz')).body, { status: 'alive' });
    assert.deepEqual((await ask('/readyz')).body, { status: 'ready' });
    const { body, headers } = await ask('/metrics');
    assert.match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(body, /^rookery_event_loop_delay_p99_seconds \d/m);
    assert.match(body, /^# TYPE rookery_engine_commits_total counter\nrookery_engine_commits_total \d+$/m);
    assert.match(body, /^rookery_storage_room_bytes \d+$/m);
    assert.match(body, /^rookery_tls_certificate_left_seconds\{name="localhost"\} \d{7,}$/m);
    assert.match(body, /^rookery_build_info\{version="\d+\.\d+\.\d+",node="v\d+\.\d+\.\d+"\} 1$/m);
    assert.match(body, /^# TYPE rookery_accounts_loaded gauge$/m);
    assert.match(body, /^rookery_search_index_lag_messages \d+$/m);
    assert.match(body, /^process_resident_memory_bytes \d+$/m);
    const names = [...(body as string).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    assert.equal(new Set(names).size, names.length);
  });

  test('the configuration in effect, and the version', async () => {
    const config = await ask('/api/config', { token: all });
    assert.equal(config.body.data, server.data);
    assert.equal(config.body.limits.message_size, 50 * 2 ** 20);
    assert.match((await ask('/api/version', { token: all })).body.version, /^\d+\.\d+\.\d+/);
  });

  test("the operator's socket is the operator's", () => {
    assert.equal(statSync(join(server.data, 'admin.sock')).mode & 0o777, 0o600);
    assert.equal(statSync(server.data).mode & 0o777, 0o700);
    assert.equal(statSync(join(server.data, 'tls', 'self-signed.key')).mode & 0o777, 0o600);
  });
});
