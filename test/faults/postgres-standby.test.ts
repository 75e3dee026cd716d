// Durability `standby`: a commit counts when a synchronous standby has it. Without one commits are refused, unless the operator
// has allowed running alone; a standby that says nothing leaves a commit unknown, never acknowledged.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import type { Engine } from '../../src/storage/engine.ts';
import {
  openPostgresEngine,
  type PostgresEngineOptions,
} from '../../src/storage/postgres/postgres-engine.ts';
import { UnknownOutcomeFault } from '../../src/storage/unknown-outcome.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

const committed = { outcome: 'committed' };

function openAt(url: string, options: Partial<PostgresEngineOptions> = {}): Promise<Engine> {
  return openPostgresEngine({
    url,
    durability: 'standby',
    commitLimitMs: 500,
    awayLimitMs: 1500,
    log: silentLog,
    clock: systemClock,
    ...options,
  });
}

const put = (engine: Engine, key: string) =>
  engine.commit({ puts: [{ key: Buffer.from(key), value: Buffer.from('x') }] });
const isRefused = (error: unknown): boolean => isMailError(error, 'unavailable');

async function attached(server: PostgresServer, state: string | undefined): Promise<void> {
  for (;;) {
    const rows = await server.query('SELECT sync_state FROM pg_stat_replication');
    if (rows[0]?.sync_state === state) return;
  }
}

async function standbyHas(standby: PostgresServer, url: string, key: string): Promise<boolean> {
  const own = url.replace(/:\d+\//, `:${standby.port}/`);
  const rows = await standby.query(
    `SELECT FROM rookery.kv WHERE key = '\\x${Buffer.from(key).toString('hex')}'`,
    own,
  );
  return rows.length === 1;
}

it('acknowledges what a standby has, and refuses when none is there', {
  skip: missingPostgres(),
  timeout: 60_000,
}, async () => {
  // remote_apply: so that the test can read on the standby what was acknowledged.
  await using server = await PostgresServer.start({ settings: ['synchronous_commit=remote_apply'] });
  const url = await server.makeDatabase();
  // Not even an empty store is made without one.
  await assert.rejects(openAt(url), isRefused);

  await using standby = await server.startStandby('mirror');
  await server.set('synchronous_standby_names', 'mirror');
  await attached(server, 'sync');
  await using store = await openAt(url);
  const [mirror] = (await store.health!()).standbys;
  assert.deepEqual([mirror?.name, mirror?.state, mirror?.isSynchronous], ['mirror', 'streaming', true]);
  assert.ok(mirror?.lagBytes !== null && mirror!.lagBytes >= 0);
  await using hardy = await openAt(url, { allowAlone: true });
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      assert.deepEqual(await put(store, `k${index}`), committed);
      assert.equal(await standbyHas(standby, url, `k${index}`), true);
    }),
  );

  // It is there and says nothing: nobody may say that the commit is safe.
  const silent = await standby.stopReceiving();
  for (const engine of [store, hardy]) await assert.rejects(put(engine, 'unknown'), UnknownOutcomeFault);
  process.kill(silent, 'SIGCONT');
  while ((await put(store, 'again').catch(() => undefined)) === undefined);
  assert.equal(await standbyHas(standby, url, 'again'), true);

  await standby.stop('SIGKILL');
  await attached(server, undefined);
  await assert.rejects(put(store, 'refused'), isRefused);
  assert.equal(await store.get(Buffer.from('refused')), undefined);
  assert.deepEqual(await put(hardy, 'alone'), committed);

  await standby.restart();
  await attached(server, 'sync');
  assert.deepEqual(await put(store, 'together'), committed);
  assert.deepEqual(
    await Promise.all(['alone', 'refused', 'together'].map((key) => standbyHas(standby, url, key))),
    [true, false, true],
  );

  // It says nothing and then is gone: what was sent to it meanwhile must not stand in the way of going on alone.
  const gone = await standby.stopReceiving();
  await assert.rejects(put(hardy, 'unknown'), UnknownOutcomeFault);
  await standby.stop('SIGKILL');
  process.kill(gone, 'SIGKILL');
  await attached(server, undefined);
  while ((await put(hardy, 'later').catch(() => undefined)) === undefined);
});

it('holds what waited for a standby that went until one is back, and goes on with what needs none', {
  skip: missingPostgres(),
  timeout: 120_000,
}, async () => {
  await using server = await PostgresServer.start({ settings: ['synchronous_commit=remote_apply'] });
  const url = await server.makeDatabase();
  await using standby = await server.startStandby('mirror');
  await server.set('synchronous_standby_names', 'mirror');
  await attached(server, 'sync');
  // By its limits alone no commit would ever be given up.
  const patient = { commitLimitMs: 600_000, awayLimitMs: 600_000 };
  await using store = await openAt(url, patient);
  await using hardy = await openAt(url, { ...patient, allowAlone: true });
  await put(store, 'before');

  const silent = await standby.stopReceiving();
  let isAcknowledged = false;
  const waiting = put(store, 'waiting').finally(() => {
    isAcknowledged = true;
  });
  const alone = put(hardy, 'alone');
  const waits = "SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
  while ((await server.query(waits)).length < 2);
  await standby.stop('SIGKILL');
  process.kill(silent, 'SIGKILL');
  assert.deepEqual(await alone, committed);
  const sign = () => ({
    puts: [{ key: Buffer.from('sign'), value: Buffer.from('x') }],
    withoutStandby: true,
  });
  const [refused, signed] = await Promise.allSettled([put(store, 'refused'), store.commit(sign())]);
  assert.ok(refused.status === 'rejected' && isRefused(refused.reason), JSON.stringify(refused));
  assert.deepEqual(signed, { status: 'fulfilled', value: committed });
  assert.equal(await store.get(Buffer.from('refused')), undefined);
  assert.notEqual(await store.get(Buffer.from('waiting')), undefined);
  assert.equal(isAcknowledged, false);

  await standby.restart();
  assert.deepEqual(await waiting, committed);
  assert.equal(await standbyHas(standby, url, 'waiting'), true);
  assert.deepEqual(await put(store, 'after'), committed);
});

it('opens where a standby is named and none is there: alone if that is allowed, else it says why not', {
  skip: missingPostgres(),
}, async () => {
  await using server = await PostgresServer.start();
  const [known, empty] = [await server.makeDatabase(), await server.makeDatabase()];
  await (await openAt(known, { durability: 'local' })).close();
  await server.set('synchronous_standby_names', 'absent');
  while ((await server.query('SHOW synchronous_standby_names'))[0]?.synchronous_standby_names !== 'absent');
  await assert.rejects(openAt(empty), isRefused);
  for (const url of [known, empty]) {
    await using hardy = await openAt(url, { allowAlone: true });
    for (const key of ['a', 'b', 'c']) assert.deepEqual(await put(hardy, key), committed);
  }
});
