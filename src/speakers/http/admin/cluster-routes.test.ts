import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  adminDependencies,
  type ClusterSite,
  enroll,
  openClusterSite,
  whenHosting,
} from '../../../../test/cluster-site.ts';
import { shardOf } from '../../../account/shard.ts';
import { systemClock } from '../../../base/clock.ts';
import { Fault } from '../../../base/fault.ts';
import { writeCell } from '../../../directory/testing.ts';
import type { TokenScope } from '../../../directory/tokens.ts';
import type { ShardId } from '../../../mail/ids.ts';
import { type AdminApp, buildAdminApp } from './admin-server.ts';
import { IdempotencyKeys } from './idempotency.ts';

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what is tested
  readonly body: any;
}
type Ask = (
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body?: object,
  headers?: Record<string, string>,
) => Promise<Answer>;

/** The admin API of one node, as the operator on its socket; `with` as whoever has a token of these scopes. */
async function openApi(dependencies: Parameters<typeof buildAdminApp>[0]) {
  const keys = new IdempotencyKeys(dependencies.engine, systemClock);
  const trusted = await buildAdminApp(dependencies, { trusted: true, keys });
  const outside = await buildAdminApp(dependencies, { trusted: false, keys });
  const asker =
    (app: AdminApp, token?: string): Ask =>
    async (method, path, body, headers = {}) => {
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const answer = await app.inject({
        method,
        url: `/api/cluster${path}`,
        headers: { ...authorization, ...headers },
        ...(body === undefined ? {} : { payload: body }),
      });
      return { status: answer.statusCode, body: answer.body === '' ? undefined : answer.json() };
    };
  return {
    ask: asker(trusted),
    with: async (...scopes: TokenScope[]): Promise<Ask> => {
      const { token } = await dependencies.tokens.create({ name: 'test', scopes, expiresAt: undefined });
      return asker(outside, token);
    },
    stranger: asker(outside),
    readyz: async () => (await trusted.inject('/readyz')).statusCode,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([trusted.close(), outside.close()]);
    },
  };
}

type Api = Awaited<ReturnType<typeof openApi>>;

function refused({ status, body }: Answer, expected: number, telling: RegExp): void {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(body.type, /^urn:rookery:problem:/);
  assert.match(body.detail, telling);
}

