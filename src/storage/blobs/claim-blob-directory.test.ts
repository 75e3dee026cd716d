// Whose a blob directory is: first starts, killed and at the same time; directories that are not the store's; stores of before
// there were marks; a directory that goes away, and comes back, while the store is open.

import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { missingPostgres, PostgresServer } from '../../../test/postgres-server.ts';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Engine } from '../engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { openPostgresEngine } from '../postgres/postgres-engine.ts';
import { encodeTuple } from '../tuple.ts';
import { blobKey } from './blob-row.ts';
import type { BlobDigest } from './blob-store.ts';
import { openFilesystemBlobStore } from './filesystem-blob-store.ts';
import { digestOf, filesIn, openStore, putLinked, watched } from './testing-blob-store.ts';

const rowKey = encodeTuple(['store', 'blobDirectory']);
const random = seededRandom(1);
/** Of races: each is won by chance. */
const rounds = 5;
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rookery-claim.'));
});
afterEach(() => rmSync(root, { recursive: true }));

const at = (name: string): string => join(root, name);
const markFile = (name: string): string => join(at(name), 'rookery-store');
const markIn = (name: string): string => readFileSync(markFile(name), 'utf8');
const notIts = /blob directory .* is not this store's: .*Is its file system mounted\?/;

async function opens(name: string, engine: Engine): Promise<void> {
  await (await openStore(at(name), engine)).close();
}

async function isRefused(name: string, engine: Engine, why = notIts): Promise<void> {
  await assert.rejects(opens(name, engine), (error: Fault) => {
    assert.match(error.message, why);
    assert.ok(error instanceof Fault && !error.temporary);
    return true;
  });
}

/** A store of a Rookery that knew no marks, with its blobs in `directory`. */
async function olderStore(directory: string, blobs = 10): Promise<{ engine: Engine; digests: BlobDigest[] }> {
  const engine = openMemoryEngine();
  const digests: BlobDigest[] = [];
  {
    await using store = await openStore(at(directory), engine);
    const fixture = { store, engine, directory: at(directory) };
    for (let number = 0; number < blobs; number++)
      digests.push(await putLinked(fixture, random.bytes(1000), `a/${number}`));
  }
  await engine.commit({ deletes: [rowKey] });
  rmSync(markFile(directory));
  return { engine, digests };
}

describe('the first start', () => {
  it('marks the directory, and the store knows it by that', async () => {
    const engine = openMemoryEngine();
    await opens('blobs', engine);
    const mark = markIn('blobs');
    assert.match(mark, /^[a-z2-7]{16}-[a-z2-7]{16}\n$/);
    await opens('blobs', engine);
    assert.equal(markIn('blobs'), mark);
    assert.deepEqual(filesIn(at('blobs')), []);
  });

  it('that is killed at any step is gone on with', async () => {
    const steps = new Set<string>();
    for (let step = 0; ; step++) {
      const engine = openMemoryEngine();
      const name = `blobs${step}`;
      const ended = await opens(name, dyingAfter(step, engine)).then(
        () => true,
        () => false,
      );
      const row = (await engine.get(rowKey)) !== undefined;
      steps.add(`row ${row}, mark ${existsSync(markFile(name))}`);
      const before = existsSync(markFile(name)) ? markIn(name) : undefined;
      await opens(name, engine);
      assert.equal(markIn(name), before ?? markIn(name));
      await isRefused('elsewhere', engine);
      if (ended) break;
    }
    assert.deepEqual([...steps], ['row false, mark false', 'row true, mark false', 'row true, mark true']);
  });

  it('that was killed while it wrote the mark leaves a file that does not matter', async () => {
    const engine = openMemoryEngine();
    mkdirSync(at('blobs'));
    writeFileSync(`${markFile('blobs')}.${'a'.repeat(16)}-${'b'.repeat(16)}`, 'aaa');
    await opens('blobs', engine);
    assert.notEqual(markIn('blobs'), 'aaa');
  });
});

/** What a process that ends before its operation number `steps` leaves in the engine. */
const dyingAfter = (steps: number, engine: Engine): Engine =>
  watched(engine, async (operation) => {
    if (operation >= steps) throw new Error('killed');
  });

