// Blob maintenance on both engines: collecting against linking in every order, compression, damaged rows.

import assert from 'node:assert/strict';
import { readFileSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import type { CommitResult } from '../engine.ts';
import { blobKey } from './blob-row.ts';
import type { BlobLink } from './blob-store.ts';
import type { FilesystemBlobStore } from './filesystem-blob-store.ts';
import {
  commitLink,
  digestOf,
  type Fixture,
  filesIn,
  onEngines,
  openStore,
  putLinked,
  type WithStore,
  watched,
} from './testing-blob-store.ts';

onEngines('blob maintenance', collecting, compressing, mending);

const collectorSteps = 5;

interface Interleaving {
  readonly prepare: number;
  readonly commit: number;
  readonly putsFirst: boolean;
}

/**
 * A rival prepares its link before one operation of the collector and commits it before a later one, with or without
 * a put first. In every order a link that committed has its blob, whole.
 */
async function interleave(fixture: Fixture, { prepare, commit, putsFirst }: Interleaving): Promise<string> {
  const { store, engine, directory } = fixture;
  const bytes = Buffer.from(`letter ${prepare} ${commit}`);
  const digest = digestOf(bytes);
  await store.put(digest, bytes);
  let link: BlobLink | undefined;
  let result: CommitResult | undefined;
  const rival = async (step: number): Promise<void> => {
    if (step === prepare && putsFirst) await store.put(digest, bytes);
    if (step === prepare) link = await store.link(digest, 'a/1');
    if (step === commit) result = await commitLink(engine, link!);
  };
  let steps = 0;
  // The first operation reads whose directory it is, the second lists the rows.
  const collector = await openStore(
    directory,
    watched(engine, async (operation) => {
      steps = operation - 2;
      await rival(steps);
    }),
  );
  const { removed } = await collector.collect();
  while (steps < collectorSteps) await rival(++steps);
  await collector.close();
  assert.ok(result !== undefined);
  const where = `prepared at ${prepare}, committed at ${commit}`;
  if (result.outcome === 'committed') assert.equal(await store.verify(digest), 'sound', where);
  await putLinked(fixture, bytes, 'a/2');
  assert.equal(await store.verify(digest), 'sound', where);
  await engine.commit({ deletes: [...store.unlink(digest, 'a/1'), ...store.unlink(digest, 'a/2')] });
  assert.equal((await store.collect()).removed, 1, where);
  assert.deepEqual(filesIn(directory), [], where);
  return `${result.outcome}, ${removed === 1 ? 'removed' : 'kept'}`;
}

function collecting(withStore: WithStore): void {
  withStore('collects what no link names, and only that', async (fixture) => {
    const { store, engine, directory } = fixture;
    const kept = await putLinked(fixture, Buffer.from('kept'), 'a/1');
    const gone = await putLinked(fixture, Buffer.from('gone'), 'a/2');
    assert.deepEqual(await store.collect(), { removed: 0, bytes: 0 });
    await engine.commit({ deletes: store.unlink(gone, 'a/2') });
    await store.read(gone, 0, 4);
    assert.deepEqual(await store.collect(), { removed: 1, bytes: 4 });
    assert.equal(await store.read(gone, 0, 4), undefined);
    assert.equal(Buffer.from((await store.read(kept, 0, 4))!).toString(), 'kept');
    assert.equal(filesIn(directory).length, 1);
    assert.deepEqual(store.statistics(), { blobs: 1, bytes: 4, bytesStored: 4 });
  });

  withStore('answers a link to a blob that is gone with a conflict', async ({ store, engine }) => {
    const link = await store.link(digestOf(Buffer.from('never put')), 'a/1');
    assert.deepEqual(await commitLink(engine, link), { outcome: 'conflict', condition: 0 });
  });

  for (const putsFirst of [false, true]) {
    withStore(
      `never collects under a link that commits${putsFirst ? ', put again first' : ''}`,
      async (fixture) => {
        const outcomes = new Set<string>();
        for (let prepare = 0; prepare <= collectorSteps; prepare++) {
          for (let commit = prepare; commit <= collectorSteps; commit++) {
            outcomes.add(await interleave(fixture, { prepare, commit, putsFirst }));
          }
        }
        assert.deepEqual(
          [...outcomes].sort(),
          ['committed, kept', 'conflict, removed', ...(putsFirst ? ['committed, removed'] : [])].sort(),
        );
      },
    );
  }

  withStore('lets collectors, putters and unlinkers run over each other', async (fixture) => {
    const { store, engine, directory } = fixture;
    const rival = await openStore(directory, engine);
    const blobs = Array.from({ length: 5 }, (_, index) => Buffer.from(`blob ${index}`));
    const random = seededRandom(7);
    const holder = async (name: string, mine: FilesystemBlobStore): Promise<void> => {
      for (let turn = 0; turn < 30; turn++) {
        const digest = await putLinked({ ...fixture, store: mine }, blobs[random.integer(5)]!, name);
        assert.equal(await mine.verify(digest), 'sound');
        await engine.commit({ deletes: mine.unlink(digest, name) });
        mine.dropped(digest);
      }
    };
    let done = false;
    const collector = async (): Promise<void> => {
      while (!done) {
        await rival.collect();
        // The memory engine alone would never let the files have their turn.
        await systemClock.yieldTurn();
      }
    };
    const collectorDone = collector();
    await Promise.all([holder('a', store), holder('b', store), holder('c', rival)]);
    done = true;
    await collectorDone;
    await store.collect();
    assert.deepEqual(await Array.fromAsync(store.list()), []);
    assert.deepEqual(filesIn(directory), []);
    await rival.close();
  });
}

function compressing(withStore: WithStore): void {
  withStore('compresses old blobs where it pays, and reads any range of them', async (fixture) => {
    const { store, directory } = fixture;
    const text = Buffer.from(Array.from({ length: 60_000 }, (_, index) => `line ${index}\r\n`).join(''));
    const noise = seededRandom(1).bytes(300_000);
    for (const bytes of [text, noise]) await putLinked(fixture, bytes, 'a');
    assert.deepEqual(await store.compressOld({ olderThanMs: 60_000 }), { compressed: 0, saved: 0 });
    const open = store.read(digestOf(text), 0, 300_000);
    const { compressed, saved } = await store.compressOld({ olderThanMs: -1 });
    assert.deepEqual(await open, text.subarray(0, 300_000));
    assert.equal(compressed, 1);
    const { bytes, bytesStored } = store.statistics();
    assert.equal(bytes, text.length + noise.length);
    assert.equal(bytesStored, bytes - saved);
    assert.ok(saved > text.length / 2);
    assert.equal(filesIn(directory).length, 2);
    const frame = 256 * 1024;
    for (const [offset, length] of [
      [0, text.length],
      [frame - 3, 6],
      [frame, 1],
      [frame * 2, frame],
      [text.length - 1, 9],
    ] as const) {
      assert.deepEqual(
        await store.read(digestOf(text), offset, length),
        text.subarray(offset, offset + length),
      );
    }
    assert.deepEqual(await store.read(digestOf(noise), 0, noise.length), noise);
    for (const one of [text, noise]) assert.equal(await store.verify(digestOf(one)), 'sound');
    assert.deepEqual(await store.compressOld({ olderThanMs: -1 }), { compressed: 0, saved: 0 });
    await store.put(digestOf(text), text);
    assert.equal(store.statistics().bytesStored, bytesStored);
  });

  withStore('says that a damaged compressed file is damaged', async ({ store, engine, directory }) => {
    const text = Buffer.alloc(600_000, 'compress me');
    await store.put(digestOf(text), text);
    await store.compressOld({ olderThanMs: -1 });
    const [file] = filesIn(directory);
    const sound = readFileSync(file!);
    for (const at of [10, sound.length - 20, sound.length - 10]) {
      const damaged = Buffer.from(sound);
      damaged[at] = damaged[at]! ^ 0xff;
      writeFileSync(file!, damaged);
      const again = await openStore(directory, engine);
      assert.equal(await again.verify(digestOf(text)), 'damaged');
      await again.close();
    }
  });
}

function mending(withStore: WithStore): void {
  withStore('passes over a damaged row or file, and mends a row from its file', async (fixture) => {
    const { store, directory, engine } = fixture;
    const text = Buffer.alloc(600_000, 'compress me');
    const others = [1, 2, 3].map((number) => Buffer.alloc(300_000, `${number} other`));
    const digest = await putLinked(fixture, text, 'a');
    await store.compressOld({ olderThanMs: -1 });
    for (const [index, other] of others.entries()) await putLinked(fixture, other, `holder ${index}`);
    const broken = digestOf(others[1]!);
    const [brokenFile] = filesIn(directory).filter((file) => file.includes(broken.toString('hex')));
    truncateSync(brokenFile!, 1000);
    const damage = async () => {
      const value = Buffer.from((await engine.get(blobKey(digest)))!);
      value[20] = value[20]! ^ 1;
      await engine.commit({ puts: [{ key: blobKey(digest), value }] });
    };
    await damage();
    assert.equal(await store.verify(digest), 'damaged');
    assert.equal((await store.compressOld({ olderThanMs: -1 })).compressed, 2);
    assert.deepEqual(await store.collect(), { removed: 0, bytes: 0 });
    assert.deepEqual(await store.sweep({ olderThanMs: -1000 }), { removed: 0 });
    const what = `the row of blob ${Buffer.from(digest).toString('hex')} is damaged`;
    assert.deepEqual(await Array.fromAsync(store.check({ repair: false })), [{ what, action: 'reported' }]);
    assert.deepEqual(await Array.fromAsync(store.check({ repair: true })), [{ what, action: 'repaired' }]);
    assert.deepEqual(await Array.fromAsync(store.check({ repair: true })), []);
    assert.equal(await store.verify(digest), 'sound');
    // A row without a file can only be set aside; then the blob can come again.
    await damage();
    for (const file of filesIn(directory))
      if (file.includes(Buffer.from(digest).toString('hex'))) unlinkSync(file);
    const [lost] = await Array.fromAsync(store.check({ repair: true }));
    assert.equal(lost?.action, 'setAside');
    assert.equal(await store.verify(digest), 'missing');
    await store.put(digest, text);
    assert.equal(await store.verify(digest), 'sound');
  });
}