describe('the admin API of a cluster', () => {
  let site: ClusterSite;
  let apis: Api[];
  before(async () => {
    // The last one to join is one that gets shards: who knows of that knows all three.
    site = await openClusterSite([{ name: 'a' }, { name: 'f', roles: ['frontend'] }, { name: 'b' }]);
    apis = await Promise.all(site.nodes.map(({ dependencies }) => openApi(dependencies)));
    for (const node of site.nodes) await whenHosting(node.member, 'b', 128);
  });
  after(async () => {
    for (const api of apis) await api[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });
  const at = (node: 'a' | 'b' | 'f'): Api => apis['afb'.indexOf(node)]!;
  const memberOf = (node: 'a' | 'b' | 'f') => site.nodes['afb'.indexOf(node)]!.member;

  test('the status is the same through every node', async () => {
    for (const name of ['a', 'b', 'f'] as const) {
      const { status, body } = await at(name).ask('GET', '');
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.node, name);
      assert.equal(body.cluster, site.authority.cluster);
      assert.deepEqual(body.controller, { node: 'a', term: 1 });
      assert.deepEqual(body.shards, { total: 256, unhosted: 0, moving: 0 });
      assert.equal(body.configurationVersion, 0);
      assert.equal(body.storage.engine, 'memory');
      assert.ok(body.leaseLeftMs > 0);
      const rows = body.nodes.map((node: Record<string, unknown>) => [
        node.node,
        node.state,
        node.shards,
        node.isController,
      ]);
      assert.deepEqual(rows, [
        ['a', 'active', 128, true],
        ['b', 'active', 128, false],
        ['f', 'active', 0, false],
      ]);
      assert.deepEqual(body.nodes[2].roles, ['frontend']);
      assert.deepEqual(body.nodes[1].address, { host: '10.0.0.3', port: 2433 });
      const shards = (await at(name).ask('GET', '/shards')).body.items;
      assert.equal(shards.length, 256);
      assert.deepEqual(shards[0], {
        shard: 0,
        epoch: shards[0].epoch,
        owner: shards[0].owner,
        movingTo: null,
        pinned: null,
      });
    }
  });

  test('drain moves the shards away and makes the node unready, through whichever node; undrain ends it', async () => {
    assert.equal(await at('b').readyz(), 200);
    const drained = await at('f').ask('POST', '/nodes/b/drain');
    assert.equal(drained.status, 200, JSON.stringify(drained.body));
    assert.deepEqual([drained.body.node, drained.body.state, drained.body.drained], ['b', 'draining', true]);
    await whenHosting(memberOf('b'), 'b', 0);
    assert.deepEqual(
      [await at('a').readyz(), await at('b').readyz(), await at('f').readyz()],
      [200, 503, 200],
    );
    refused(
      await at('b').ask('POST', '/nodes/a/drain'),
      409,
      /no other node can take the shards of a; add one/,
    );
    refused(await at('b').ask('DELETE', '/nodes/a'), 409, /no other node can take the shards of a/);
    assert.equal(await at('a').readyz(), 200);
    const undrained = await at('b').ask('POST', '/nodes/b/undrain');
    assert.deepEqual([undrained.body.state, undrained.body.drained], ['active', false]);
    await whenHosting(memberOf('b'), 'b', 128);
    assert.equal(await at('b').readyz(), 200);
  });

  test('a shard is moved and stays there until rebalance', async () => {
    const shard: ShardId = (await at('a').ask('GET', '/shards')).body.items.find(
      ({ owner }: { owner: string }) => owner === 'a',
    ).shard;
    const before = memberOf('f').placeOf(shard);
    const moved = await at('f').ask('POST', `/shards/${shard}/move`, { to: 'b' });
    assert.deepEqual([moved.status, moved.body.shard, moved.body.pinned], [200, shard, 'b']);
    await memberOf('f').whenMoved(shard, before, 20_000);
    await whenHosting(memberOf('f'), 'b', 128);
    assert.equal(memberOf('f').placeOf(shard)?.node, 'b');
    const dry = await at('a').ask('POST', '/rebalance', { dryRun: true });
    assert.deepEqual(dry, { status: 200, body: { moves: [] } });
    const pinnedOf = async () => (await at('a').ask('GET', '/shards')).body.items[shard].pinned;
    assert.equal(await pinnedOf(), 'b');
    assert.equal((await at('a').ask('POST', '/rebalance', {})).status, 200);
    assert.equal(await pinnedOf(), null);
    refused(await at('a').ask('POST', '/shards/256/move', { to: 'b' }), 404, /numbered 0 to 255/);
    refused(
      await at('a').ask('POST', '/shards/1/move', { to: 'z' }),
      404,
      /no node z; `rookery cluster status`/,
    );
    refused(await at('a').ask('POST', '/shards/1/move', { to: 'f' }), 400, /f is no node that takes shards/);
    refused(await at('a').ask('POST', '/shards/x/move', {}), 400, /shard/);
  });

  test('who says where an account is hosted', async () => {
    const account = await site.directory.addAccount({ address: 'ada@example.test', password: undefined });
    const shard = shardOf(account.id);
    const { status, body } = await at('f').ask('GET', '/who/ada@example.test');
    assert.equal(status, 200, JSON.stringify(body));
    const place = memberOf('f').placeOf(shard)!;
    assert.deepEqual(body, {
      account: account.id,
      address: 'ada@example.test',
      cell: 'main',
      shard,
      node: place.node,
      epoch: place.epoch,
      sessions: 4,
      openSessions: [{ node: 'f', service: 'imap', sessions: 4 }],
      link: { ...place.address },
    });
    refused(await at('f').ask('GET', '/who/bob@example.test'), 404, /no account bob@example.test/);
    // The shard of that number here is another one.
    await writeCell(site.engine, account.id, 'west');
    const { cell, node, epoch, sessions, link } = (await at('f').ask('GET', '/who/ada@example.test')).body;
    assert.deepEqual([cell, node, epoch, sessions, link], ['west', null, null, null, null]);
  });

  test('join tokens are shown once', async () => {
    const headers = { 'idempotency-key': 'one' };
    const wanted = { roles: ['backend'], zone: 'inner', expiresInSeconds: 60, uses: 2 };
    const made = await at('a').ask('POST', '/tokens', wanted, headers);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.match(made.body.token, /^rookery-join-1\./);
    assert.deepEqual(made.body.at, { host: '10.0.0.1', port: 2434 });
    assert.equal(made.body.expiresAt - made.body.createdAt, 60);
    refused(await at('a').ask('POST', '/tokens', wanted, headers), 409, /not shown again/);
    const listed = (await at('b').ask('GET', '/tokens')).body.items;
    assert.deepEqual(listed.map(Object.keys), [
      ['id', 'roles', 'zone', 'createdAt', 'expiresAt', 'usesLeft'],
    ]);
    assert.deepEqual([listed[0].id, listed[0].roles, listed[0].usesLeft], [made.body.id, ['backend'], 2]);
    refused(await at('b').ask('DELETE', '/tokens/nothing'), 404, /rookery cluster token list/);
    assert.equal((await at('b').ask('DELETE', `/tokens/${made.body.id}`)).status, 204);
    assert.deepEqual((await at('a').ask('GET', '/tokens')).body.items, []);
    refused(await at('a').ask('POST', '/tokens', { zone: 'outer' }), 400, /the outer zone has none/);
  });

  test('the configuration has versions, and a change is made from one of them', async () => {
    assert.deepEqual((await at('a').ask('GET', '/configuration')).body.version, 0);
    const first = { version: 0, settings: { limits: { recipients: 50 } }, comment: 'fewer' };
    const applied = await at('a').ask('PUT', '/configuration', first);
    assert.equal(applied.status, 200, JSON.stringify(applied.body));
    assert.deepEqual([applied.body.version, applied.body.changedBy], [1, 'socket']);
    refused(
      await at('b').ask('PUT', '/configuration', first),
      409,
      /changed meanwhile: it is at version 1 now/,
    );
    const second = { version: 1, settings: {}, overrides: { b: { limits: { recipients: 70 } } } };
    assert.equal((await at('b').ask('PUT', '/configuration', second)).body.version, 2);
    const wrong = { version: 2, settings: { limits: { recipient: 1 }, data: '/x' } };
    refused(await at('b').ask('PUT', '/configuration', wrong), 400, /data: belongs in the node’s own/);
    const old = await at('f').ask('GET', '/configuration/history/1');
    assert.deepEqual(old.body.settings, { limits: { recipients: 50 } });
    refused(await at('f').ask('GET', '/configuration/history/9'), 400, /there is no version 9/);
    const back = await at('f').ask('POST', '/configuration/rollback', { to: 1, version: 2 });
    assert.deepEqual([back.body.version, back.body.comment], [3, 'back to version 1']);
    assert.deepEqual((await at('a').ask('GET', '/configuration')).body.settings, first.settings);
    const history = (await at('a').ask('GET', '/configuration/history')).body.items;
    assert.deepEqual(
      history.map((entry: Record<string, unknown>) => [entry.version, entry.comment]),
      [
        [3, 'back to version 1'],
        [2, ''],
        [1, 'fewer'],
      ],
    );
    assert.equal((await at('a').ask('GET', '')).body.configurationVersion, 3);
  });

  test('a balancer is told the ports that take clients at the node’s address', async () => {
    const { status, body } = await at('b').ask('GET', '/balancer');
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.hostname, body.domains], ['mail.example.test', ['example.test']]);
    assert.deepEqual(body.idle, { imapMs: 3, pop3Ms: 2, smtpMs: 1 });
    assert.deepEqual(body.nodes[1], {
      name: 'b',
      address: '10.0.0.3',
      zone: 'inner',
      roles: ['frontend', 'mx', 'backend'],
      listeners: { imaps: 993, mx: 25, admin: 2080 },
      weight: 100,
      isDraining: false,
    });
  });

  test('reading needs the scope "read", all else "operate"', async () => {
    const reader = await at('a').with('read');
    const operator = await at('a').with('operate');
    for (const path of ['', '/shards', '/balancer', '/configuration', '/configuration/history']) {
      assert.equal((await reader('GET', path)).status, 200, path);
      refused(await operator('GET', path), 403, /"read"/);
      refused(await at('a').stranger('GET', path), 401, /Bearer/);
    }
    const writes = [
      ['POST', '/nodes/b/drain'],
      ['POST', '/nodes/b/undrain'],
      ['POST', '/nodes/b/admit'],
      ['DELETE', '/nodes/b'],
      ['POST', '/shards/1/move', {}],
      ['POST', '/rebalance', {}],
      ['GET', '/tokens'],
      ['POST', '/tokens', {}],
      ['DELETE', '/tokens/x'],
      ['PUT', '/configuration', { version: 3, settings: {} }],
      ['POST', '/configuration/rollback', { to: 1, version: 3 }],
    ] as const;
    for (const [method, path, body] of writes) {
      refused(await reader(method, path, body), 403, /"operate"/);
      refused(await at('a').stranger(method, path, body), 401, /Bearer/);
    }
    assert.equal((await operator('POST', '/rebalance', { dryRun: true })).status, 200);
    assert.equal((await at('a').ask('GET', '')).body.configurationVersion, 3);
  });

  test('a server that is no node says what to do', async () => {
    await using api = await openApi(adminDependencies(site.nodes[0]!.dependencies, undefined));
    for (const path of ['', '/shards', '/who/ada@example.test', '/tokens', '/configuration', '/balancer'])
      refused(await api.ask('GET', path), 409, /not part of a cluster.*`rookery cluster init`/);
    refused(await api.ask('POST', '/nodes/a/drain'), 409, /not part of a cluster/);
    assert.equal(await api.readyz(), 200);
  });

  test('the status comes without an engine too', async () => {
    const { dependencies, administration } = site.nodes[0]!;
    const get = site.engine.get;
    const broken = { temporary: true };
    site.engine.get = () => Promise.reject(new Fault('the database is away', broken));
    try {
      await using api = await openApi({ ...dependencies, cluster: administration });
      const { status, body } = await api.ask('GET', '');
      assert.deepEqual([status, body.configurationVersion, body.nodes.length], [200, null, 3]);
    } finally {
      site.engine.get = get;
    }
  });

  test('the name of a machine that joined and never served is given back', async () => {
    await enroll(site.authority, 'stillborn');
    const freed = await at('a').ask('DELETE', '/nodes/stillborn');
    assert.deepEqual([freed.status, freed.body.state, freed.body.shards], [200, 'left', 0]);
    const enrolled = await site.authority.enrolledNodes();
    assert.ok(enrolled.every(({ node }) => node !== 'stillborn'));
    refused(await at('a').ask('DELETE', '/nodes/stillborn'), 404, /there is no node stillborn/);
  });

  test('a store that is in this machine is for no node of the inner zone elsewhere', async () => {
    const { name } = site.engine;
    Object.assign(site.engine, { name: 'lmdb' });
    try {
      refused(await at('a').ask('POST', '/tokens', {}), 501, /in this machine \(lmdb\).*--zone outer/);
      const outer = await at('a').ask('POST', '/tokens', { zone: 'outer', roles: ['mx'] });
      assert.equal(outer.status, 201);
    } finally {
      Object.assign(site.engine, { name });
    }
  });

  test('a removed node gives its shards away and ends; its name is free when it is admitted again', async () => {
    const early = await at('a').ask('POST', '/nodes/b/admit');
    assert.deepEqual(
      [early.status, early.body.detail],
      [409, 'b is active, not removed: only a name that was removed needs to be admitted again'],
    );
    const enrolled = async () => (await site.authority.enrolledNodes()).map(({ node }) => node);
    const removed = await at('a').ask('DELETE', '/nodes/b');
    assert.deepEqual([removed.body.state, removed.body.removing], ['draining', true]);
    // Until it is gone it is a node, and may stay one: undrain.
    assert.deepEqual(await enrolled(), ['a', 'b', 'f']);
    await site.nodes[2]!.removed;
    await whenHosting(memberOf('a'), 'a', 256);
    // The node that is out saw its own last word; the others may be about to.
    const names = (await at('b').ask('GET', '/balancer')).body.nodes.map(
      ({ name }: { name: string }) => name,
    );
    assert.deepEqual(names, ['a', 'f']);
    const admitted = await at('a').ask('POST', '/nodes/b/admit');
    assert.equal(admitted.body.state, 'left');
    assert.deepEqual(await enrolled(), ['a', 'f']);
    refused(await at('a').ask('DELETE', '/nodes/nobody'), 404, /there is no node nobody/);
    refused(await at('a').ask('POST', `/nodes/${'x'.repeat(900)}/drain`), 404, /there is no node/);
  });
});
