// Connections that read and hang for good, nobody being told: what they were asked is asked again on others while they still hang, and
// a snapshot on one fails soon. A server that is at work, or that is frozen as a whole, is asked nothing twice.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { Fault } from '../../src/base/fault.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Engine } from '../../src/storage/engine.ts';
import {
  openPostgresEngine,
  type PostgresEngineOptions,
} from '../../src/storage/postgres/postgres-engine.ts';
import { PostgresRelay } from '../postgres-relay.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

const skip = missingPostgres();
const timeout = 60_000;
const limits = { entriesMax: 10, bytesMax: 1_000_000 };
const rows = 200;
/** As many as the engine opens. */
const readConnections = 4;
let server: PostgresServer;

const key = (row: number): Buffer => Buffer.from(`row/${String(row).padStart(3, '0')}`);
const value = (row: number): string => `value ${row}`;

async function read(engine: Pick<Engine, 'get'>, row: number): Promise<string> {
  return String(await engine.get(key(row)));
}

/** A request of its own: keys share one. */
async function page(engine: Pick<Engine, 'page'>, row: number): Promise<string[]> {
  const { entries } = await engine.page({ start: key(row), end: key(row + 2) }, limits);
  return entries.map((entry) => String(entry.value));
}

const pageOf = (row: number): string[] => [row, row + 1].filter((each) => each < rows).map(value);

interface Opened extends AsyncDisposable {
  readonly engine: Engine;
  readonly relay: PostgresRelay;
  readonly direct: string;
}

async function open(options: Partial<PostgresEngineOptions> = {}): Promise<Opened> {
  const relay = await PostgresRelay.open(server.port);
  const direct = await server.makeDatabase();
  const engine = await openPostgresEngine({
    url: relay.url(direct),
    log: silentLog,
    clock: systemClock,
    ...options,
  });
  const puts = Array.from({ length: rows }, (_, row) => ({ key: key(row), value: Buffer.from(value(row)) }));
  await engine.commit({ puts });
  const dispose = async (): Promise<void> => {
    await engine.close();
    await relay[Symbol.asyncDispose]();
  };
  return { engine, relay, direct, [Symbol.asyncDispose]: dispose };
}

async function processes(direct: string, purpose: string): Promise<number[]> {
  const text = `SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'rookery ${purpose} %'`;
  return (await server.query(text, direct)).map(({ pid }) => Number(pid));
}

/** The pages of the first rows, asked for one a turn: those of one turn would share a connection. */
async function pages(engine: Engine, count: number): Promise<Promise<string[]>[]> {
  const reads: Promise<string[]>[] = [];
  for (let row = 0; row < count; row++) {
    reads.push(page(engine, row));
    await systemClock.nextTurn();
  }
  return reads;
}

async function assertPages(reads: readonly Promise<string[]>[]): Promise<void> {
  for (const [row, found] of (await Promise.all(reads)).entries()) assert.deepEqual(found, pageOf(row));
}

/** Until there are as many connections that read as there may be. */
async function openAllReaders({ engine, direct }: Opened): Promise<number[]> {
  for (;;) {
    await assertPages(await pages(engine, 20));
    const found = await processes(direct, 'read');
    if (found.length === readConnections) return found;
  }
}

function asked(relay: PostgresRelay, wanted: string): number {
  return relay.asked.filter(({ statement }) => statement === wanted).length;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await systemClock.sleep(20);
}

function isTemporary(error: unknown): boolean {
  return error instanceof Fault && error.temporary;
}

