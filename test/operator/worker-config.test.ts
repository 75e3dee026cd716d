import assert from 'node:assert/strict';
import { it } from 'node:test';
import { workerConfig } from '../../src/compose-worker.ts';
import { configSchema, intakeMemoryMin, workersMax } from '../../src/config/schema.ts';

const orders = {
  name: 'worker-2',
  directory: '/data/workers/worker-2',
  enginePath: '/data/engine.sock',
  links: { path: '/data/worker-2.sock', secret: 's' },
  ports: { imap: [4143] },
  hasAdmin: false,
  isPretty: false,
};

it('shares memory among workers, but the largest message fits into each', () => {
  const config = configSchema.parse({});
  for (let workers = 1; workers <= workersMax; workers++) {
    const { limits } = workerConfig(config, { ...orders, workers });
    assert.ok(limits.intake_memory >= intakeMemoryMin({ limits }), `${workers} workers`);
    assert.equal(limits.account_memory, Math.ceil(config.limits.account_memory / workers));
  }
});

it('listens where all workers do, and nowhere that is only one process’s business', () => {
  const listen = { imap: '127.0.0.1:0', link: '127.0.0.1:2433', join: '127.0.0.1:2434' };
  const config = workerConfig(configSchema.parse({ listen }), { ...orders, workers: 2 });
  assert.deepEqual(config.listen.imap, [{ address: '127.0.0.1', port: 4143 }]);
  assert.deepEqual([config.listen.admin, config.listen.link, config.listen.join], [[], [], []]);
  const first = workerConfig(configSchema.parse({ listen }), { ...orders, workers: 2, hasAdmin: true });
  assert.equal(first.listen.admin.length, 1);
});
