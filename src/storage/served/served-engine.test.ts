// The served engine: the contract, and what is its own: several workers, signals between them,
// a connection that is lost, one that does not read.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import type { Engine } from '../engine.ts';
import { engineContract } from '../engine-contract.ts';
import type { EmbeddedEngine, GroupOutcome } from '../lmdb/embedded-engine.ts';
import { FileReads } from '../lmdb/file-reads.ts';
import { openLmdbEngine } from '../lmdb/lmdb-engine.ts';
import { SettledRows } from '../lmdb/settled-rows.ts';
import { UnknownOutcomeFault } from '../unknown-outcome.ts';
import { type EngineServer, openEngineServer } from './engine-server.ts';
import { openServedEngine } from './served-engine.ts';

const surroundings = { clock: systemClock, log: silentLog };
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });

const makeDirectory = (): string => mkdtempSync(join(tmpdir(), 'rookery-served.'));
const openStore = (directory: string): Promise<EmbeddedEngine> =>
  openLmdbEngine({ directory: join(directory, 'store'), mapBytes: 2 ** 30, ...surroundings });

/** The owner's side closes with the served engine: a store that is opened again is another server's. */
async function openBoth(directory: string, owned: EmbeddedEngine): Promise<Engine> {
  const path = join(directory, 'engine.sock');
  const server = await openEngineServer({ engine: owned, path, ...surroundings });
  const engine = await openServedEngine({ path, ...surroundings });
  const close = engine.close.bind(engine);
  engine.close = async () => {
    await close();
    await server.close();
    await owned.close();
  };
  return engine;
}

engineContract('lmdb, served', async () => {
  const directory = makeDirectory();
  return {
    open: async () => openBoth(directory, await openStore(directory)),
    remove: async () => rmSync(directory, { recursive: true }),
    durable: true,
  };
});

interface Served extends AsyncDisposable {
  readonly owned: EmbeddedEngine;
  readonly server: EngineServer;
  readonly path: string;
  worker(onLost?: (failure: Error) => void): Promise<Engine>;
}

/** `change`: what the engine is to do instead. */
async function serve(
  change: (engine: EmbeddedEngine) => Partial<EmbeddedEngine> = () => ({}),
): Promise<Served> {
  const directory = makeDirectory();
  const owned = await openStore(directory);
  Object.assign(owned, change(owned));
  const path = join(directory, 'engine.sock');
  const server = await openEngineServer({ engine: owned, path, ...surroundings });
  const workers: Engine[] = [];
  return {
    owned,
    server,
    path,
    worker: async (onLost) => {
      const worker = await openServedEngine({
        path,
        ...surroundings,
        ...(onLost === undefined ? {} : { onLost }),
      });
      workers.push(worker);
      return worker;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
      await server.close();
      await owned.close();
      rmSync(directory, { recursive: true });
    },
  };
}

it('is reached by its owner only', async () => {
  await using served = await serve();
  assert.equal(statSync(served.path).mode & 0o777, 0o600);
});

it('tells signals of one worker and of the owner to the others', async () => {
  await using served = await serve();
  const [one, two] = [await served.worker(), await served.worker()];
  const heard: string[] = [];
  let wake = (): void => {};
  const listen = (engine: Engine, name: string): (() => void) =>
    engine.subscribe('t', () => {
      heard.push(name);
      wake();
    });
  const whenHeard = async (count: number): Promise<void> => {
    while (heard.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  listen(one, 'one');
  const stop = listen(two, 'two');
  // Answered after the subscriptions, which came before it.
  await Promise.all([one.get(bytes('a')), two.get(bytes('a'))]);
  await one.commit({ puts: [put('a', '1')], signals: ['t'] });
  await whenHeard(2);
  assert.deepEqual(heard.toSorted(), ['one', 'two']);
  stop();
  await two.get(bytes('a'));
  await served.owned.commit({ signals: ['t', 'u'] });
  await whenHeard(3);
  await two.get(bytes('a'));
  assert.deepEqual(heard.slice(2), ['one']);
});

it('ends the snapshots of a worker that goes', async () => {
  let released = 0;
  await using served = await serve((owned) => {
    const take = owned.snapshot.bind(owned);
    return {
      snapshot: async () => {
        const snapshot = await take();
        const release = snapshot.release.bind(snapshot);
        snapshot.release = async () => {
          released++;
          await release();
        };
        return snapshot;
      },
    };
  });
  const [one, two] = [await served.worker(), await served.worker()];
  await one.snapshot();
  await one.snapshot();
  await one.close();
  while (served.server.connections > 1) await two.get(bytes('a'));
  assert.equal(released, 2);
});

/** Commits end when the test says so. */
function heldCommits() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: held, reject } = Promise.withResolvers<GroupOutcome>();
  const commitPacked = (): Promise<GroupOutcome> => {
    begin();
    return held;
  };
  return { change: () => ({ commitPacked }), begun, end: reject };
}

