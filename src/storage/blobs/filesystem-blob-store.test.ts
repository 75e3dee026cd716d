// The filesystem blob store on both engines: bytes in and out, links, damage, leftovers, a full disk.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { openFilesystemBlobStore } from './filesystem-blob-store.ts';
import { digestOf, filesIn, onEngines, openStore, putLinked, type WithStore } from './testing-blob-store.ts';

onEngines('the filesystem blob store', keepingBytes, failing);

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
  const bytes = Buffer.alloc(1 << 20, 'x');
  const ballast = join(mount, 'ballast');
  try {
    // Refused by the reserve, and by the file system itself when there is no reserve.
    for (const reserveBytes of [1 << 20, 0]) {
      const options = {
        directory: join(mount, String(reserveBytes)),
        engine: openMemoryEngine(),
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
