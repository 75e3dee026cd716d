// The filesystem blob store on both engines: bytes in and out, links, collecting against linking in every order,
// compression, damage, leftovers, a full disk.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { isMailError } from '../mail/mail-error.ts';
import { blobKey } from './blob-row.ts';
import type { BlobDigest, BlobLink } from './blob-store.ts';
import type { CommitResult, Engine } from './engine.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from './filesystem-blob-store.ts';
import { openLmdbEngine } from './lmdb-engine.ts';
import { openMemoryEngine } from './memory-engine.ts';

interface Fixture {
  readonly directory: string;
  readonly engine: Engine;
  readonly store: FilesystemBlobStore;
}

const digestOf = (bytes: Uint8Array): Buffer => hash('sha256', bytes, 'buffer');

async function openStore(directory: string, engine: Engine): Promise<FilesystemBlobStore> {
  const options = { directory, engine, clock: systemClock, log: silentLog, compression: { level: 3 } };
  return await openFilesystemBlobStore(options);
}

function filesIn(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const commitLink = (engine: Engine, { puts, conditions }: BlobLink): Promise<CommitResult> =>
  engine.commit({ puts, conditions });

/** What a caller does: put, link, and again when the blob was being collected. */
async function putLinked({ store, engine }: Fixture, bytes: Uint8Array, holder: string): Promise<BlobDigest> {
  const digest = digestOf(bytes);
  for (;;) {
    await store.put(digest, bytes);
    if ((await commitLink(engine, await store.link(digest, holder))).outcome === 'committed') return digest;
  }
}

/** Runs `before` ahead of each read or commit that is made through it, with the number of it. */
function watched(engine: Engine, before: (operation: number) => Promise<void>): Engine {
  let operation = 0;
  const step = async (): Promise<void> => before(operation++);
  return {
    name: engine.name,
    get: (key) => step().then(() => engine.get(key)),
    getMany: (keys) => step().then(() => engine.getMany(keys)),
    page: (range, limits) => step().then(() => engine.page(range, limits)),
    commit: (batch) => step().then(() => engine.commit(batch)),
    snapshot: () => engine.snapshot(),
    subscribe: (topic, listener) => engine.subscribe(topic, listener),
    statistics: () => engine.statistics(),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

const engines: Record<string, (directory: string) => Promise<Engine>> = {
  memory: async () => openMemoryEngine(),
  lmdb: (directory) => openLmdbEngine({ directory, log: silentLog, clock: systemClock }),
};

for (const [name, openEngine] of Object.entries(engines)) {
  const withStore = (title: string, run: (fixture: Fixture) => Promise<void>): void => {
    it(title, async () => {
      const root = mkdtempSync(join(tmpdir(), 'rookery-blobs.'));
      const directory = join(root, 'blobs');
      const engine = await openEngine(join(root, 'engine'));
      const store = await openStore(directory, engine);
      try {
        await run({ directory, engine, store });
      } finally {
        await store.close();
        await engine.close();
        rmSync(root, { recursive: true });
      }
    });
  };
  describe(`the filesystem blob store on the ${name} engine`, () => {
    keepingBytes(withStore);
    collecting(withStore);
    compressing(withStore);
    failing(withStore);
  });
}

type WithStore = (title: string, run: (fixture: Fixture) => Promise<void>) => void;

function keepingBytes(withStore: WithStore): void {
  withStore(
    'gives back any range of what was put, once in a file however often it is put',
    async (fixture) => {
      const { store, directory } = fixture;
      for (const size of [0, 1, 70_000, 1_000_000]) {
        const bytes = seededRandom(size).bytes(size);
        const digest = digestOf(bytes);
        await Promise.all([store.put(digest, bytes), store.put(digest, bytes)]);
        await store.put(digest, bytes);
        const ranges = [
          [0, size],
          [0, size + 10],
          [size, 5],
          [size + 9, 5],
          [size >> 1, 3],
        ] as const;
        for (const [offset, length] of ranges) {
          assert.deepEqual(await store.read(digest, offset, length), bytes.subarray(offset, offset + length));
        }
        assert.equal(await store.verify(digest), 'sound');
      }
      assert.equal(filesIn(directory).length, 4);
      assert.deepEqual(store.statistics(), { blobs: 4, bytes: 1_070_001, bytesStored: 1_070_001 });
      assert.equal(await store.read(digestOf(Buffer.from('other')), 0, 1), undefined);
      assert.equal(await store.verify(digestOf(Buffer.from('other'))), 'missing');
    },
  );

  withStore('counts links by their holders and lists blobs', async (fixture) => {
    const { store, engine } = fixture;
    const digest = await putLinked(fixture, Buffer.from('letter'), 'a/1');
    await putLinked(fixture, Buffer.from('letter'), 'b/1');
    await putLinked(fixture, Buffer.from('letter'), 'b/1');
    const listed = async (): Promise<unknown[]> =>
      (await Array.fromAsync(store.list())).map(({ bytes, links }) => ({ bytes, links }));
    assert.deepEqual(await listed(), [{ bytes: 6, links: 2 }]);
    await engine.commit({ deletes: store.unlink(digest, 'a/1') });
    assert.deepEqual(await listed(), [{ bytes: 6, links: 1 }]);
  });

  withStore('counts what is there when it is opened again', async ({ store, engine, directory }) => {
    const bytes = Buffer.from('kept');
    await store.put(digestOf(bytes), bytes);
    await store.close();
    const again = await openStore(directory, engine);
    await again.put(digestOf(bytes), bytes);
    assert.deepEqual(await again.read(digestOf(bytes), 0, 9), bytes);
    await again.close();
    assert.deepEqual(again.statistics(), { blobs: 1, bytes: 4, bytesStored: 4 });
    await assert.rejects(again.put(digestOf(Buffer.from('late')), Buffer.from('late')), Fault);
    await assert.rejects(again.read(digestOf(bytes), 0, 9), Fault);
  });

  withStore('keeps reading more blobs than it keeps open', async ({ store }) => {
    const blobs = Array.from({ length: 200 }, (_, index) => Buffer.alloc(100_000, index));
    await Promise.all(blobs.map((bytes) => store.put(digestOf(bytes), bytes)));
    const read = (bytes: Buffer) => store.read(digestOf(bytes), 1, 90_000);
    for (const content of [await Promise.all(blobs.map(read)), await Promise.all(blobs.map(read))]) {
      for (const [index, bytes] of blobs.entries())
        assert.deepEqual(content[index], bytes.subarray(1, 90_001));
    }
  });
}

/** find, isLinked, mark, isLinked, delete; the sixth step of a rival is after them. */
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
  // The first operation lists the rows.
  const collector = await openStore(
    directory,
    watched(engine, async (operation) => {
      steps = operation - 1;
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

function failing(withStore: WithStore): void {
  withStore('says what is damaged or missing, and a new put heals it', async (fixture) => {
    const { store, directory } = fixture;
    const bytes = Buffer.alloc(200_000, 'mail');
    const digest = await putLinked(fixture, bytes, 'a');
    const harms: ((file: string) => void)[] = [
      (file) => truncateSync(file, 1000),
      (file) => unlinkSync(file),
      (file) => writeFileSync(file, Buffer.alloc(200_000, 'liam')),
    ];
    for (const [index, harm] of harms.entries()) {
      for (const file of filesIn(directory)) harm(file);
      assert.equal(await store.verify(digest), 'damaged');
      if (index < 2) await assert.rejects(store.read(digest, 0, 10), (error: Fault) => !error.temporary);
      await store.put(digest, bytes);
      if (index < 2) assert.equal(await store.verify(digest), 'sound');
      await store.sweep({ olderThanMs: -1000 });
      assert.equal(filesIn(directory).length, 1);
    }
  });

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

  withStore('sweeps old files that no row names', async (fixture) => {
    const { store, directory } = fixture;
    const digest = await putLinked(fixture, Buffer.from('kept'), 'a');
    const [file] = filesIn(directory);
    writeFileSync(file!.replace(/[0-9a-f]{16}$/, '0000000000000000'), 'left by a crash');
    writeFileSync(`${file}.part`, 'half');
    assert.deepEqual(await store.sweep(), { removed: 0 });
    assert.deepEqual(await store.sweep({ olderThanMs: -1000 }), { removed: 2 });
    assert.equal(await store.verify(digest), 'sound');
  });
}

it('refuses a blob when the disk is full, leaves nothing, and takes it when there is room', async (test) => {
  const mount = mkdtempSync(join(tmpdir(), 'rookery-blobs.'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', mount], { stdio: 'pipe' });
  } catch (error) {
    rmSync(mount, { recursive: true });
    return test.skip(`needs root for a small file system of its own: ${String(error)}`);
  }
  const engine = openMemoryEngine();
  const bytes = Buffer.alloc(1 << 20, 'x');
  const ballast = join(mount, 'ballast');
  try {
    // Refused by the reserve, and by the file system itself when there is no reserve.
    for (const reserveBytes of [1 << 20, 0]) {
      const options = {
        directory: join(mount, String(reserveBytes)),
        engine,
        clock: systemClock,
        log: silentLog,
      };
      await using store = await openFilesystemBlobStore({
        ...options,
        compression: { level: 1 },
        reserveBytes,
      });
      writeFileSync(ballast, Buffer.alloc((reserveBytes > 0 ? 6.5 : 5.5) * 1024 * 1024));
      const blob = Buffer.concat([bytes, Buffer.alloc(1 << 19), Buffer.from([reserveBytes ? 1 : 0])]);
      await assert.rejects(store.put(digestOf(blob), blob), (error) => isMailError(error, 'storageFull'));
      assert.deepEqual(filesIn(options.directory), []);
      unlinkSync(ballast);
      await store.put(digestOf(blob), blob);
      assert.equal(await store.verify(digestOf(blob)), 'sound');
    }
  } finally {
    execFileSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  }
});
