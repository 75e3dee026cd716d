// A failover behind one address (a floating one, a name, a proxy): the old server still answers those that are connected to it,
// and takes writes. Once a node's commits go to the new server, so does everything else: it reads what it wrote and hears
// the other nodes; and each node knows whether that server lacks what it had been told was durable.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Engine, Reader } from '../../src/storage/engine.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

const key = Buffer.from('k');

function openAt(url: string): Promise<Engine> {
  return openPostgresEngine({ url, log: silentLog, clock: systemClock });
}

async function write(engine: Engine, value: string): Promise<void> {
  const result = await engine.commit({ puts: [{ key, value: Buffer.from(value) }] });
  assert.deepEqual(result, { outcome: 'committed' });
}

async function read(reader: Pick<Reader, 'get'>): Promise<string> {
  return Buffer.from((await reader.get(key))!).toString();
}

/** By a snapshot of this moment. */
async function look(engine: Engine): Promise<string> {
  await using snapshot = await engine.snapshot();
  return await read(snapshot);
}

/** The port of an address that leads where `target` says when somebody connects. */
async function openAddress(target: () => number, opened: AsyncDisposableStack): Promise<number> {
  const address = createServer((near) => {
    const far = connect(target(), '127.0.0.1');
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await once(address.listen(0, '127.0.0.1'), 'listening');
  opened.defer(() => void address.close());
  const bound = address.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

it('leaves the old server altogether when another one takes its address', {
  skip: missingPostgres(),
  timeout: 120_000,
}, async () => {
  await using opened = new AsyncDisposableStack();
  await using old = await PostgresServer.start();
  await using next = await old.startStandby('next');
  const url = await old.makeDatabase();
  const at = (port: number): string => url.replace(/:\d+\//, `:${port}/`);
  let target = old.port;
  await using engine = await openAt(at(await openAddress(() => target, opened)));
  await write(engine, 'before');
  assert.deepEqual([await read(engine), await look(engine)], ['before', 'before']);

  const { lsn } = (await old.query('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!;
  while ((await next.query(`SELECT WHERE pg_last_wal_replay_lsn() >= '${lsn}'`)).length === 0);
  await next.query('SELECT pg_promote()');
  target = next.port;
  await old.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'rookery commit %'",
  );

  await write(engine, 'after');
  assert.deepEqual([await read(engine), await look(engine)], ['after', 'after']);
  await using neighbour = await openAt(at(next.port));
  let isHeard = false;
  engine.subscribe('topic', () => {
    isHeard = true;
  });
  // The first ones may come before it listens there; that it listens is told by a signal of everything.
  while (!isHeard) await neighbour.commit({ signals: ['topic'] });
  isHeard = false;
  await neighbour.commit({ signals: ['topic'] });
  while (!isHeard) await systemClock.nextTurn();
});

it('knows that the next server lacks what it had acknowledged, by whichever of its commits that was', {
  skip: missingPostgres(),
  timeout: 120_000,
}, async () => {
  await using opened = new AsyncDisposableStack();
  await using old = await PostgresServer.start();
  await using next = await old.startStandby('next');
  const url = await old.makeDatabase();
  const at = (port: number): string => url.replace(/:\d+\//, `:${port}/`);
  let target = old.port;
  const address = at(await openAddress(() => target, opened));
  await using loser = await openAt(address);
  await using neighbour = await openAt(address);
  const reverted: string[] = [];
  loser.onReverted?.(() => reverted.push('loser'));
  neighbour.onReverted?.(() => reverted.push('neighbour'));
  await write(loser, 'there');
  await neighbour.commit({ puts: [{ key: Buffer.from('n'), value: Buffer.from('there') }] });
  const { lsn } = (await old.query('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!;
  while ((await next.query(`SELECT WHERE pg_last_wal_replay_lsn() >= '${lsn}'`)).length === 0);
  await next.stop();
  await write(loser, 'lost');
  await old.stop('SIGKILL');
  await next.restart();
  await next.query('SELECT pg_promote()');
  target = next.port;

  await neighbour.commit({ puts: [{ key: Buffer.from('n'), value: Buffer.from('after') }] });
  // What it had decided before it knew is refused; then it goes on.
  while (reverted.length === 0) await write(loser, 'after').catch(() => systemClock.nextTurn());
  assert.deepEqual(reverted, ['loser']);
  await write(loser, 'after');
  assert.equal(await read(neighbour), 'after');
});
