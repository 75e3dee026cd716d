// One commit is one round trip, counted on the wire: a group of many accounts' batches carries all of their fences, conditions, ranges,
// deletes and puts in one request, and asks nothing before or after it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Asked, PostgresRelay } from '../../../test/postgres-relay.ts';
import { missingPostgres, PostgresServer } from '../../../test/postgres-server.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Batch, Engine } from '../engine.ts';
import { fenceFor, raiseEpoch } from '../fence.ts';
import { openPostgresEngine } from './postgres-engine.ts';
import type { Durability } from './postgres-writer.ts';

const skip = missingPostgres();
const committed = { outcome: 'committed' };
const accounts = 64;
const shards = 8;
const epoch = 3 as Epoch;
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What a delivery or a STORE is to the engine, and a range as of an expunge. */
function change(account: number, round: number): Batch {
  const name = String(account).padStart(3, '0');
  const state = bytes(`${name}/state`);
  return {
    fence: fenceFor((account % shards) as ShardId, epoch),
    conditions: [
      { key: state, expected: round === 0 ? undefined : bytes(`state ${round - 1}`) },
      { key: bytes(`${name}/message${round}`), expected: undefined },
    ],
    deleteRanges: [{ start: bytes(`${name}/old${round}`), end: bytes(`${name}/old${round}~`) }],
    deletes: [bytes(`${name}/message${round - 1}`)],
    puts: [
      { key: state, value: bytes(`state ${round}`) },
      { key: bytes(`${name}/message${round}`), value: Buffer.alloc(4096, round) },
    ],
  };
}

/** Asked by readers and signals, on connections of their own. */
const elsewhere = new Set(['get', 'page', 'query', 'listen', 'notify', 'ping']);

describe('round trips', { skip }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await PostgresServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  async function open(relay: PostgresRelay, durability: Durability): Promise<Engine> {
    const url = relay.url(await server.makeDatabase());
    const engine = await openPostgresEngine({ url, durability, log: silentLog, clock: systemClock });
    for (let shard = 0; shard < shards; shard++)
      await engine.commit({ puts: [raiseEpoch(shard as ShardId, undefined, epoch).put] });
    relay.asked = [];
    return engine;
  }

  function askedBy(relay: PostgresRelay): Asked[] {
    const asked = relay.asked.filter(({ statement }) => !elsewhere.has(statement));
    relay.asked = [];
    return asked;
  }

  it('is one for a commit, and one for a group', { timeout: 60_000 }, async (t) => {
    await using relay = await PostgresRelay.open(server.port);
    await using engine = await open(relay, 'local');
    const trip = { statement: 'apply', isTrip: true };
    for (let round = 0; round < 10; round++)
      assert.deepEqual(await engine.commit(change(0, round)), committed);
    assert.deepEqual(askedBy(relay), Array(10).fill(trip));

    const others = Array.from({ length: accounts }, (_, index) => index + 1);
    for (let round = 0; round < 3; round++) {
      const results = await Promise.all(others.map((account) => engine.commit(change(account, round))));
      for (const result of results) assert.deepEqual(result, committed);
    }
    assert.deepEqual(askedBy(relay), Array(3).fill(trip));
    t.diagnostic(`10 commits: 10 round trips; ${3 * accounts} commits of ${accounts} accounts: 3`);
  });

  it('is one also when a standby must have it', { timeout: 60_000 }, async () => {
    await using standby = await server.startStandby('mirror');
    await server.set('synchronous_standby_names', 'mirror');
    const attached = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'";
    while ((await server.query(attached)).length === 0);
    await using relay = await PostgresRelay.open(server.port);
    await using engine = await open(relay, 'standby');
    for (let round = 0; round < 5; round++) {
      const group = Array.from({ length: accounts }, (_, account) => engine.commit(change(account, round)));
      for (const result of await Promise.all(group)) assert.deepEqual(result, committed);
    }
    // Whether there still is one is asked in the same flush, behind the commit.
    const both = [
      { statement: 'apply', isTrip: true },
      { statement: 'standby', isTrip: false },
    ];
    assert.deepEqual(askedBy(relay), Array(5).fill(both).flat());
    await server.set('synchronous_standby_names', '');
    assert.ok(standby.pid > 0);
  });
});