it('says of a commit that was under way when the connection went that its outcome is unknown', async () => {
  const { change, begun, end } = heldCommits();
  await using served = await serve(change);
  const { promise: lost, resolve } = Promise.withResolvers<Error>();
  const worker = await served.worker(resolve);
  const commit = worker.commit({ puts: [put('a', '1')] });
  await begun;
  const rejected = assert.rejects(commit, UnknownOutcomeFault);
  await served.server.close();
  await rejected;
  assert.ok((await lost) instanceof Fault);
  for (const after of [worker.commit({}), worker.get(bytes('a')), worker.snapshot()])
    await assert.rejects(after, (error) => error instanceof Fault && !(error instanceof UnknownOutcomeFault));
  end(new Error('too late'));
});

it('looks for rows that are never changed in the file first, and asks for those that are not there', async () => {
  await using served = await serve();
  await served.owned.commit({ puts: [put('c1', 'new'), put('c2', 'two'), put('d1', 'other')] });
  const looked: string[] = [];
  let isClosed = false;
  const file = new Map([['c1', Buffer.from('one')]]);
  const worker = await openServedEngine({
    path: served.path,
    ...surroundings,
    file: new FileReads(
      new SettledRows(
        {
          find: (key) => {
            looked.push(Buffer.from(key).toString());
            return file.get(Buffer.from(key).toString());
          },
          [Symbol.asyncDispose]: async () => {
            isClosed = true;
          },
        },
        (key) => key[0] === 'c'.charCodeAt(0),
      ),
    ),
  });
  const texts = (values: readonly (Uint8Array | undefined)[]) =>
    values.map((value) => value && Buffer.from(value).toString());
  const read = async (...keys: string[]) => texts(await worker.getMany(keys.map(bytes)));
  assert.deepEqual(await read('c2', 'c1', 'c3', 'c1'), ['two', 'one', undefined, 'one']);
  assert.deepEqual(texts(await Promise.all(['c1', 'c2', 'd1'].map((key) => worker.get(bytes(key))))), [
    'one',
    'two',
    'other',
  ]);
  assert.deepEqual(await read('d1', 'd2'), ['other', undefined]);
  assert.deepEqual(await read(), []);
  assert.deepEqual(looked, ['c2', 'c1', 'c3', 'c1', 'c1', 'c2']);
  // A snapshot is of one moment, which the file's is not.
  await using snapshot = await worker.snapshot();
  assert.deepEqual(texts(await snapshot.getMany([bytes('c1')])), ['new']);
  await worker.close();
  assert.ok(isClosed);
  await assert.rejects(worker.get(bytes('c1')), Fault);
});

it('brings refusals and faults as they are', async () => {
  for (const [thrown, isRight] of [
    [new MailError('storageFull', 'full'), (error: unknown) => isMailError(error, 'storageFull')],
    [new UnknownOutcomeFault('who knows'), (error: unknown) => error instanceof UnknownOutcomeFault],
    [
      new Fault('broken', { temporary: false }),
      (error: unknown) => error instanceof Fault && !error.temporary && error.message === 'broken',
    ],
  ] as const) {
    const { change, begun, end } = heldCommits();
    await using served = await serve(change);
    const worker = await served.worker();
    const rejected = assert.rejects(worker.commit({ puts: [put('a', '1')] }), (error) => isRight(error));
    await begun;
    end(thrown);
    await rejected;
  }
});

it('reads no more from a worker that does not take its answers, and serves the others', async () => {
  await using served = await serve();
  const value = Buffer.alloc(1024 * 1024, 'x');
  await served.owned.commit({ puts: [{ key: bytes('big'), value }] });
  let reads = 0;
  const get = served.owned.get.bind(served.owned);
  served.owned.get = (key) => {
    reads++;
    return get(key);
  };
  const socket = connect(served.path);
  const asked = 1000;
  const request = Buffer.alloc(9 + 8 + 3);
  request.writeUInt32LE(11, 0);
  request[4] = 1;
  request.writeUInt32LE(3, 13);
  request.write('big', 17);
  socket.pause();
  socket.write(Buffer.concat(Array.from({ length: asked }, () => request)));
  const other = await served.worker();
  const seen = (): number => reads;
  while (seen() === 0)
    await other.page({ start: bytes('a'), end: bytes('b') }, { entriesMax: 1, bytesMax: 1 });
  for (let turn = 0; turn < 20; turn++) assert.equal((await other.get(bytes('big')))?.length, value.length);
  assert.ok(reads < asked / 2, `${reads} of ${asked} read into memory`);
  // It goes on when they are taken.
  let taken = 0;
  const { promise: all, resolve } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    taken += chunk.length;
    if (taken === asked * (9 + 4 + value.length)) resolve();
  });
  socket.resume();
  await all;
  socket.destroy();
});
