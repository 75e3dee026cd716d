// Blobs between stores: every form into every form, links of files, what is rubbish or damaged, and going on after a break.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { BlobDigest, BlobStore } from '../blobs/blob-store.ts';
import { openEngineBlobStore } from '../blobs/engine-blob-store.ts';
import { digestOf, filesIn, openStore } from '../blobs/testing-blob-store.ts';
import type { Engine } from '../engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { encodeTuple } from '../tuple.ts';
import { openCopiedBlobs } from './copied-blobs.ts';
import { type CopyOptions, type CopyResult, copyStore } from './copy-store.ts';

const random = seededRandom(11);
/** One that cannot be compressed, one that can, and one of several commits in an engine. */
const contents = [
  random.bytes(300_000),
  Buffer.alloc(2_000_000, 'a line that comes again and again\r\n'),
  random.bytes(5_000_000),
];

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rookery-copied.'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const inDirectory = (name: string): string => join(directory, name);
const inEngine = (engine: Engine) => openEngineBlobStore({ engine, clock: systemClock, log: silentLog });

async function putAll(engine: Engine, store: BlobStore): Promise<void> {
  for (const bytes of contents) {
    const digest = digestOf(bytes);
    await store.put(digest, bytes);
    const { puts, conditions } = await store.link(digest, 'account/1');
    await engine.commit({ puts, conditions });
  }
  await engine.commit({ puts: [{ key: encodeTuple(['a', 'account']), value: Buffer.of(1) }] });
}

/** A store with a raw and a compressed file. */
async function fileStore(name: string): Promise<Engine> {
  const engine = openMemoryEngine();
  await using store = await openStore(inDirectory(name), engine);
  await putAll(engine, store);
  assert.equal((await store.compressOld({ olderThanMs: -1000 })).compressed, 1);
  return engine;
}

interface Sides {
  readonly source: Engine;
  readonly from?: string;
  readonly target: Engine;
  readonly to?: string;
}

async function copy(
  { source, from, target, to }: Sides,
  more: Partial<CopyOptions> = {},
): Promise<CopyResult> {
  await using blobs = await openCopiedBlobs({
    source,
    sourceDirectory: from === undefined ? undefined : inDirectory(from),
    target,
    targetDirectory: to === undefined ? undefined : inDirectory(to),
    clock: systemClock,
  });
  return await copyStore({ source, target, blobs, blobsTo: to ?? 'engine', ...more });
}

async function listed(store: BlobStore): Promise<{ digest: BlobDigest; bytes: number; links: number }[]> {
  return Array.fromAsync(store.list());
}

async function assertHasAll(store: BlobStore): Promise<void> {
  for (const bytes of contents) {
    const read = await store.read(digestOf(bytes), 0, bytes.length + 1);
    assert.ok(read !== undefined && Buffer.compare(read, bytes) === 0);
  }
  assert.deepEqual(
    (await listed(store)).map(({ links }) => links),
    [1, 1, 1],
  );
}

it('makes files of chunks and chunks of files', async () => {
  const [chunks, again] = [openMemoryEngine(), openMemoryEngine()];
  const result = await copy({ source: await fileStore('from'), from: 'from', target: chunks });
  assert.deepEqual([result.blobs, result.blobBytes, result.damaged], [3, 7_300_000, []]);
  await using stored = await inEngine(chunks);
  await assertHasAll(stored);
  assert.deepEqual((await copy({ source: chunks, target: again, to: 'back' })).digest, result.digest);
  await using files = await openStore(inDirectory('back'), again);
  await assertHasAll(files);
});

it('copies chunks as chunks', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  {
    await using store = await inEngine(source);
    await putAll(source, store);
  }
  await copy({ source, target });
  await using store = await inEngine(target);
  await assertHasAll(store);
});

it('links files into another directory, in the form they have', async () => {
  const target = openMemoryEngine();
  await copy({ source: await fileStore('from'), from: 'from', target, to: 'to' });
  const inodes = (name: string): number[] => filesIn(inDirectory(name)).map((file) => statSync(file).ino);
  assert.deepEqual(inodes('to').sort(), inodes('from').sort());
  await using store = await openStore(inDirectory('to'), target);
  await assertHasAll(store);
});

