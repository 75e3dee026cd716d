// The memory engine: the contract, and a map large enough to split its chunks.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { engineContract } from './engine-contract.ts';
import { openMemoryEngine } from './memory-engine.ts';

engineContract('memory', async () => ({
  open: async () => openMemoryEngine(),
  remove: async () => {},
  durable: false,
}));

it('keeps its order over many chunks, in any order of writing', async () => {
  const engine = openMemoryEngine();
  const keys = Array.from({ length: 5000 }, (_, index) =>
    Buffer.from([(index * 7919) % 251, index >> 8, index & 255]),
  );
  for (let at = 0; at < keys.length; at += 100) {
    await engine.commit({ puts: keys.slice(at, at + 100).map((key) => ({ key, value: key })) });
  }
  const page = await engine.page(
    { start: Buffer.from([0]), end: Buffer.from([255]) },
    { entriesMax: 1e6, bytesMax: 1e9 },
  );
  const sorted = [...keys].sort(Buffer.compare);
  assert.deepEqual(
    page.entries.map((entry) => Buffer.from(entry.key)),
    sorted,
  );
  await engine.commit({ deletes: keys.filter((_, index) => index % 2 === 0) });
  for (const [index, key] of keys.entries())
    assert.equal((await engine.get(key)) === undefined, index % 2 === 0);
});
