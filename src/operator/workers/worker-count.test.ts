import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { saveCredentials } from '../../cluster/authority/credential-files.ts';
import { configSchema } from '../../config/schema.ts';
import type { NodeId } from '../../mail/ids.ts';
import { thisMachine, workerCount } from './worker-count.ts';

const gibibyte = 1024 ** 3;
const config = (settings: object) => configSchema.parse({ data: '/nonexistent', ...settings });
const machine = (cores: number, memoryBytes = 64 * gibibyte) => ({ cores, memoryBytes });

it('takes a number at its word', async () => {
  assert.equal(await workerCount(config({ workers: 3 }), machine(1)), 3);
  assert.equal(await workerCount(config({ workers: 1 }), machine(16)), 1);
});

it('by default starts a worker for each core, and one process where there are few', async () => {
  const counts = [];
  for (const cores of [1, 2, 3, 4, 16, 100]) counts.push(await workerCount(config({}), machine(cores)));
  assert.deepEqual(counts, [1, 1, 1, 4, 16, 64]);
});

it('starts no more than memory is there for', async () => {
  assert.equal(await workerCount(config({}), machine(16, 2 * gibibyte)), 8);
  assert.equal(await workerCount(config({}), machine(16, gibibyte / 8)), 1);
});

it('is one process where the store is not the embedded one', async () => {
  const storage = { engine: 'postgres', url: 'postgres://127.0.0.1/none' };
  assert.equal(await workerCount(config({ storage }), machine(16)), 1);
  assert.equal(await workerCount(config({ storage: { engine: 'memory' } }), machine(16)), 1);
});

it('is one process on a node of a cluster', async () => {
  const data = mkdtempSync(join(tmpdir(), 'rookery-count.'));
  try {
    assert.equal(await workerCount(config({ data }), machine(16)), 16);
    await saveCredentials(data, { node: 'one' as NodeId, authorities: ['a'], certificate: 'c', key: 'k' });
    assert.equal(await workerCount(config({ data }), machine(16)), 1);
    assert.equal(await workerCount(config({ data, workers: 2 }), machine(16)), 2);
  } finally {
    rmSync(data, { recursive: true });
  }
});

it('knows what this machine has', () => {
  const { cores, memoryBytes } = thisMachine();
  assert.ok(cores >= 1);
  assert.ok(Number.isSafeInteger(memoryBytes) && memoryBytes > gibibyte / 8, `${memoryBytes} bytes`);
});
