// Two workers read rows of the shards they hold from the engine's file, while shards go from one to the other all the time
// and everything is written at once: each read must be what a model of the shard says.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Batch, Bytes, Engine, Range } from '../engine.ts';
import { decodeEpoch, fenceFor, fenceKey, raiseEpoch } from '../fence.ts';
import { openEngineServer } from '../served/engine-server.ts';
import { openServedEngine } from '../served/served-engine.ts';
import type { EmbeddedEngine } from './embedded-engine.ts';
import { FileReads } from './file-reads.ts';
import { HeldRows } from './held-rows.ts';
import { openLmdbEngine } from './lmdb-engine.ts';
import { fileRows, openFile, SettledRows } from './settled-rows.ts';

const surroundings = { clock: systemClock, log: silentLog };
const shardsCount = 5;
const rowsPerShard = 24;

const keyOf = (shard: number, row: number): Buffer =>
  Buffer.from(`row ${shard} ${String(row).padStart(3, '0')}`);
const shardOfKey = (key: Bytes): ShardId | undefined => {
  const [, shard] = /^row (\d) /.exec(Buffer.from(key).toString('latin1')) ?? [];
  return shard === undefined ? undefined : (Number(shard) as ShardId);
};
const shards = {
  ofKey: shardOfKey,
  ofRange: ({ start, end }: Range) => {
    const shard = shardOfKey(start);
    return shard === shardOfKey(end) ? shard : undefined;
  },
};

interface Worker {
  readonly engine: Engine;
  readonly held: HeldRows;
}

interface Site extends AsyncDisposable {
  readonly owned: EmbeddedEngine;
  readonly workers: readonly [Worker, Worker];
  /** Reads that the owner of the engine was asked for. */
  asked(): number;
}

async function openSite(groupsPerTransaction: number | undefined): Promise<Site> {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-held.'));
  const store = join(directory, 'store');
  const path = join(directory, 'engine.sock');
  const owned = await openLmdbEngine({
    directory: store,
    mapBytes: 2 ** 30,
    ...(groupsPerTransaction === undefined ? {} : { groupsPerTransaction }),
    ...surroundings,
  });
  let asked = 0;
  for (const name of ['get', 'getMany', 'page'] as const) {
    const read = owned[name].bind(owned) as (...given: unknown[]) => Promise<never>;
    owned[name] = (...given: unknown[]) => {
      asked++;
      return read(...given);
    };
  }
  const server = await openEngineServer({ engine: owned, path, ...surroundings });
  const files = [openFile(store), openFile(store)];
  const open = async (number: 0 | 1): Promise<Worker> => {
    const held = new HeldRows(files[number]!, shards);
    const settled = new SettledRows(fileRows(files[number]!), () => false);
    const file = new FileReads(settled, held);
    return { held, engine: await openServedEngine({ path, file, ...surroundings }) };
  };
  const workers = [await open(0), await open(1)] as const;
  return {
    owned,
    workers,
    asked: () => asked,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(workers.map(({ engine }) => engine.close()));
      await server.close();
      await owned.close();
      rmSync(directory, { recursive: true });
    },
  };
}

class Shard {
  readonly number: ShardId;
  readonly #site: Site;
  readonly #below: (below: number) => number;
  readonly #rows = new Map<number, string>();
  #epoch = 0 as Epoch;
  reads = 0;

  constructor(site: Site, number: number) {
    this.#site = site;
    this.number = number as ShardId;
    this.#below = seededRandom(number + 1).integer;
  }

