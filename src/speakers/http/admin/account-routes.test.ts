import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adminDependencies, openClusterSite } from '../../../../test/cluster-site.ts';
import type { AccountPort, QuotaStatus } from '../../../account/port.ts';
import { systemClock } from '../../../base/clock.ts';
import { openInternalDirectory } from '../../../directory/internal-directory.ts';
import { testSettings } from '../../../directory/testing.ts';
import { buildAdminApp } from './admin-server.ts';
import { IdempotencyKeys } from './idempotency.ts';

test('a quota is written once, by the directory’s hook, and what the account has is answered', async () => {
  await using site = await openClusterSite([{ name: 'a' }]);
  const { engine, clock, random, log, tokens } = site.nodes[0]!.dependencies;
  let quota: QuotaStatus = { bytesUsed: 1, messagesUsed: 1, bytesMax: undefined, messagesMax: undefined };
  let writes = 0;
  let isReached = true;
  await using directory = await openInternalDirectory({
    engine,
    clock,
    random,
    log,
    settings: {
      ...testSettings,
      hooks: {
        onAccountChanged: async ({ quotaBytes, quotaMessages }) => {
          if (!isReached) throw new Error('the account is not reached');
          writes++;
          quota = { ...quota, bytesMax: quotaBytes, messagesMax: quotaMessages };
        },
      },
    },
  });
  const { id } = await directory.addAccount({ address: 'ada@example.test', password: undefined });
  const port = {
    quota: async () => quota,
    setQuota: () => assert.fail('the directory’s hook does that'),
  } as Partial<AccountPort> as AccountPort;
  const dependencies = {
    ...adminDependencies({ engine, directory, tokens }, undefined),
    accounts: { open: async () => port },
  };
  const keys = new IdempotencyKeys(engine, systemClock);
  await using app = await buildAdminApp(dependencies, { trusted: true, keys });
  const put = (payload: object) => app.inject({ method: 'PUT', url: `/api/accounts/${id}/quota`, payload });
  assert.deepEqual((await put({ messagesMax: 7 })).json(), {
    bytesUsed: 1,
    messagesUsed: 1,
    bytesMax: null,
    messagesMax: 7,
  });
  assert.equal(writes, 1);
  isReached = false;
  assert.equal((await put({ messagesMax: 8 })).statusCode, 503);
});
