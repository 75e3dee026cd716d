// The blob store in the engine: ranges, collecting against linking in every order, puts that were broken off, damage.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Batch, CommitResult, Engine } from '../engine.ts';
import { openLmdbEngine } from '../lmdb/lmdb-engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { tuplePrefixRange } from '../tuple.ts';
import type { BlobLink, BlobStore } from './blob-store.ts';
import { chunkBytes, openEngineBlobStore } from './engine-blob-store.ts';
import { commitLink, digestOf } from './testing-blob-store.ts';

const openStore = (engine: Engine, clock: Clock = systemClock): Promise<BlobStore> =>
  openEngineBlobStore({ engine, clock, log: silentLog });

/** Runs `before` ahead of each operation that is made through it. */
function watched(engine: Engine, before: (batch: Batch | undefined) => Promise<void>): Engine {
  return {
    name: engine.name,
    get: (key) => before(undefined).then(() => engine.get(key)),
    getMany: (keys) => before(undefined).then(() => engine.getMany(keys)),
    page: (range, limits) => before(undefined).then(() => engine.page(range, limits)),
    commit: (batch) => before(batch).then(() => engine.commit(batch)),
    snapshot: () => engine.snapshot(),
    subscribe: (topic, listener) => engine.subscribe(topic, listener),
    statistics: () => engine.statistics(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function chunksIn(engine: Engine): Promise<number> {
  const limits = { entriesMax: 1000, bytesMax: 1e9 };
  return (await engine.page(tuplePrefixRange(['blobChunk']), limits)).entries.length;
}

async function keepsBytes(engine: Engine): Promise<void> {
  const store = await openStore(engine);
  const sizes = [0, 1, chunkBytes, chunkBytes + 1, 20 * chunkBytes + 7];
  for (const size of sizes) {
    const bytes = seededRandom(size).bytes(size);
    const digest = digestOf(bytes);
    await Promise.all([store.put(digest, bytes), store.put(digest, bytes)]);
    await store.put(digest, bytes);
    for (const [offset, length] of [
      [0, size],
      [0, size + 10],
      [size + 9, 5],
      [size >> 1, 3],
      [chunkBytes - 1, 2],
      [3, 17 * chunkBytes],
    ] as const) {
      assert.deepEqual(await store.read(digest, offset, length), bytes.subarray(offset, offset + length));
    }
    assert.equal(await store.verify(digest), 'sound');
  }
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.deepEqual(store.statistics(), { blobs: sizes.length, bytes: total, bytesStored: total });
  assert.equal(await chunksIn(engine), 1 + 1 + 2 + 21);
  assert.equal(await store.verify(digestOf(Buffer.from('other'))), 'missing');
  assert.equal((await store.collect()).removed, sizes.length);
  assert.equal(await chunksIn(engine), 0);
  await store.close();
  await assert.rejects(store.read(digestOf(Buffer.alloc(0)), 0, 1), Fault);
}

describe('the blob store in the engine', () => {
  it('gives back any range of what was put, in memory', async () => {
    await keepsBytes(openMemoryEngine());
  });

  it('gives back any range of what was put, in LMDB', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'rookery-blobs.'));
    await using engine = await openLmdbEngine({ directory, log: silentLog, clock: systemClock });
    await keepsBytes(engine);
    rmSync(directory, { recursive: true });
  });

  it('removes no blob that a link names, in whatever order they meet', async () => {
    const outcomes = new Set<string>();
    for (let prepare = 0; prepare < 8; prepare++) {
      for (let commit = prepare; commit < 8; commit++) {
        outcomes.add(await interleave(prepare, commit));
      }
    }
    assert.deepEqual([...outcomes].sort(), ['committed, kept', 'conflict, removed']);
  });

  it('has nothing of a put that was broken off, and takes the blob anew', async () => {
    const engine = openMemoryEngine();
    const bytes = seededRandom(1).bytes(40 * chunkBytes);
    const digest = digestOf(bytes);
    let commits = 0;
    const failing = watched(engine, async (batch) => {
      if (batch !== undefined && ++commits === 3) throw new Fault('the line is cut', { temporary: true });
    });
    const broken = await openStore(failing);
    await assert.rejects(broken.put(digest, bytes), /the line is cut/);
    await using store = await openStore(engine);
    assert.equal(await chunksIn(engine), 32);
    assert.equal(await store.read(digest, 0, 10), undefined);
    assert.equal((await commitLink(engine, await store.link(digest, 'a'))).outcome, 'conflict');
    // It may go on yet.
    assert.equal((await store.collect()).removed, 0);
    await store.put(digest, bytes);
    assert.equal(await store.verify(digest), 'sound');
    assert.equal(await chunksIn(engine), 40);
    await broken.close();
  });

  it('collects a put that was broken off a day ago, and its writer cannot go on', async () => {
    const engine = openMemoryEngine();
    const bytes = seededRandom(2).bytes(40 * chunkBytes);
    const digest = digestOf(bytes);
    const tomorrow: Clock = { ...systemClock, now: () => systemClock.now() + 25 * 60 * 60 * 1000 };
    await using collector = await openStore(engine, tomorrow);
    let commits = 0;
    const slow = watched(engine, async (batch) => {
      if (batch !== undefined && ++commits === 3) assert.equal((await collector.collect()).removed, 1);
    });
    await using store = await openStore(slow);
    // It begins again, and this time nobody is in its way.
    await store.put(digest, bytes);
    assert.equal(await store.verify(digest), 'sound');
    assert.equal(await chunksIn(engine), 40);
  });

  it('says what is missing or damaged', async () => {
    const engine = openMemoryEngine();
    await using store = await openStore(engine);
    const bytes = seededRandom(3).bytes(3 * chunkBytes);
    const digest = digestOf(bytes);
    await store.put(digest, bytes);
    const chunks = (await engine.page(tuplePrefixRange(['blobChunk']), { entriesMax: 9, bytesMax: 1e9 }))
      .entries;
    const harmed = Buffer.from(chunks[1]!.value);
    harmed[1000]! ^= 1;
    await engine.commit({ puts: [{ key: chunks[1]!.key, value: harmed }] });
    assert.equal(await store.verify(digest), 'damaged');
    await assert.rejects(store.read(digest, chunkBytes, 10), /fails its checksum/);
    assert.deepEqual(await store.read(digest, 0, 10), bytes.subarray(0, 10));
    await engine.commit({ deletes: [chunks[1]!.key] });
    await assert.rejects(store.read(digest, chunkBytes, 10), /a chunk of blob [0-9a-f]{64} is missing/);
  });
});

