// Copying a store: row for row, to PostgreSQL and back, broken off and resumed, into the wrong place, and damaged on the way.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { missingPostgres, PostgresServer } from '../../../test/postgres-server.ts';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Epoch } from '../../mail/ids.ts';
import type { Batch, Engine, Entry } from '../engine.ts';
import { encodeEpoch } from '../fence.ts';
import { openLmdbEngine } from '../lmdb/lmdb-engine.ts';
import { openMemoryEngine } from '../memory-engine.ts';
import { openPostgresEngine } from '../postgres/postgres-engine.ts';
import { encodeTuple } from '../tuple.ts';
import { openCopiedBlobs } from './copied-blobs.ts';
import { isCopyUnfinished } from './copy-progress.ts';
import { type CopyOptions, type CopyProgress, type CopyResult, copyStore } from './copy-store.ts';

const rowCount = 5000;

async function fill(engine: Engine): Promise<void> {
  const random = seededRandom(7);
  const puts = Array.from({ length: rowCount }, (_, index) => ({
    key: encodeTuple(['row', random.identifier(6), index]),
    value: random.bytes(random.integer(3000)),
  }));
  await engine.commit({ puts: [...puts, { key: encodeTuple(['empty']), value: Buffer.alloc(0) }] });
}

/** As `engine`, with `commit` done by `commit`. */
function withCommit(engine: Engine, commit: (batch: Batch) => ReturnType<Engine['commit']>): Engine {
  return Object.assign(Object.create(engine) as Engine, {
    commit,
    get: engine.get.bind(engine),
    page: engine.page.bind(engine),
    snapshot: engine.snapshot.bind(engine),
  });
}

async function copy(
  options: Pick<CopyOptions, 'source' | 'target'> & Partial<CopyOptions>,
): Promise<CopyResult> {
  const { source, target } = options;
  const directories = { sourceDirectory: undefined, targetDirectory: undefined };
  await using blobs = await openCopiedBlobs({ source, target, ...directories, clock: systemClock });
  return await copyStore({ blobs, blobsTo: 'engine', ...options });
}

async function rowsOf(engine: Engine): Promise<string[]> {
  const rows: string[] = [];
  for (let start: Uint8Array | undefined = Buffer.alloc(0); start !== undefined; ) {
    const page = await engine.page({ start, end: Buffer.of(0xff) }, { entriesMax: 1000, bytesMax: 1e7 });
    for (const { key, value } of page.entries) {
      rows.push(`${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`);
    }
    start = page.next;
  }
  return rows;
}

it('moves a store to PostgreSQL and back', { skip: missingPostgres() }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-copy.'));
  await using server = await PostgresServer.start();
  const options = { log: silentLog, clock: systemClock };
  await using embedded = await openLmdbEngine({ directory: join(directory, 'from'), ...options });
  await using cluster = await openPostgresEngine({ url: await server.makeDatabase(), ...options });
  await using back = await openLmdbEngine({ directory: join(directory, 'back'), ...options });
  await fill(embedded);
  const there = await copy({ source: embedded, target: cluster });
  const again = await copy({ source: cluster, target: back });
  assert.equal(there.rows, rowCount + 1);
  assert.deepEqual(again, there);
  const journal = Buffer.from(encodeTuple(['store', 'journal'])).toString('hex');
  const isShared = (row: string): boolean => !row.startsWith(journal);
  assert.deepEqual((await rowsOf(back)).filter(isShared), (await rowsOf(embedded)).filter(isShared));
  rmSync(directory, { recursive: true });
});

