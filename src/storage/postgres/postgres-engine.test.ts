// The PostgreSQL engine: the contract, and what is its own: nodes that race for the same rows, groups of which a part is
// refused, signals between nodes, the schema's version, snapshots that are held too many or too long.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from 'pg';
import { pino } from 'pino';
import { missingPostgres, PostgresServer } from '../../../test/postgres-server.ts';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { CommitResult, Engine } from '../engine.ts';
import { engineContract } from '../engine-contract.ts';
import { encodeEpoch, fenceFor, raiseEpoch } from '../fence.ts';
import { openPostgresEngine, type PostgresEngineOptions } from './postgres-engine.ts';

const skip = missingPostgres();
const rounds = 40;
let server: PostgresServer;

function openAt(url: string, options: Partial<PostgresEngineOptions> = {}): Promise<Engine> {
  return openPostgresEngine({ url, log: silentLog, clock: systemClock, ...options });
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });
const shard = 7 as ShardId;
const fence = (epoch: number) => fenceFor(shard, epoch as Epoch);
const committed: CommitResult = { outcome: 'committed' };

async function read(engine: Pick<Engine, 'get'>, key: string): Promise<string | undefined> {
  const value = await engine.get(bytes(key));
  return value === undefined ? undefined : Buffer.from(value).toString('latin1');
}