describe('silent reads', { skip }, () => {
  before(async () => {
    server = await PostgresServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  for (const way of ['requests', 'answers'] as const) {
    it(`are asked again elsewhere when their connection carries no ${way} any more`, {
      timeout,
    }, async () => {
      const lines: string[] = [];
      const log = pino({ base: null, level: 'warn' }, { write: (line) => lines.push(line) });
      await using opened = await open({ log });
      const { engine, relay } = opened;
      await read(engine, 0);
      relay.asked = [];
      const held = relay.holdAt('get', way);
      const reads = [read(engine, 1), read(engine, 2), read(engine, rows)];
      await held;
      assert.deepEqual(await Promise.all(reads), [value(1), value(2), 'undefined']);
      assert.equal(asked(relay, 'get'), 2);
      const { hungConnections, repeatedReads } = engine.statistics();
      assert.deepEqual([hungConnections, repeatedReads], [1, 1]);
      assert.match(
        lines.join(''),
        /"purpose":"read",.*"pending":1,"msg":"a connection to the database hung and is left"/,
      );
      await until(() => relay.held === 0);
    });
  }

  it('close what hung: an answer that comes late after all is nobody’s', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay } = opened;
    await openAllReaders(opened);
    const held = relay.holdAt('page', 'answers');
    const first = page(engine, 7);
    await held;
    // Others go on meanwhile, on the other connections.
    for (let row = 0; row < 20; row++) assert.deepEqual(await page(engine, row), pageOf(row));
    assert.deepEqual(await first, pageOf(7));
    relay.letGo();
    for (let row = 0; row < rows; row++) assert.deepEqual(await page(engine, row), pageOf(row));
    assert.equal(engine.statistics().repeatedReads, 1);
  });

  it('cost one wait when all connections hang, however many there are', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay } = opened;
    await openAllReaders(opened);
    relay.holdAll();
    relay.asked = [];
    assert.equal(await read(engine, 3), value(3));
    // Those that idled beside it were not waited for.
    for (let row = 0; row < 20; row++) assert.deepEqual(await page(engine, row), pageOf(row));
    assert.equal(engine.statistics().repeatedReads, 1);
    assert.equal(engine.statistics().hungConnections, 1);
  });

  it('are asked once more, no more, when many wait on connections that hang', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay } = opened;
    await openAllReaders(opened);
    relay.holdAll();
    relay.asked = [];
    await assertPages(await pages(engine, rows));
    // What was held before it was asked is not seen here: these are the repeats.
    assert.equal(asked(relay, 'page'), rows);
    assert.ok(engine.statistics().repeatedReads! <= rows);
    // One looks after all that read; the connection that commits asks nothing.
    assert.ok(asked(relay, 'look') <= 2 * readConnections, `${asked(relay, 'look')} looks`);
  });

  it('give up with a temporary fault when each new connection hangs too', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay } = opened;
    await read(engine, 0);
    relay.asked = [];
    relay.holdAlwaysAt('page');
    await assert.rejects(page(engine, 1), (error) => isTemporary(error) && /hang/.test(String(error)));
    assert.equal(asked(relay, 'page'), 4);
    await until(() => relay.held === 0);
    relay.letGo();
    assert.deepEqual(await page(engine, 1), pageOf(1));
  });

  it('go elsewhere when the process of the server that is to answer stopped', { timeout }, async () => {
    await using opened = await open();
    const { engine, direct } = opened;
    const pids = await openAllReaders(opened);
    try {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await assertPages(await pages(engine, 40));
      const { repeatedReads, hungConnections } = engine.statistics();
      assert.ok(repeatedReads! > 0 && repeatedReads! <= 40, `${repeatedReads} repeats`);
      assert.ok(hungConnections! <= readConnections, `${hungConnections} left`);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await until(async () => !(await processes(direct, 'read')).some((pid) => pids.includes(pid)));
  });

  it('wait for a server that is frozen as a whole', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay, direct } = opened;
    await openAllReaders(opened);
    const all = await processes(direct, '%');
    const { connections } = relay;
    relay.asked = [];
    process.kill(server.pid, 'SIGSTOP');
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    try {
      const reads = await pages(engine, 40);
      // Somebody looks, and is not answered.
      await until(() => relay.connections > connections);
      for (const pid of all) process.kill(pid, 'SIGCONT');
      await assertPages(reads);
    } finally {
      for (const pid of [...all, server.pid]) process.kill(pid, 'SIGCONT');
    }
    assert.equal(asked(relay, 'page'), 40);
    const { repeatedReads, hungConnections } = engine.statistics();
    assert.deepEqual([repeatedReads, hungConnections], [0, 0]);
  });

  it('wait for a server that is at work', { timeout }, async () => {
    await using opened = await open();
    const { engine, relay, direct } = opened;
    await openAllReaders(opened);
    await server.query(slowly, direct);
    relay.asked = [];
    const slow = await pages(engine, 12);
    const isOver = Promise.race(slow).then(() => true);
    const looks = (): number => asked(relay, 'look');
    while (looks() < 2 * readConnections)
      assert.notEqual(await Promise.race([isOver, systemClock.sleep(20)]), true, 'it was not slow');
    await server.query('INSERT INTO public.opened VALUES (1)', direct);
    await assertPages(slow);
    assert.equal(asked(relay, 'page'), 12);
    assert.equal(engine.statistics().repeatedReads, 0);
    assert.equal(engine.statistics().hungConnections, 0);
  });

  it('of a snapshot fail soon, and it is given back once', { timeout }, async () => {
    await using opened = await open({ snapshotsMax: 1 });
    const { engine, relay } = opened;
    const snapshot = await engine.snapshot();
    assert.equal(await read(snapshot, 1), value(1));
    const held = relay.holdAt('page', 'answers');
    const hung = assert.rejects(page(snapshot, 1), isTemporary);
    await held;
    await hung;
    assert.equal(engine.statistics().hungConnections, 1);
    relay.letGo();
    await assert.rejects(read(snapshot, 1), isTemporary);
    await Promise.all([snapshot.release(), snapshot.release()]);
    // Whoever wanted it begins anew. There is one place, not two.
    const again = await engine.snapshot();
    assert.deepEqual(await page(again, 1), pageOf(1));
    const events: string[] = [];
    const next = engine.snapshot().then((taken) => {
      events.push('taken');
      return taken;
    });
    for (let row = 0; row < 20; row++) await read(engine, row);
    events.push('released');
    await again.release();
    await (await next).release();
    assert.deepEqual(events, ['released', 'taken']);
  });

  it('begin a snapshot on a new connection when those that waited for the next one hang', {
    timeout,
  }, async () => {
    await using opened = await open();
    const { engine, relay, direct } = opened;
    const taken = await Promise.all(Array.from({ length: 4 }, () => engine.snapshot()));
    for (const snapshot of taken) await snapshot.release();
    // Their last answers are there.
    const idle = `SELECT FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'rookery snapshot %' AND state = 'idle'`;
    await until(async () => (await server.query(idle, direct)).length === taken.length);
    await read(engine, 0);
    relay.holdAll();
    const snapshot = await engine.snapshot();
    assert.equal(engine.statistics().hungConnections, 1);
    assert.deepEqual(await page(snapshot, 5), pageOf(5));
    await snapshot.release();
  });
});

/** A read takes until somebody says so. */
const slowly = `CREATE TABLE public.opened (opened integer);
CREATE FUNCTION public.wait() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN
  WHILE NOT EXISTS (SELECT FROM public.opened) LOOP PERFORM pg_sleep(0.02); END LOOP;
  RETURN true;
END $$;
ALTER TABLE rookery.kv RENAME TO kept;
CREATE VIEW rookery.kv AS SELECT key, value FROM rookery.kept WHERE public.wait();`;