it('goes on where it was broken off', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  await fill(source);
  let commits = 0;
  const failing = withCommit(target, async (batch) => {
    // The first two begin the copy and end its part of blobs.
    if (++commits === 5) throw new Fault('the line is cut', { temporary: true });
    return await target.commit(batch);
  });
  await assert.rejects(copy({ source, target: failing }), /the line is cut/);
  assert.equal(await isCopyUnfinished(target), true);
  await assert.rejects(copy({ source: target, target: openMemoryEngine() }), /not finished/);
  const reports: number[] = [];
  const result = await copy({
    source,
    target,
    progress: ({ phase, rows }) => {
      if (phase === 'copying') reports.push(rows);
    },
  });
  assert.deepEqual([result.resumed, result.rows], [true, rowCount + 1]);
  assert.ok(reports[0]! > 2000, `it went on with ${reports[0]} rows`);
  assert.equal(reports.at(-1), rowCount + 1);
  assert.deepEqual(await rowsOf(target), await rowsOf(source));
  assert.equal(await isCopyUnfinished(target), false);
});

it('refuses a store that holds something, and leaves it as it is', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  await fill(source);
  await target.commit({ puts: [{ key: encodeTuple(['row', 'own']), value: Buffer.from('1') }] });
  await assert.rejects(copy({ source, target }), /not empty/);
  assert.equal((await rowsOf(target)).length, 1);
});

it('says when what is there is not what was copied', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  await fill(source);
  const lossy = withCommit(target, (batch) =>
    target.commit({ ...batch, puts: batch.puts?.slice(batch.puts.length > 1 ? 1 : 0) ?? [] }),
  );
  await assert.rejects(copy({ source, target: lossy }), /the copy differs .* 5001 rows were to be copied/);
  assert.equal(await isCopyUnfinished(target), true);
});

it('does not go on with a copy of a store that was served since', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  await fill(source);
  let commits = 0;
  const failing = withCommit(target, async (batch) => {
    if (++commits === 5) throw new Fault('the line is cut', { temporary: true });
    return await target.commit(batch);
  });
  await assert.rejects(copy({ source, target: failing }), /the line is cut/);
  await source.commit({ puts: [{ key: encodeTuple(['fence', 3]), value: encodeEpoch(2 as Epoch) }] });
  await assert.rejects(copy({ source, target }), /of this one as it was before/);
  assert.equal(await isCopyUnfinished(target), true);
});

it('notices a server that starts on the source while it is copied', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  await fill(source);
  const serve = async ({ phase }: CopyProgress): Promise<void> => {
    if (phase !== 'verifying') return;
    await source.commit({ puts: [{ key: encodeTuple(['fence', 3]), value: encodeEpoch(2 as Epoch) }] });
  };
  const served = copy({ source, target, progress: (progress) => void serve(progress) });
  await assert.rejects(served, /a server ran on the source/);
  assert.equal(await isCopyUnfinished(target), true);
});

it('takes epochs along, and leaves behind what is of a cluster or of an engine', async () => {
  const [source, target] = [openMemoryEngine(), openMemoryEngine()];
  const row = (...elements: (string | number)[]) => ({
    key: encodeTuple(elements),
    value: Buffer.from(elements.join()),
  });
  const copied = [
    row('a', 'account', 'm', 1),
    row('blobLink', 'of no blob', 'account/1'),
    row('configuration', 'current'),
    row('directory', 'token', 'id'),
    row('fence', 7),
    row('idempotency', 'owner', 'key'),
    row('quarantine', '', 'key'),
    row('what a later version has'),
  ];
  const left = [
    row('authority'),
    row('authority', 'node', 'one'),
    row('authority', 'token', 'id'),
    row('cluster', 'controller'),
    row('cluster', 'node', 'one'),
    row('store'),
    row('store', 'journal'),
  ];
  await source.commit({ puts: [...copied, ...left] });
  const { rows, leftBehind } = await copy({ source, target });
  assert.equal(rows, copied.length);
  assert.deepEqual(leftBehind, { authority: 3, cluster: 2 });
  const hexRow = ({ key, value }: Entry): string =>
    `${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`;
  assert.deepEqual(await rowsOf(target), copied.map(hexRow));
});
