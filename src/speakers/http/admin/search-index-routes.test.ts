// The full-text index in the admin API: who may see it and who may throw it away, and what is said of accounts that are not
// there, or have no host for the moment.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { adminDependencies, type ClusterSite, openClusterSite } from '../../../../test/cluster-site.ts';
import type { AccountPort } from '../../../account/port.ts';
import { MailError } from '../../../mail/mail-error.ts';
import { type AdminApp, buildAdminApp } from './admin-server.ts';
import { IdempotencyKeys } from './idempotency.ts';

suite('the search index', () => {
  let site: ClusterSite;
  let app: AdminApp;
  let isHosted = true;
  let isBuilding = false;
  let rebuilt = 0;

  before(async () => {
    site = await openClusterSite([{ name: 'a' }]);
    const { engine, directory } = site;
    const { tokens, clock } = site.nodes[0]!.dependencies;
    const port: Partial<AccountPort> = {
      searchIndex: async () => {
        const waiting = isBuilding ? 120 : 7;
        return { messages: 120, waiting, isBuilding, segments: 2, bytes: 5_000, version: 3 };
      },
      rebuildSearchIndex: async () => {
        rebuilt++;
        isBuilding = true;
      },
    };
    const open = async (): Promise<AccountPort> => {
      if (!isHosted) throw new MailError('unavailable', 'the account is not hosted anywhere');
      return port as AccountPort;
    };
    const dependencies = {
      ...adminDependencies({ engine, directory, tokens }, undefined),
      accounts: { open },
    };
    app = await buildAdminApp(dependencies, { trusted: false, keys: new IdempotencyKeys(engine, clock) });
    for (const name of ['mine.test', 'other.test']) await directory.addDomain({ name });
    for (const address of ['ann@mine.test', 'bob@other.test'])
      await directory.addAccount({ address, password: undefined });
  });
  after(async () => {
    await app.close();
    await site[Symbol.asyncDispose]();
  });

  const tokenWith = async (
    scope: 'read' | 'operate' | 'write:accounts',
    domain?: string,
  ): Promise<string> => {
    const token = { name: scope, scopes: [scope], ...(domain === undefined ? {} : { domain }) };
    return (await site.nodes[0]!.dependencies.tokens.create(token)).token;
  };
  const ask = async (token: string | undefined, line: string) => {
    const [method, url] = line.split(' ') as ['GET', string];
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await app.inject({ method, url, headers });
    return { status: answer.statusCode, body: answer.json() };
  };
  const status = (address: string) => `GET /api/accounts/${address}/search-index`;
  const rebuild = (address: string) => `POST /api/accounts/${address}/search-index/rebuild`;

  test('is seen by those who may read, and thrown away by those who operate the site', async () => {
    const shown = { messages: 120, indexed: 113, waiting: 7, building: false };
    const rest = { segments: 2, bytes: 5_000, version: 3 };
    const [read, operate, write] = await Promise.all(
      (['read', 'operate', 'write:accounts'] as const).map((scope) => tokenWith(scope)),
    );
    assert.deepEqual(await ask(read, status('ann@mine.test')), { status: 200, body: { ...shown, ...rest } });
    for (const token of [undefined, read, write]) {
      const { status: refused } = await ask(token, rebuild('ann@mine.test'));
      assert.equal(refused, token === undefined ? 401 : 403);
    }
    assert.equal((await ask(operate, status('ann@mine.test'))).status, 403);
    assert.equal(rebuilt, 0);
    assert.deepEqual(await ask(operate, rebuild('ann@mine.test')), {
      status: 202,
      body: { ...shown, ...rest, indexed: 0, waiting: 120, building: true },
    });
    assert.equal(rebuilt, 1);
  });

  test('a token for one domain sees those of its accounts, and throws none away', async () => {
    const mine = await tokenWith('read', 'mine.test');
    assert.equal((await ask(mine, status('ann@mine.test'))).status, 200);
    assert.equal((await ask(mine, status('bob@other.test'))).status, 403);
    assert.equal((await ask(mine, rebuild('ann@mine.test'))).status, 403);
  });

  test('an account that is not there, and one that has no host for the moment', async () => {
    const [read, operate] = [await tokenWith('read'), await tokenWith('operate')];
    for (const answer of [
      await ask(read, status('eve@mine.test')),
      await ask(operate, rebuild('eve@mine.test')),
    ]) {
      assert.equal(answer.status, 404);
      assert.match(answer.body.detail, /no account eve@mine\.test/);
    }
    isHosted = false;
    for (const answer of [
      await ask(read, status('ann@mine.test')),
      await ask(operate, rebuild('ann@mine.test')),
    ]) {
      assert.deepEqual([answer.status, answer.body.type], [503, 'urn:rookery:problem:unavailable']);
    }
    isHosted = true;
  });
});