describe('a directory that is not the store’s', () => {
  it('is refused, and nothing is made there', async () => {
    const engine = openMemoryEngine();
    await opens('blobs', engine);
    mkdirSync(at('empty'));
    await isRefused('empty', engine, /rookery-store is missing, expected "[a-z2-7]{16}-[a-z2-7]{16}"/);
    assert.deepEqual(readdirSync(at('empty')), []);
    await isRefused('nowhere', engine);
    assert.ok(!existsSync(at('nowhere')));
    await opens('others', openMemoryEngine());
    await isRefused('others', engine, /rookery-store says "[a-z2-7-]{33}", expected "[a-z2-7-]{33}"/);
    await opens('blobs', engine);
  });

  it('is made the store’s by writing what is expected into its mark', async () => {
    const engine = openMemoryEngine();
    await opens('blobs', engine);
    const mark = markIn('blobs');
    rmSync(at('blobs'), { recursive: true });
    mkdirSync(at('blobs'));
    await isRefused('blobs', engine, new RegExp(`expected "${mark.trim()}"`));
    writeFileSync(markFile('blobs'), mark);
    await opens('blobs', engine);
  });

  it('is refused by a new store, also when what stands there is no mark', async () => {
    await opens('others', openMemoryEngine());
    await isRefused('others', openMemoryEngine());
    mkdirSync(at('odd'));
    writeFileSync(markFile('odd'), 'x'.repeat(5000));
    await isRefused('odd', openMemoryEngine(), /says "x{100}"/);
  });

  it('is refused for a trial in memory, which leaves no mark in its own', async () => {
    const trial = (name: string) =>
      openFilesystemBlobStore({
        directory: at(name),
        engine: openMemoryEngine(),
        clock: systemClock,
        log: silentLog,
        compression: { level: 3 },
        isForgotten: true,
      });
    await opens('blobs', openMemoryEngine());
    await assert.rejects(trial('blobs'), /is that of a store on disk/);
    for (let start = 0; start < 2; start++) await (await trial('own')).close();
    assert.ok(!existsSync(markFile('own')));
  });
});

describe('a store that has blobs and no mark', () => {
  it('takes the directory that holds them, though some are missing', async () => {
    const { engine, digests } = await olderStore('blobs');
    for (const file of filesIn(at('blobs')).slice(0, 4)) rmSync(file);
    await opens('blobs', engine);
    await using store = await openStore(at('blobs'), engine);
    const states = await Promise.all(digests.map((digest) => store.verify(digest)));
    assert.equal(states.filter((state) => state === 'sound').length, 6);
    await isRefused('elsewhere', engine);
  });

  it('takes none that lacks them, and goes on when the right one is there', async () => {
    const { engine, digests } = await olderStore('mounted');
    // What a node wrote that ran without the mount, in all the same directories.
    cpSync(at('mounted'), at('below'), { recursive: true });
    for (const file of filesIn(at('below')).slice(0, 7)) rmSync(file);
    await isRefused('below', engine, /of 10 large messages .* 3 are there\. Is its file system mounted\?/);
    assert.ok(!existsSync(markFile('below')));
    await isRefused('nowhere', engine, /of 10 large messages .* 0 are there/);
    assert.ok(!existsSync(at('nowhere')));
    await opens('mounted', engine);
    await using store = await openStore(at('mounted'), engine);
    assert.equal(await store.verify(digests[0]!), 'sound');
  });

  it('takes one with the mark of what it became later: its rows are of an older backup', async () => {
    const { engine } = await olderStore('blobs');
    const backup = await engine.get(rowKey);
    assert.equal(backup, undefined);
    await opens('blobs', engine);
    const mark = markIn('blobs');
    await engine.commit({ deletes: [rowKey] });
    await opens('blobs', engine);
    assert.equal(markIn('blobs'), mark);
  });
});

describe('several first nodes', { skip: missingPostgres() }, () => {
  let postgres: PostgresServer;
  let engines: Engine[];
  beforeEach(async () => {
    postgres = await PostgresServer.start();
    const url = await postgres.makeDatabase();
    engines = await Promise.all(
      Array.from({ length: 4 }, () => openPostgresEngine({ url, log: silentLog, clock: systemClock })),
    );
  });
  afterEach(async () => {
    await Promise.all(engines.map((engine) => engine.close()));
    await postgres[Symbol.asyncDispose]();
  });

  it('in one directory agree on its mark', async () => {
    for (let round = 0; round < rounds; round++) {
      await Promise.all(engines.map((engine) => opens(`blobs${round}`, engine)));
      assert.match(markIn(`blobs${round}`), /^[a-z2-7]{16}-[a-z2-7]{16}\n$/);
      assert.deepEqual(
        readdirSync(at(`blobs${round}`)).filter((name) => name.startsWith('rookery')).length,
        1,
      );
      for (const engine of engines) await isRefused('elsewhere', engine);
      await engines[0]!.commit({ deletes: [rowKey] });
    }
  });

  it('of which some lack the mount: those of one directory win, the others are refused', async () => {
    const places = ['shared', 'shared', 'below2', 'below3'];
    for (let round = 0; round < rounds; round++) {
      const name = (index: number): string => `${places[index]}-${round}`;
      const results = await Promise.allSettled(engines.map((engine, index) => opens(name(index), engine)));
      const taken = new Set(
        results.flatMap(({ status }, index) => (status === 'fulfilled' ? [name(index)] : [])),
      );
      assert.equal(taken.size, 1);
      for (const [index, result] of results.entries()) {
        assert.equal(result.status === 'fulfilled', taken.has(name(index)));
        if (result.status === 'rejected') assert.match(String(result.reason), notIts);
      }
      await engines[0]!.commit({ deletes: [rowKey] });
    }
  });
});