async function withTwo(run: (one: Engine, other: Engine, url: string) => Promise<void>): Promise<void> {
  const url = await server.makeDatabase();
  // At once: the schema is made by one of them.
  const [one, other] = await Promise.all([openAt(url), openAt(url)]);
  try {
    await run(one, other, url);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
}

async function heard(engine: Engine, topic: string, cause: () => Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = engine.subscribe(topic, resolve);
  await cause();
  await promise;
  stop();
}

/** Until so many of the database's connections wait for a row. */
async function lockWaits(url: string, count: number): Promise<void> {
  const text = `SELECT FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  while ((await server.query(text, url)).length < count);
}

describe('postgres', { skip }, () => {
  before(async () => {
    server = await PostgresServer.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  engineContract('postgres', async () => {
    const url = await server.makeDatabase();
    return { open: () => openAt(url), remove: async () => {}, durable: true };
  });

  it('says which server it is on and what its standbys have', async () => {
    const engine = await openAt(await server.makeDatabase());
    try {
      const alone = await engine.health!();
      assert.deepEqual([alone.server, alone.standbys], [`127.0.0.1:${server.port}`, []]);
      assert.match(alone.version, /^\d+(\.\d+)?/);
    } finally {
      await engine.close();
    }
  });

  it('says so when its role may not see standbys, until it may', async () => {
    const url = new URL(await server.makeDatabase());
    await server.query('CREATE ROLE lowly LOGIN');
    await server.query(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO lowly`);
    url.username = 'lowly';
    const engine = await openAt(url.href);
    try {
      const { role, maySeeStandbys } = await engine.health!();
      assert.deepEqual([role, maySeeStandbys], ['lowly', false]);
      await server.query('GRANT pg_monitor TO lowly');
      assert.equal((await engine.health!()).maySeeStandbys, true);
    } finally {
      await engine.close();
    }
  });

  it('says what its commits wait for: the disk at the least, whatever the server has by default', async () => {
    const url = await server.makeDatabase();
    await server.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`);
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line) => lines.push(line) });
    await using _local = await openAt(url, { log });
    assert.match(
      lines[0]!,
      /"durability":"local",.*"synchronousCommit":"on","msg":"the store is in PostgreSQL"/,
    );
    assert.match(lines[1]!, /"msg":"synchronous_commit is off on the server; our commits use on"/);
    assert.equal(lines.length, 2);
    for (const [allowAlone, follows] of [
      [true, /names none \(synchronous_standby_names\): mail is on one machine only"/],
      [false, /: nothing is written until there is one, unless storage\.postgres\.allow_alone is true"/],
    ] as const) {
      lines.length = 0;
      await (await openAt(url, { log, durability: 'standby', allowAlone })).close();
      assert.match(lines[2]!, follows);
    }
  });

  it('lets nothing of an epoch in once another node has raised it', async () => {
    await withTwo(async (owner, successor) => {
      const first = raiseEpoch(shard, undefined, 1 as Epoch);
      await owner.commit({ conditions: [first.condition], puts: [first.put] });
      const results: CommitResult[] = [];
      let isRaised = false;
      const writer = async (name: number): Promise<void> => {
        for (let turn = 0; ; turn++) {
          const startedAfter = isRaised;
          const result = await owner.commit({ fence: fence(1), puts: [put(`w${name}/${turn}`, 'x')] });
          results.push(result);
          assert.equal(
            await read(owner, `w${name}/${turn}`),
            result.outcome === 'committed' ? 'x' : undefined,
          );
          if (startedAfter) {
            assert.equal(result.outcome, 'fenced');
            return;
          }
        }
      };
      const writers = Array.from({ length: 8 }, (_, name) => writer(name));
      await successor.commit({ puts: [put('some', 'time')] });
      const raised = raiseEpoch(shard, encodeEpoch(1 as Epoch), 2 as Epoch);
      assert.deepEqual(
        await successor.commit({ conditions: [raised.condition], puts: [raised.put] }),
        committed,
      );
      isRaised = true;
      // What the successor sees now is all there will ever be.
      const range = { start: bytes('w'), end: bytes('x') };
      const limits = { entriesMax: 10_000, bytesMax: 1e9 };
      const seen = await successor.page(range, limits);
      await Promise.all(writers);
      assert.equal(results.filter((result) => result.outcome === 'committed').length, seen.entries.length);
      assert.equal((await successor.page(range, limits)).entries.length, seen.entries.length);
    });
  });

  it('lets a raise of the epoch wait for a commit that went by the old one', async () => {
    await withTwo(async (owner, successor, url) => {
      const first = raiseEpoch(shard, undefined, 1 as Epoch);
      await owner.commit({ conditions: [first.condition], puts: [first.put, put('slow', 'before')] });
      const blocker = new Client({ connectionString: url });
      await blocker.connect();
      await blocker.query('BEGIN');
      await blocker.query("SELECT FROM rookery.kv WHERE key = 'slow' FOR UPDATE");
      const late = owner.commit({ fence: fence(1), puts: [put('slow', 'late')] });
      await lockWaits(url, 1);
      const raised = raiseEpoch(shard, encodeEpoch(1 as Epoch), 2 as Epoch);
      const raise = successor
        .commit({ conditions: [raised.condition], puts: [raised.put] })
        .then(() => read(successor, 'slow'));
      await Promise.race([raise, lockWaits(url, 2)]);
      await blocker.query('ROLLBACK');
      await blocker.end();
      assert.deepEqual(await late, committed);
      assert.equal(await raise, 'late');
    });
  });

  it('commits apart while the connection for other commits hangs', async () => {
    const url = await server.makeDatabase();
    const engine = await openAt(url);
    try {
      const text = `SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'rookery commit %'`;
      const [connection] = await server.query(text, url);
      const { pid } = connection as { pid: number };
      process.kill(pid, 'SIGSTOP');
      const hung = engine.commit({ puts: [put('hung', 'yes')] });
      try {
        for (const beat of ['1', '2']) {
          assert.deepEqual(await engine.commitApart!({ puts: [put('beat', beat)] }), committed);
          assert.equal(await read(engine, 'beat'), beat);
        }
        assert.equal(await read(engine, 'hung'), undefined);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      assert.deepEqual(await hung, committed);
    } finally {
      await engine.close();
    }
  });

  it('counts every change once when two nodes race for a row', async () => {
    await withTwo(async (one, other) => {
      await one.commit({ puts: [put('counter', '0')] });
      const raise = async (engine: Engine): Promise<void> => {
        for (let raised = 0; raised < rounds; ) {
          const value = (await read(engine, 'counter'))!;
          const result = await engine.commit({
            conditions: [{ key: bytes('counter'), expected: bytes(value) }],
            puts: [put('counter', String(Number(value) + 1))],
          });
          if (result.outcome === 'committed') raised++;
        }
      };
      await Promise.all([raise(one), raise(other), raise(one), raise(other)]);
      assert.equal(await read(one, 'counter'), String(4 * rounds));
    });
  });

  it('lets one node win a row that is not there', async () => {
    await withTwo(async (one, other) => {
      for (let round = 0; round < rounds; round++) {
        const key = `k${round}`;
        const take = (engine: Engine, name: string) =>
          engine.commit({ conditions: [{ key: bytes(key), expected: undefined }], puts: [put(key, name)] });
        const results = await Promise.all([take(one, 'one'), take(other, 'other')]);
        const winners = results.map((result) => result.outcome === 'committed');
        assert.notEqual(winners[0], winners[1], JSON.stringify(results));
        assert.equal(await read(one, key), winners[0] ? 'one' : 'other');
      }
    });
  });

  it('lets two nodes not both act on what the other one changes', async () => {
    await withTwo(async (one, other) => {
      let wins = 0;
      for (let round = 0; round < rounds; round++) {
        const act = (engine: Engine, absent: string, made: string) =>
          engine.commit({
            conditions: [{ key: bytes(`${absent}${round}`), expected: undefined }],
            puts: [put(`${made}${round}`, 'x')],
          });
        const results = await Promise.all([act(one, 'a', 'b'), act(other, 'b', 'a')]);
        const won = results.filter((result) => result.outcome === 'committed').length;
        assert.ok(won <= 1, JSON.stringify(results));
        wins += won;
        // What only held a place is gone.
        const rows = await one.getMany([bytes(`a${round}`), bytes(`b${round}`)]);
        assert.equal(rows.filter((row) => row !== undefined).length, won);
      }
      assert.ok(wins > 0);
    });
  });

  it('refuses of a group what must be refused and applies the rest, in order', async () => {
    await withTwo(async (engine) => {
      const row = raiseEpoch(shard, undefined, 3 as Epoch);
      await engine.commit({ puts: [row.put, put('there', '1')] });
      const results = await Promise.all([
        engine.commit({ fence: fence(3), puts: [put('a', '1')] }),
        engine.commit({ fence: fence(2), puts: [put('b', '1')] }),
        engine.commit({ conditions: [{ key: bytes('b'), expected: bytes('1') }], puts: [put('c', '1')] }),
        engine.commit({ conditions: [{ key: bytes('a'), expected: bytes('1') }], puts: [put('a', '2')] }),
        engine.commit({ conditions: [{ key: bytes('there'), expected: undefined }], puts: [put('d', '1')] }),
        engine.commit({ deleteRanges: [{ start: bytes('a'), end: bytes('b') }], puts: [put('e', '1')] }),
        engine.commit({ conditions: [{ key: bytes('a'), expected: undefined }], puts: [put('a', '3')] }),
        engine.commit({ fence: fence(2), conditions: [{ key: bytes('no'), expected: bytes('1') }] }),
      ]);
      assert.deepEqual(
        results.map((result) => result.outcome),
        ['committed', 'fenced', 'conflict', 'committed', 'conflict', 'committed', 'committed', 'fenced'],
      );
      const rows = await engine.page({ start: bytes('a'), end: bytes('f') }, { entriesMax: 9, bytesMax: 99 });
      assert.deepEqual(
        rows.entries.map(({ key, value }) => `${key}=${value}`),
        ['a=3', 'e=1'],
      );
    });
  });

  it('waits for a row that stays locked once with the group and once with its batch', async () => {
    await withTwo(async (engine, _, url) => {
      await engine.commit({ puts: [put('stuck', '1')] });
      const blocker = new Client({ connectionString: url });
      await blocker.connect();
      await blocker.query('BEGIN');
      await blocker.query("SELECT FROM rookery.kv WHERE key = 'stuck' FOR UPDATE");
      const before = (await engine.statistics()).commits;
      const results = await Promise.allSettled([
        engine.commit({ puts: [put('before', '1')] }),
        engine.commit({ puts: [put('stuck', '2')] }),
        engine.commit({ puts: [put('behind', '1')] }),
      ]);
      await blocker.query('ROLLBACK');
      await blocker.end();
      const outcomes = results.map((result) =>
        result.status === 'fulfilled' ? result.value : result.reason,
      );
      assert.deepEqual([outcomes[0], outcomes[2]], [committed, committed]);
      assert.ok(outcomes[1] instanceof Fault && outcomes[1].temporary, String(outcomes[1]));
      assert.match(String(outcomes[1].cause), /55P03/);
      // The group, its three batches, and the last of them again, which could not go before the one that waited.
      assert.equal((await engine.statistics()).commits - before, 5);
      assert.deepEqual(await read(engine, 'stuck'), '1');
      assert.deepEqual(await engine.commit({ puts: [put('stuck', '3')] }), committed);
    });
  });

  it('tells other nodes, and after the line was cut tells everything', async () => {
    await withTwo(async (one, other, url) => {
      await heard(other, 'directory', () => one.commit({ puts: [put('a', '1')], signals: ['directory'] }));
      // Too many for one message, and one that no message can carry.
      const many = Array.from({ length: 3000 }, (_, index) => `account/${index}/changed`);
      await heard(other, many[2999]!, () => one.commit({ signals: many }));
      await heard(other, 'odd\ntopic', () => one.commit({ signals: ['odd\ntopic'] }));
      await heard(other, 'nobody signalled this', () =>
        server.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rookery signal %'",
          url,
        ),
      );
    });
  });

  it('refuses a schema of a newer version, and leaves it alone', async () => {
    const url = await server.makeDatabase();
    await (await openAt(url)).close();
    await server.query('UPDATE rookery.version SET version = 99', url);
    await assert.rejects(openAt(url), /schema has version 99; this Rookery knows up to 1: start a newer one/);
    assert.deepEqual(await server.query('SELECT version FROM rookery.version', url), [{ version: 99 }]);
  });

  it('tries the hosts of the URL in order', async () => {
    const url = await server.makeDatabase();
    const two = url.replace('@', '@127.0.0.1:1,');
    await using engine = await openAt(`${two}?target_session_attrs=read-write`);
    assert.deepEqual(await engine.commit({ puts: [put('a', '1')] }), committed);
    await assert.rejects(
      openAt(url.replace(/:\d+\//, ':1/')),
      /no PostgreSQL server takes writes: 127.0.0.1:1: /,
    );
  });

  it('passes over a server that is read-only by default', async () => {
    const [readOnly, writable] = [await server.makeDatabase(), await server.makeDatabase()];
    await server.query(
      `ALTER DATABASE ${new URL(readOnly).pathname.slice(1)} SET default_transaction_read_only = on`,
    );
    await assert.rejects(openAt(readOnly), /it takes no writes: default_transaction_read_only is on/);
    // The same server stands for two: what a database says is what its connections find.
    await using engine = await openAt(writable);
    assert.deepEqual(await engine.commit({ puts: [put('a', '1')] }), committed);
  });

  it('bounds how many snapshots are held, and how long', async () => {
    const timers = new Map<number, () => void>();
    const clock: Clock = {
      ...systemClock,
      after(delayMs, callback) {
        if (delayMs === 1234) timers.set(delayMs, callback);
        return systemClock.after(delayMs, callback);
      },
    };
    const url = await server.makeDatabase();
    await using engine = await openAt(url, { clock, snapshotsMax: 1, snapshotAgeMsMax: 1234 });
    const old = await engine.snapshot();
    let isTaken = false;
    const next = engine.snapshot().then((snapshot) => {
      isTaken = true;
      return snapshot;
    });
    await engine.commit({ puts: [put('a', '1')] });
    assert.equal(await read(old, 'a'), undefined);
    assert.equal(isTaken, false);
    timers.get(1234)!();
    await assert.rejects(old.get(bytes('a')), /lived too long/);
    await old.release();
    assert.equal(await read(await next, 'a'), '1');
    await (await next).release();
  });
});