/** A rival prepares its link before one operation of the collector and commits it before a later one. */
async function interleave(prepare: number, commit: number): Promise<string> {
  const engine = openMemoryEngine();
  const store = await openStore(engine);
  const bytes = Buffer.from(`letter ${prepare} ${commit}`);
  const digest = digestOf(bytes);
  await store.put(digest, bytes);
  let link: BlobLink | undefined;
  let result: CommitResult | undefined;
  let steps = 0;
  const rival = async (): Promise<void> => {
    const step = steps++;
    if (step === prepare) link = await store.link(digest, 'a/1');
    if (step === commit) result = await commitLink(engine, link!);
  };
  // Its snapshot for counting is not watched.
  const collector = await openStore(watched(engine, rival));
  const { removed } = await collector.collect();
  while (result === undefined) await rival();
  const where = `prepared at ${prepare}, committed at ${commit}`;
  if (result.outcome === 'committed') {
    assert.equal(await store.verify(digest), 'sound', where);
    await engine.commit({ deletes: store.unlink(digest, 'a/1') });
  }
  await store.put(digest, bytes);
  assert.equal(await store.verify(digest), 'sound', where);
  assert.equal((await store.collect()).removed, 1, where);
  assert.equal(await chunksIn(engine), 0, where);
  await collector.close();
  await store.close();
  return `${result.outcome}, ${removed === 1 ? 'removed' : 'kept'}`;
}