describe('a directory that goes away while the store is open', () => {
  const large = (): Buffer => random.bytes(200_000);

  /** In its place is what lay below the mount point: every name but the mark and the files. */
  function unmount(): void {
    renameSync(at('blobs'), at('away'));
    const isDirectory = (name: string): boolean => !/[^/]*(-|store)[^/]*$/.test(name.slice(root.length));
    cpSync(at('away'), at('blobs'), { recursive: true, filter: isDirectory });
    assert.deepEqual(filesIn(at('blobs')), []);
    assert.ok(existsSync(join(at('blobs'), '0', 'f')));
  }

  function mount(): void {
    rmSync(at('blobs'), { recursive: true });
    renameSync(at('away'), at('blobs'));
  }

  const isPassing = (error: unknown): boolean => {
    assert.ok(error instanceof Fault && error.temporary, String(error));
    assert.match(error.message, notIts);
    return true;
  };

  it('takes nothing and condemns nothing, and goes on when it is back', async () => {
    const engine = openMemoryEngine();
    await using store = await openStore(at('blobs'), engine);
    const fixture = { store, engine, directory: at('blobs') };
    const digest = await putLinked(fixture, large(), 'a/1');
    unmount();
    const [late, lateDigest] = ((bytes) => [bytes, digestOf(bytes)] as const)(large());
    await assert.rejects(store.put(lateDigest, late), isPassing);
    assert.deepEqual(filesIn(at('blobs')), []);
    assert.equal(await store.read(lateDigest, 0, 1), undefined);
    await assert.rejects(store.read(digest, 0, 1), isPassing);
    await assert.rejects(store.verify(digest), isPassing);
    await assert.rejects(store.sweep({ olderThanMs: -1000 }), isPassing);
    await assert.rejects(store.compressOld({ olderThanMs: -1000 }), isPassing);
    await engine.commit({ puts: [{ key: blobKey(digest), value: Buffer.from('damaged') }] });
    await assert.rejects(Array.fromAsync(store.check({ repair: true })), isPassing);
    mount();
    await Array.fromAsync(store.check({ repair: true }));
    assert.equal(await store.verify(digest), 'sound');
    await store.put(lateDigest, late);
    assert.equal(await store.verify(lateDigest), 'sound');
    assert.equal(filesIn(at('blobs')).length, 2);
  });

  it('is gone without a trace', async () => {
    await using store = await openStore(at('blobs'), openMemoryEngine());
    renameSync(at('blobs'), at('away'));
    const bytes = large();
    await assert.rejects(store.put(digestOf(bytes), bytes), isPassing);
    assert.ok(!existsSync(at('blobs')));
    renameSync(at('away'), at('blobs'));
    await store.put(digestOf(bytes), bytes);
  });

  it('comes back as another one of the same store: the next write takes it up', async () => {
    const engine = openMemoryEngine();
    await using store = await openStore(at('blobs'), engine);
    cpSync(at('blobs'), at('copy'), { recursive: true });
    renameSync(at('blobs'), at('away'));
    renameSync(at('copy'), at('blobs'));
    const blobs = Array.from({ length: 5 }, large);
    const puts = await Promise.allSettled(blobs.map((bytes) => store.put(digestOf(bytes), bytes)));
    assert.ok(puts.some(({ status }) => status === 'rejected'));
    for (const bytes of blobs) {
      await store.put(digestOf(bytes), bytes);
      assert.equal(await store.verify(digestOf(bytes)), 'sound');
    }
    assert.equal(filesIn(at('blobs')).length, 5);
    assert.deepEqual(filesIn(at('away')), []);
  });
});
