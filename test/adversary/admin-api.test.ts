// The admin API under attack: who has no token, or too small a one, gets nowhere; bodies that nobody asked for take no
// memory; secrets are kept nowhere; odd input is a 4xx problem, never a 500.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { addressOf, ServerProcess } from '../server-process.ts';
import { residentBytes, unharmed } from './attacked-server.ts';

const long = encodeURIComponent('€'.repeat(900));
/** No bigger step than measuring makes by itself: far below what the bodies would take. */
const memoryMarginBytes = 150 * 1024 * 1024;

interface Asked {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

describe('the admin API under attack', () => {
  let server: ServerProcess;
  let all: string;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
    all = await tokenWith('read', 'write:directory', 'write:accounts', 'operate');
  });
  after(() => unharmed(server));

  const tokenWith = async (...scopes: string[]): Promise<string> => {
    const body = { name: 'test', scopes };
    return (await server.admin.call<{ token: string }>({ method: 'POST', path: '/api/tokens', body })).token;
  };
  const ask = async (method: string, path: string, asked: Asked = {}): Promise<Response> => {
    const { token, body, headers = {} } = asked;
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    return await fetch(`http://127.0.0.1:${server.ports.admin}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined || isRaw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
    });
  };
  /** What the server says to bytes that no HTTP library would send, up to its end. */
  const raw = async (request: string): Promise<string> => {
    const socket = connect({ port: server.ports.admin, host: '127.0.0.1' });
    socket.on('error', () => {});
    let answer = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text;
    });
    socket.write(request, 'latin1');
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    return answer;
  };

  test('there is no way round the token, on loopback neither', async () => {
    const paths = [
      'GET /api/accounts',
      'GET //api/accounts',
      'GET /api/accounts/',
      'GET /API/accounts',
      'GET /api/./accounts',
      'GET /healthz/../api/accounts',
      'GET /healthz/%2e%2e/api/accounts',
      'GET /metrics;/api/accounts',
      'GET /api/accounts?token=x',
      'GET http://127.0.0.1/api/accounts',
      'HEAD /api/accounts',
      'OPTIONS /api/accounts',
      'TRACE /api/accounts',
      'GET /api/config',
      'GET /api/tokens',
      'POST /api/reload',
    ];
    const headers = [
      'Host: localhost',
      'Host: evil.example\r\nOrigin: http://evil.example',
      'Host: localhost\r\nX-Forwarded-For: 127.0.0.1',
      'Host: localhost\r\nAuthorization: Bearer',
      'Host: localhost\r\nAuthorization: Bearer socket',
      'Host: localhost\r\nAuthorization: Basic YWRtaW46YWRtaW4=',
      `Host: localhost\r\nAuthorization: Bearer ${all.slice(0, -1)}`,
      `Host: localhost\r\nAuthorization: Bearer ${all}x`,
      `Host: localhost\r\nAuthorization: Bearer x, Bearer ${all}`,
      `Host: localhost\r\nCookie: token=${all}`,
      'Host: localhost\r\nX-HTTP-Method-Override: GET',
    ];
    for (const path of paths) {
      for (const header of headers) {
        const answer = await raw(
          `${path} HTTP/1.1\r\n${header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
        );
        assert.match(answer, /^HTTP\/1\.1 40[014] /, `${path} ${header}`);
        assert(!answer.includes('alice'), path);
        assert.doesNotMatch(answer, /access-control-allow/i, path);
      }
    }
  });

  test('a request that smuggles another is refused', async () => {
    const both =
      'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    assert.match(
      await raw(`${both}GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n`),
      /^HTTP\/1\.1 400 (?:(?!HTTP).)*$/s,
    );
  });

  test('a token does what its scopes say, and makes no larger one', async () => {
    const read = await tokenWith('read');
    const operate = await tokenWith('operate');
    const denied: [string, string, string, unknown][] = [
      [read, 'POST', '/api/domains', { name: 'evil.test' }],
      [read, 'PUT', '/api/accounts/alice@example.test/password', { password: 'evil evil' }],
      [read, 'POST', '/api/tokens', { name: 'evil', scopes: ['read'] }],
      [read, 'GET', '/api/tokens', undefined],
      [read, 'POST', '/api/store/check', { repair: true }],
      [read, 'POST', '/api/accounts/alice@example.test/messages', 'Subject: evil\r\n\r\n'],
      [operate, 'GET', '/api/accounts', undefined],
      [operate, 'POST', '/api/tokens', { name: 'evil', scopes: ['operate', 'write:directory'] }],
    ];
    for (const [token, method, path, body] of denied) {
      const headers: Record<string, string> =
        typeof body === 'string' ? { 'content-type': 'message/rfc822' } : {};
      const answer = await ask(method, path, { token, body, headers });
      assert.equal(answer.status, 403, `${method} ${path}`);
    }
  });

  test('a body that nobody asked for is not read into memory', async () => {
    const body = Buffer.alloc(40 * 1024 * 1024, 'x');
    const before = residentBytes(server);
    const paths = ['/nowhere', '/healthz', '/api/accounts', '/api/accounts/alice@example.test/messages'];
    await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const path = paths[index % paths.length]!;
        const headers = { 'content-type': 'message/rfc822' };
        // Answered before it is all sent: the client may see the connection closed first.
        const status = await ask('POST', path, { body, headers }).then(
          (answer) => answer.status,
          () => 404,
        );
        assert([401, 404].includes(status), `${path} ${status}`);
      }),
    );
    assert(
      residentBytes(server) - before < memoryMarginBytes,
      `${residentBytes(server) - before} bytes more`,
    );
  });

  test('odd input is a problem of the client', async () => {
    const gets = [
      `/api/accounts/${long}`,
      `/api/accounts/${long}@example.test`,
      '/api/accounts/%00%00',
      '/api/accounts/%ff',
      '/api/accounts/..%2f..%2fetc%2fpasswd',
      `/api/accounts?after=${long}`,
      `/api/accounts?domain=${long}`,
      `/api/aliases?after=${long}`,
      `/api/aliases?domain=${long}`,
      `/api/domains?after=${long}`,
      '/api/accounts?limit=0',
      '/api/accounts?limit=1e9',
      '/api/accounts?limit=1&limit=2',
      '/api/accounts/alice@example.test/mailboxes/1e3/messages',
      '/api/accounts/alice@example.test/mailboxes/99999999999999999999/messages',
      '/api/accounts/alice@example.test/mailboxes/1/messages/-1',
      '/api/accounts/alice@example.test/mailboxes/1/messages/4294967297',
    ];
    const posts: [string, unknown, Record<string, string>?][] = [
      ['/api/domains', { name: 'a'.repeat(100_000) }],
      ['/api/domains', { name: 'b.test', description: 'x'.repeat(100_000) }],
      ['/api/domains', { name: 'b.test', constructor: { prototype: { x: 1 } } }],
      ['/api/accounts', { address: `${'€'.repeat(2000)}@example.test` }],
      ['/api/accounts', { address: 'm@example.test', fullName: 'a\r\nX: y\0' }],
      ['/api/accounts', { address: 'm@example.test', quotaBytes: 9e300 }],
      ['/api/aliases', { address: 'q@example.test', targets: ['a@b.test\r\nRCPT TO:<x@y.test>'] }],
      ['/api/aliases', '{"__proto__":{"x":1}}', { 'content-type': 'application/json' }],
      ['/api/aliases', '{"address":', { 'content-type': 'application/json' }],
      ['/api/aliases', '<x/>', { 'content-type': 'text/xml' }],
      ['/api/aliases', 'address=x', { 'content-type': 'application/x-www-form-urlencoded' }],
      ['/api/aliases', 'x'.repeat(2_000_000), { 'content-type': 'application/json' }],
      ['/api/domains', { name: 'k.test' }, { 'idempotency-key': '' }],
      ['/api/domains', { name: 'k.test' }, { 'idempotency-key': 'k'.repeat(201) }],
      [
        `/api/accounts/alice@example.test/messages?mailbox=${long}`,
        'x',
        { 'content-type': 'message/rfc822' },
      ],
      [
        '/api/accounts/alice@example.test/messages?flags=%28%0d%0a',
        'x',
        { 'content-type': 'message/rfc822' },
      ],
      [
        '/api/accounts/alice@example.test/messages?date=9999999999999',
        'x',
        { 'content-type': 'message/rfc822' },
      ],
    ];
    const answers: [string, Response][] = [];
    for (const path of gets) answers.push([path, await ask('GET', path, { token: all })]);
    for (const [path, body, headers = {}] of posts) {
      answers.push([path, await ask('POST', path, { token: all, body, headers })]);
    }
    for (const [path, answer] of answers) {
      const told = `${path.slice(0, 80)} → ${answer.status}`;
      assert(answer.status >= 400 && answer.status < 500, told);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, told);
    }
  });

  test('answers with secrets are not kept under an Idempotency-Key, nor quick digests of passwords', async () => {
    const headers = { 'idempotency-key': 'one' };
    const body = { name: 'kept?', scopes: ['read'] };
    const first = await ask('POST', '/api/tokens', { token: all, body, headers });
    const { token } = (await first.json()) as { token: string };
    const again = await ask('POST', '/api/tokens', { token: all, body, headers });
    assert.equal(again.status, 409);
    assert(!(await again.text()).includes(token));
    const path = `/api/accounts/${addressOf('alice')}/app-passwords`;
    const wanted = { name: 'phone', services: ['imap'] };
    const keys = { 'idempotency-key': 'two' };
    const { password } = (await (
      await ask('POST', path, { token: all, body: wanted, headers: keys })
    ).json()) as {
      password: string;
    };
    assert.equal((await ask('POST', path, { token: all, body: wanted, headers: keys })).status, 409);
    const store = everyFile(server.data);
    for (const secret of [token, token.slice(-43), password])
      assert(!store.some((bytes) => bytes.includes(secret)));
  });

  test('a replayed answer is the first one, its type too; streams are made anew', async () => {
    const headers = { 'idempotency-key': 'three' };
    for (const replayed of [null, 'true']) {
      const answer = await ask('POST', '/api/domains', {
        token: all,
        body: { name: 'example.test' },
        headers,
      });
      assert.equal(answer.status, 409);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
      assert.equal(answer.headers.get('idempotency-replayed'), replayed);
    }
    const check = { token: all, body: { repair: false }, headers: { 'idempotency-key': 'four' } };
    for (let count = 0; count < 2; count++) {
      assert.match(await (await ask('POST', '/api/store/check', check)).text(), /"type":"done"/);
    }
  });

  test('one caller’s key is not another’s', async () => {
    const other = await tokenWith('read', 'write:directory');
    const asked = { body: { name: 'keys.test' }, headers: { 'idempotency-key': 'five' } };
    assert.equal((await ask('POST', '/api/domains', { token: all, ...asked })).status, 201);
    assert.equal((await ask('POST', '/api/domains', { token: other, ...asked })).status, 409);
    assert.equal((await ask('POST', '/api/domains', { token: all, ...asked })).status, 201);
    const different = { ...asked, body: { name: 'more.test' } };
    assert.equal((await ask('POST', '/api/domains', { token: all, ...different })).status, 400);
  });

  test('what lies in the data directory is the operator’s', () => {
    const mode = (name: string): number => statSync(join(server.data, name)).mode & 0o077;
    assert.equal(mode('admin.sock'), 0);
    assert.equal(mode('.'), 0);
    assert.equal(mode(join('tls', 'self-signed.key')), 0);
  });
});

function everyFile(directory: string): Buffer[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}
