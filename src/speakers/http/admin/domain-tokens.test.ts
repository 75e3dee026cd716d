// Tokens for one domain: everything in it, nothing beside it, and no way to more.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { adminDependencies, type ClusterSite, openClusterSite } from '../../../../test/cluster-site.ts';
import type { AccountPort } from '../../../account/port.ts';
import { type AdminApp, buildAdminApp } from './admin-server.ts';
import { IdempotencyKeys } from './idempotency.ts';

const scopes = ['read', 'write:directory', 'write:accounts'];

suite('a token for one domain', () => {
  let site: ClusterSite;
  let app: AdminApp;
  let operator: AdminApp;
  let authorization: string;
  const ids: Record<string, string> = {};

  const ask = async (line: string, payload?: object, by = app) => {
    const [method, url] = line.split(' ') as ['GET', string];
    const headers = by === app ? { authorization } : {};
    const answer = await by.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
  };

  before(async () => {
    site = await openClusterSite([{ name: 'a' }]);
    const { tokens, clock } = site.nodes[0]!.dependencies;
    const { engine, directory } = site;
    const port = {
      quota: async () => ({ bytesUsed: 0, messagesUsed: 0, bytesMax: undefined, messagesMax: undefined }),
      listMailboxes: async () => ({ mailboxes: [], subscriptions: [], modSeq: 1 }),
    } as unknown as AccountPort;
    const dependencies = {
      ...adminDependencies({ engine, directory, tokens }, undefined),
      accounts: { open: async () => port },
    };
    const keys = new IdempotencyKeys(engine, clock);
    app = await buildAdminApp(dependencies, { trusted: false, keys });
    operator = await buildAdminApp(dependencies, { trusted: true, keys });
    for (const name of ['mine.test', 'other.test']) await directory.addDomain({ name });
    for (const address of ['ann@mine.test', 'root@mine.test', 'bob@other.test']) {
      const administrator = address.startsWith('root');
      ids[address] = (await directory.addAccount({ address, password: 'x', administrator })).id;
    }
    await directory.addAlias({ address: 'all@other.test', targets: ['bob@other.test'] });
    const { status, body } = await ask(
      'POST /api/tokens',
      { name: 'mine', scopes, domain: 'Mine.Test' },
      operator,
    );
    assert.deepEqual([status, body.domain], [201, 'mine.test']);
    authorization = `Bearer ${body.token}`;
  });
  after(async () => {
    await Promise.all([app.close(), operator.close()]);
    await site[Symbol.asyncDispose]();
  });

  test('administers the accounts and aliases of its domain', async () => {
    const body = { address: 'new@mine.test', password: 'one', services: ['imap'] };
    assert.equal((await ask('POST /api/accounts', body)).status, 201);
    assert.equal((await ask('PATCH /api/accounts/new@mine.test', { enabled: false })).status, 200);
    assert.equal((await ask('PUT /api/accounts/new@mine.test/password', { password: 'two' })).status, 204);
    assert.equal((await ask('GET /api/accounts/new@mine.test/quota')).status, 200);
    assert.equal((await ask('GET /api/accounts/new@mine.test/mailboxes')).status, 200);
    const alias = { address: 'all@mine.test', targets: ['ann@mine.test', 'bob@other.test'] };
    assert.equal((await ask('POST /api/aliases', alias)).status, 201);
    assert.equal((await ask('PATCH /api/aliases/all@mine.test', { enabled: false })).status, 200);
    assert.equal((await ask('DELETE /api/aliases/all@mine.test')).status, 204);
    assert.equal((await ask('DELETE /api/accounts/new@mine.test')).status, 204);
    assert.equal((await ask('GET /api/domains/mine.test')).body.name, 'mine.test');
    assert.deepEqual((await ask('GET /api/token')).body, { scopes, domain: 'mine.test' });
  });

  test('is told of nobody else', async () => {
    const listed = async (line: string) =>
      (await ask(line)).body.items.map(({ address }: { address: string }) => address);
    assert.deepEqual(await listed('GET /api/accounts'), ['ann@mine.test', 'root@mine.test']);
    assert.deepEqual(await listed('GET /api/accounts?domain=mine.test'), ['ann@mine.test', 'root@mine.test']);
    assert.deepEqual(await listed('GET /api/aliases'), []);
    for (const line of [
      'GET /api/accounts?domain=other.test',
      'GET /api/aliases?domain=other.test',
      'GET /api/accounts/bob@other.test',
      `GET /api/accounts/${ids['bob@other.test']}`,
      'GET /api/accounts/bob@other.test/mailboxes',
      'GET /api/accounts/bob@other.test/mailboxes/1/messages',
      'GET /api/accounts/bob@other.test/mailboxes/INBOX/acl',
      'GET /api/aliases/all@other.test',
      'GET /api/domains/other.test',
      'GET /api/domains',
    ])
      assert.equal((await ask(line)).status, 403, line);
  });

  test('changes nothing beside its domain, and gets no more than it has', async () => {
    const refused: readonly (readonly [string, object?])[] = [
      ['POST /api/accounts', { address: 'eve@other.test' }],
      ['POST /api/accounts', { address: 'eve@mine.test', addresses: ['eve@other.test'] }],
      ['POST /api/accounts', { address: 'eve@mine.test', administrator: true }],
      ['POST /api/accounts', { address: 'eve@mine.test', groups: ['staff'] }],
      ['PATCH /api/accounts/ann@mine.test', { administrator: true }],
      ['PATCH /api/accounts/ann@mine.test', { groups: ['staff'] }],
      ['PATCH /api/accounts/ann@mine.test', { address: 'ann@other.test' }],
      ['PATCH /api/accounts/ann@mine.test', { addresses: ['ann@other.test'] }],
      ['PUT /api/accounts/root@mine.test/password', { password: 'mine' }],
      ['POST /api/accounts/root@mine.test/app-passwords', { name: 'x', services: ['imap'] }],
      ['PATCH /api/accounts/root@mine.test', { enabled: false }],
      ['DELETE /api/accounts/root@mine.test'],
      ['DELETE /api/accounts/bob@other.test'],
      ['PUT /api/accounts/bob@other.test/quota', { bytesMax: 1 }],
      ['POST /api/aliases', { address: 'x@other.test', targets: ['ann@mine.test'] }],
      ['PATCH /api/aliases/all@other.test', { targets: ['ann@mine.test'] }],
      ['DELETE /api/aliases/all@other.test'],
      ['PATCH /api/domains/mine.test', { catchAll: 'ann@mine.test' }],
      ['DELETE /api/domains/mine.test'],
      ['POST /api/domains', { name: 'third.test' }],
      ['POST /api/tokens', { name: 'more', scopes: ['read'] }],
    ];
    for (const [line, body] of refused) assert.equal((await ask(line, body)).status, 403, line);
    const { services, administrator, groups } = (await site.directory.accountByAddress('ann@mine.test'))!;
    assert.deepEqual([services.length, administrator, groups], [5, false, []]);
  });

  test('is bound by the limits of its domain, which an administrator of the site is not', async () => {
    const limits = { accountsMax: 4, quotaBytesMax: 1_000 };
    assert.equal((await ask('PATCH /api/domains/mine.test', { accountsMax: null })).status, 403);
    const { status, body } = await ask('PATCH /api/domains/mine.test', limits, operator);
    assert.deepEqual([status, body.accountsMax, body.quotaBytesMax], [200, 4, 1_000]);
    assert.equal((await ask('GET /api/domains/mine.test')).body.quotaBytesMax, 1_000);

    const large = { address: 'one@mine.test', quotaBytes: 1_001 };
    assert.equal((await ask('POST /api/accounts', large)).status, 403);
    // The third and fourth account.
    const added = await ask('POST /api/accounts', { address: 'one@mine.test' });
    assert.deepEqual([added.status, added.body.quotaBytes], [201, 1_000]);
    const small = { address: 'two@mine.test', quotaBytes: 999 };
    assert.equal((await ask('POST /api/accounts', small)).body.quotaBytes, 999);
    const fifth = await ask('POST /api/accounts', { address: 'three@mine.test' });
    assert.deepEqual([fifth.status, fifth.body.detail.includes('4 accounts')], [403, true]);

    for (const [line, change] of [
      ['PATCH /api/accounts/one@mine.test', { quotaBytes: 1_001 }],
      ['PATCH /api/accounts/one@mine.test', { quotaBytes: null }],
      ['PUT /api/accounts/one@mine.test/quota', { bytesMax: 1_001 }],
      ['PUT /api/accounts/one@mine.test/quota', { bytesMax: null }],
    ] as const)
      assert.equal((await ask(line, change)).status, 403, `${line} ${JSON.stringify(change)}`);
    assert.equal((await site.directory.accountByAddress('one@mine.test'))?.quotaBytes, 1_000);
    assert.equal((await ask('PATCH /api/accounts/one@mine.test', { quotaBytes: 10 })).status, 200);

    // What an administrator gave stays, and is no reason to refuse another change.
    const given = await ask('PATCH /api/accounts/one@mine.test', { quotaBytes: 5_000 }, operator);
    assert.deepEqual([given.status, given.body.quotaBytes], [200, 5_000]);
    const kept = { quotaBytes: 5_000, fullName: 'One' };
    assert.equal((await ask('PATCH /api/accounts/one@mine.test', kept)).status, 200);
    assert.equal((await ask('POST /api/accounts', { address: 'three@mine.test' }, operator)).status, 201);
    const none = { accountsMax: null, quotaBytesMax: null };
    assert.equal((await ask('PATCH /api/domains/mine.test', none, operator)).status, 200);
    const free = { address: 'four@mine.test', quotaBytes: 1_001 };
    assert.equal((await ask('POST /api/accounts', free)).status, 201);
    for (const name of ['one', 'two', 'three', 'four'])
      assert.equal((await ask(`DELETE /api/accounts/${name}@mine.test`)).status, 204);
  });

  test('pages and counts nothing beside its domain', async () => {
    const { directory } = site;
    await directory.addDomain({ name: 'before.test' });
    const early = await directory.addAccount({ address: 'carl@before.test', password: 'x' });
    await directory.addAlias({ address: 'all@before.test', targets: ['carl@before.test'] });
    for (const cursor of ['a@a.test', 'zoe@before.test', '', 'x', '@', 'bob@other.test']) {
      for (const kind of ['accounts', 'aliases']) {
        const { status, body } = await ask(`GET /api/${kind}?limit=1&after=${cursor}`);
        const addresses = status === 200 ? body.items.map((item: { address: string }) => item.address) : [];
        assert.ok(
          addresses.every((address: string) => address.endsWith('@mine.test')),
          `${kind} ${cursor} ${addresses}`,
        );
      }
    }
    const headers = { authorization };
    for (const url of ['/api/accounts', '/api/aliases']) {
      const shown = await app.inject({ method: 'GET', url, headers });
      const counted = await app.inject({ method: 'HEAD', url, headers });
      assert.equal(counted.headers['content-length'], shown.headers['content-length'], url);
      const beside = await app.inject({ method: 'HEAD', url: `${url}?domain=other.test`, headers });
      assert.equal(beside.statusCode, 403);
    }
    await directory.removeAlias('all@before.test');
    await directory.removeAccount(early.id);
    // Whether somebody is there is not told either.
    for (const name of ['nobody@other.test', 'bob@other.test', 'bob@nowhere.test'])
      assert.equal((await ask(`GET /api/accounts/${name}`)).status, 403, name);
    assert.equal((await ask('GET /api/accounts/nobody@mine.test')).status, 404);
  });

  test('leaves accounts alone whose mail is not of its domain alone, and groups as they are', async () => {
    const { directory } = site;
    const both = { address: 'both@mine.test', addresses: ['both@other.test'], password: 'x' };
    const { id } = await directory.addAccount(both);
    for (const [line, body] of [
      ['PATCH /api/accounts/both@mine.test', { addresses: [] }],
      ['PUT /api/accounts/both@mine.test/password', { password: 'mine' }],
      ['POST /api/accounts/both@mine.test/app-passwords', { name: 'x', services: ['imap'] }],
      ['GET /api/accounts/both@mine.test/mailboxes/1/messages'],
      ['DELETE /api/accounts/both@mine.test'],
    ] as const)
      assert.equal((await ask(line, body)).status, 403, line);
    assert.deepEqual((await directory.account(id))?.addresses, ['both@other.test']);
    await directory.setAccount(id, { addresses: [], groups: ['staff'] });
    assert.equal((await ask('PATCH /api/accounts/both@mine.test', { groups: [] })).status, 403);
    const kept = { groups: ['staff'], fullName: 'Both' };
    assert.equal((await ask('PATCH /api/accounts/both@mine.test', kept)).status, 200);
    assert.deepEqual((await directory.account(id))?.groups, ['staff']);
    await directory.removeAccount(id);
  });

  test('hears the first answer again, though what it asked about is gone', async () => {
    const { id } = await site.directory.addAccount({ address: 'short@mine.test', password: 'x' });
    const headers = { authorization, 'idempotency-key': 'remove-short' };
    for (const replayed of [undefined, 'true']) {
      const url = '/api/accounts/short@mine.test';
      const answer = await app.inject({ method: 'DELETE', url, headers });
      assert.deepEqual([answer.statusCode, answer.headers['idempotency-replayed']], [204, replayed]);
    }
    assert.equal(await site.directory.account(id), undefined);
  });

  test('has no use for a route that does not say how it is kept within the domain', async () => {
    const { body } = await ask('GET /api/openapi.json', undefined, operator);
    const open = new Set<string>();
    for (const [path, methods] of Object.entries(body.paths as Record<string, object>))
      for (const method of Object.keys(methods)) {
        const url = path.replace(/\{\w+\}/g, 'x');
        const { status, body: answer } = await ask(`${method.toUpperCase()} ${url}`, {});
        const isClosed = status === 403 && /alone$|lacks the scope/.test(answer.detail);
        if (!isClosed) open.add(`${method.toUpperCase()} ${path}`);
      }
    const beside = [...open].filter((route) => !/ \/api\/(accounts|aliases)/.test(route)).sort();
    assert.deepEqual(beside, ['GET /api/domains/{domain}', 'GET /api/token', 'PUT /api/password']);
  });

  test('is made for a domain that is there, with scopes that make sense in one', async () => {
    const make = async (more: object) =>
      (await ask('POST /api/tokens', { name: 'x', scopes: ['read'], ...more }, operator)).status;
    assert.equal(await make({ domain: 'nowhere.test' }), 400);
    assert.equal(await make({ domain: 'mine.test', scopes: ['operate'] }), 400);
    assert.equal(await make({ domain: 'mine.test', scopes: ['read', 'metrics'] }), 400);
  });

  test('ends with its domain', async () => {
    for (const address of ['ann@mine.test', 'root@mine.test'])
      await site.directory.removeAccount((await site.directory.accountByAddress(address))!.id);
    assert.equal((await ask('GET /api/token')).status, 200);
    assert.equal((await ask('DELETE /api/domains/mine.test', undefined, operator)).status, 204);
    assert.equal((await ask('GET /api/token')).status, 401);
  });

  test('does not come back with a domain of its name, though it was left behind', async () => {
    const name = 'again.test';
    const addAgain = () => ask('POST /api/domains', { name: 'Again.Test' }, operator);
    assert.equal((await addAgain()).status, 201);
    const { body } = await ask('POST /api/tokens', { name: 'left', scopes, domain: name }, operator);
    authorization = `Bearer ${body.token}`;
    assert.deepEqual([(await addAgain()).status, (await ask('GET /api/token')).status], [409, 200]);
    // As when the server stops between the domain and its tokens.
    await site.directory.removeDomain(name);
    assert.equal((await ask('GET /api/token')).status, 200);
    assert.equal((await addAgain()).status, 201);
    assert.equal((await ask('GET /api/token')).status, 401);
  });
});