  /** Takes the shard to that worker, who works on it and gives it up again; `isLong`: not before the file knows of it. */
  async host(worker: Worker, works: number, isLong: boolean): Promise<void> {
    const from = this.#epoch === 0 ? undefined : raiseEpoch(this.number, undefined, this.#epoch).put.value;
    this.#epoch = (this.#epoch + 1) as Epoch;
    const { condition, put } = raiseEpoch(this.number, from, this.#epoch);
    const controller = this.#site.workers[this.#below(2)]!;
    const result = await controller.engine.commit({ conditions: [condition], puts: [put] });
    assert.equal(result.outcome, 'committed');
    worker.held.hold(this.number, this.#epoch);
    if (isLong) {
      await this.#change(worker.engine);
      while (worker.held.viewOf(keyOf(this.number, 0)) === undefined) await systemClock.nextTurn();
    }
    for (let work = 0; work < works; work++) {
      await this.#check(worker.engine);
      await this.#change(worker.engine);
    }
    await this.#check(worker.engine);
    worker.held.letGo(this.number);
  }

  async #change(engine: Engine): Promise<void> {
    const puts = Array.from({ length: this.#below(3) }, () => this.#below(rowsPerShard));
    const gone = this.#below(rowsPerShard);
    const start = this.#below(rowsPerShard);
    const kind = this.#below(4);
    const value = `${this.#epoch} ${this.#below(1_000_000)}`;
    const fence = fenceFor(this.number, this.#epoch);
    const ranges = [{ start: keyOf(this.number, start), end: keyOf(this.number, start + 3) }];
    const batch: Batch = {
      fence,
      ...(kind === 0 ? { deleteRanges: ranges } : {}),
      ...(kind === 1 ? { deletes: [keyOf(this.number, gone)] } : {}),
      puts: puts.map((row) => ({ key: keyOf(this.number, row), value: Buffer.from(`${value} ${row}`) })),
    };
    assert.equal((await engine.commit(batch)).outcome, 'committed');
    if (kind === 0) for (let row = start; row < start + 3; row++) this.#rows.delete(row);
    if (kind === 1) this.#rows.delete(gone);
    for (const row of puts) this.#rows.set(row, `${value} ${row}`);
  }

  async #check(engine: Engine): Promise<void> {
    this.reads += 3;
    const rows = Array.from({ length: 1 + this.#below(5) }, () => this.#below(rowsPerShard));
    const expected = rows.map((row) => this.#rows.get(row));
    const text = (value: Bytes | undefined) => value && Buffer.from(value).toString();
    assert.equal(text(await engine.get(keyOf(this.number, rows[0]!))), expected[0]);
    const found = await engine.getMany(rows.map((row) => keyOf(this.number, row)));
    assert.deepEqual(found.map(text), expected);
    const range = { start: keyOf(this.number, 0), end: keyOf(this.number, 999) };
    const { entries } = await engine.page(range, { entriesMax: 1000, bytesMax: 1e6 });
    assert.deepEqual(
      entries.map(({ key, value }) => [text(key), text(value)]),
      [...this.#rows].sort(([a], [b]) => a - b).map(([row, value]) => [text(keyOf(this.number, row)), value]),
    );
  }
}

for (const groupsPerTransaction of [undefined, 3])
  test(`shards that go to and fro are read as they are, transactions of ${groupsPerTransaction ?? 'many'} groups`, async () => {
    await using site = await openSite(groupsPerTransaction);
    const all = Array.from({ length: shardsCount }, (_, number) => new Shard(site, number));
    await Promise.all(
      all.map(async (shard) => {
        // Short stays: the file has not come to the epoch; long ones: it has, and goes on.
        for (let round = 0; round < 40; round++) {
          const worker = site.workers[(round + shard.number) % 2]!;
          await (round % 4 === 0 ? shard.host(worker, 60, true) : shard.host(worker, round % 5, false));
        }
      }),
    );
    const reads = all.reduce((sum, shard) => sum + shard.reads, 0);
    assert.ok(site.asked() < reads / 2, `${site.asked()} of ${reads} reads went to the engine’s owner`);
    assert.ok(site.asked() > 0, 'no shard changed hands before the file knew of it');
  });

test('what is not held is asked for: other shards, those let go, those that somebody took', async () => {
  await using site = await openSite(undefined);
  const [one, two] = site.workers;
  const key = keyOf(3, 1);
  const shard = 3 as ShardId;
  const askedFor = async (read: () => Promise<unknown>): Promise<number> => {
    const before = site.asked();
    await read();
    return site.asked() - before;
  };
  const raise = async (from: number, to: number): Promise<void> => {
    const expected = from === 0 ? undefined : raiseEpoch(shard, undefined, from as Epoch).put.value;
    const { condition, put } = raiseEpoch(shard, expected, to as Epoch);
    await two.engine.commit({ conditions: [condition], puts: [put] });
  };
  await raise(0, 1);
  one.held.hold(shard, 1 as Epoch);
  await one.engine.commit({
    fence: fenceFor(shard, 1 as Epoch),
    puts: [{ key, value: Buffer.from('one') }],
  });
  const isReadHere = async (): Promise<boolean> => (await askedFor(() => one.engine.get(key))) === 0;
  const until = async (wanted: boolean): Promise<void> => {
    const deadline = systemClock.monotonic() + 60_000;
    while ((await isReadHere()) !== wanted) {
      assert.ok(systemClock.monotonic() < deadline);
      await systemClock.nextTurn();
    }
  };
  await until(true);
  assert.equal(await askedFor(() => one.engine.getMany([key, keyOf(3, 2)])), 0);
  assert.equal(await askedFor(() => one.engine.getMany([key, keyOf(4, 2)])), 1);
  assert.equal(await askedFor(() => one.engine.getMany([key, Buffer.from('x')])), 1);
  const wide = { start: key, end: keyOf(4, 0) };
  assert.equal(await askedFor(() => one.engine.page(wide, { entriesMax: 9, bytesMax: 9 })), 1);
  assert.equal(await askedFor(() => two.engine.get(key)), 1);
  await raise(1, 2);
  await two.engine.commit({
    fence: fenceFor(shard, 2 as Epoch),
    puts: [{ key, value: Buffer.from('two') }],
  });
  await until(false);
  assert.equal(Buffer.from((await one.engine.get(key))!).toString(), 'two');
  assert.equal(decodeEpoch(await one.engine.get(fenceKey(shard))), 2);
  one.held.letGo(shard);
  await raise(2, 3);
  one.held.hold(shard, 3 as Epoch);
  await until(true);
  // Not what it wrote itself under the first epoch.
  assert.equal(Buffer.from((await one.engine.get(key))!).toString(), 'two');
  one.held.letGo(shard);
  assert.equal(await isReadHere(), false);
});