it('refuses a directory that is the source’s own, or holds something, or is not there', async () => {
  const source = await fileStore('from');
  const target = openMemoryEngine();
  await assert.rejects(
    copy({ source, from: 'from', target, to: 'from' }),
    /cannot use the directory of the source/,
  );
  await fileStore('other');
  await assert.rejects(copy({ source, from: 'from', target, to: 'other' }), /other is not empty/);
  await assert.rejects(copy({ source, from: 'gone', target }), /no blob directory/);
  await assert.rejects(copy({ source, target }), /blobs in files: say in which directory/);
});

it('gives the copy’s directory a mark of its own, also when it was killed behind that', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  const markOf = (name: string): string => readFileSync(join(inDirectory(name), 'rookery-store'), 'utf8');
  await (await openStore(inDirectory('to'), target)).close();
  const mark = markOf('to');
  await copy({ source, from: 'from', target, to: 'to' });
  assert.equal(markOf('to'), mark);
  assert.notEqual(markOf('from'), mark);
  await assert.rejects(openStore(inDirectory('to'), source), /is not this store's/);
  await assert.rejects(openStore(inDirectory('from'), target), /is not this store's/);
});

it('refuses a directory that is not the source’s, where all blobs would be missing', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  mkdirSync(inDirectory('not-mounted'));
  await assert.rejects(
    copy({ source, from: 'not-mounted', target }, { skipDamaged: true }),
    /not-mounted is not this store's: .* is missing/,
  );
  assert.deepEqual(readdirSync(inDirectory('not-mounted')), []);
});

it('claims no directory for a store that is not to be copied into', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  await target.commit({ puts: [{ key: Buffer.from('mail'), value: Buffer.from('mail') }] });
  await assert.rejects(copy({ source, from: 'from', target, to: 'to' }), /the target is not empty/);
  await (await openStore(inDirectory('later'), target)).close();
});

it('leaves behind what nobody links', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  {
    await using store = await openStore(inDirectory('from'), source);
    const unlinked = random.bytes(200_000);
    await store.put(digestOf(unlinked), unlinked);
  }
  assert.equal((await copy({ source, from: 'from', target })).blobs, 3);
  await using store = await inEngine(target);
  await assertHasAll(store);
});

it('stops at a damaged blob, and goes on without it when it is told so', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  const raw = filesIn(inDirectory('from')).find((file) => statSync(file).size === 300_000)!;
  writeFileSync(raw, Buffer.alloc(300_000));
  const digest = digestOf(contents[0]!).toString('hex');
  await assert.rejects(copy({ source, from: 'from', target }), new RegExp(`blob ${digest} cannot be read`));
  const result = await copy({ source, from: 'from', target }, { skipDamaged: true });
  assert.deepEqual([result.blobs, result.damaged, result.resumed], [2, [digest], true]);
  await using store = await inEngine(target);
  assert.equal(await store.read(digestOf(contents[0]!), 0, 1), undefined);
  assert.equal((await listed(store)).length, 2);
});

it('notices a blob that was damaged on its way', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  const damage = (): void => {
    const raw = filesIn(inDirectory('to')).find((file) => statSync(file).size === 300_000)!;
    rmSync(raw);
    writeFileSync(raw, Buffer.alloc(300_000));
  };
  let isDone = false;
  const progress: CopyOptions['progress'] = ({ phase }) => {
    if (phase === 'verifying' && !isDone) damage();
    isDone ||= phase === 'verifying';
  };
  const copying = copy({ source, from: 'from', target, to: 'to' }, { progress });
  await assert.rejects(copying, /the copy of blob [0-9a-f]{64} is damaged/);
});

it('must go on with the blobs where they went before', async () => {
  const [source, target] = [await fileStore('from'), openMemoryEngine()];
  const progress: CopyOptions['progress'] = ({ phase }) => {
    if (phase === 'copying') throw new Error('broken off');
  };
  const sides = { source, from: 'from', target };
  await assert.rejects(copy({ ...sides, to: 'to' }, { progress }), /broken off/);
  await assert.rejects(copy(sides), /begun with blobs to to/);
  assert.equal((await copy({ ...sides, to: 'to' })).resumed, true);
});
