// PostgreSQL is killed and started again, its connections are cut, and answers are lost on the way, all under load: what was
// acknowledged is there, once, and what was refused is not.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { Fault } from '../../src/base/fault.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Engine } from '../../src/storage/engine.ts';
import {
  openPostgresEngine,
  type PostgresEngineOptions,
} from '../../src/storage/postgres/postgres-engine.ts';
import { UnknownOutcomeFault } from '../../src/storage/unknown-outcome.ts';
import { PostgresRelay } from '../postgres-relay.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';
import { checkCounters, countOnce, type WriterLedger } from './counted-commits.ts';

const skip = missingPostgres();
const writerCount = 16;
const kills = 3;
const cuts = 12;
const lostAnswers = 10;
/** Between two faults each writer gets on by so much. */
const stepsBetween = 10;

let server: PostgresServer;

function openAt(url: string, options: Partial<PostgresEngineOptions> = {}): Promise<Engine> {
  return openPostgresEngine({ url, log: silentLog, clock: systemClock, ...options });
}

/** Writers run until the faults are over; a fault comes when all have got on. */
async function underLoad(engine: Engine, faults: number, fault: () => Promise<void>): Promise<WriterLedger> {
  const ledger = { acknowledged: 0, unknown: 0, refused: 0 };
  const counters = new Map<string, number>();
  let isOver = false;
  let wake = (): void => {};
  const write = async (name: string): Promise<void> => {
    for (let value = 0; !isOver; wake()) {
      value = await countOnce(engine, name, value, ledger);
      counters.set(name, value);
    }
  };
  const writers = Promise.all(Array.from({ length: writerCount }, (_, index) => write(`w${index}`)));
  const faulty = async (): Promise<void> => {
    for (let count = 0; count < faults; count++) {
      const goal = ledger.acknowledged + stepsBetween * writerCount;
      while (ledger.acknowledged < goal) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      await fault();
    }
    isOver = true;
  };
  // A writer that fails ends the test, whatever the faults wait for.
  await Promise.race([Promise.all([faulty(), writers]), writers.then(() => {})]);
  await writers;
  await checkCounters(engine, counters);
  return ledger;
}

describe('faults of PostgreSQL', { skip }, () => {
  before(async () => {
    server = await PostgresServer.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  it(`loses and doubles nothing when the server is killed ${kills} times`, async () => {
    await using engine = await openAt(await server.makeDatabase());
    const ledger = await underLoad(engine, kills, async () => {
      await server.stop('SIGKILL');
      await server.restart();
    });
    // It was back within the limit, so every commit came to a certain end.
    assert.equal(ledger.unknown, 0);
    assert.ok(ledger.acknowledged > kills * stepsBetween * writerCount);
    process.stdout.write(`# ${kills} kills: ${JSON.stringify(ledger)}\n`);
  });

  it(`loses and doubles nothing when its connections are cut ${cuts} times`, async () => {
    const url = await server.makeDatabase();
    await using engine = await openAt(url);
    const ledger = await underLoad(engine, cuts, async () => {
      await server.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        url,
      );
    });
    assert.deepEqual([ledger.unknown, ledger.refused], [0, 0]);
    process.stdout.write(`# ${cuts} cuts: ${JSON.stringify(ledger)}\n`);
  });

  it('finds out what became of commits whose answers were lost', async () => {
    await using relay = await PostgresRelay.open(server.port);
    const url = relay.url(await server.makeDatabase());
    await using engine = await openAt(url);
    const ledger = await underLoad(engine, lostAnswers, () => relay.loseNextAnswer());
    assert.deepEqual([ledger.unknown, ledger.refused], [0, 0]);
    process.stdout.write(`# ${lostAnswers} lost answers: ${JSON.stringify(ledger)}\n`);
  });

  it('says so when nobody can tell, and that nothing happened when nothing did', async () => {
    await using relay = await PostgresRelay.open(server.port);
    const url = relay.url(await server.makeDatabase());
    await using engine = await openAt(url, { awayLimitMs: 300 });
    const put = (key: string) =>
      engine.commit({ puts: [{ key: Buffer.from(key), value: Buffer.from('x') }] });
    await put('before');
    relay.goAwayAtNextAnswer();
    await assert.rejects(put('unknown'), UnknownOutcomeFault);
    await assert.rejects(
      put('refused'),
      (error) => error instanceof Fault && !(error instanceof UnknownOutcomeFault),
    );
    await assert.rejects(
      engine.get(Buffer.from('before')),
      (error) => error instanceof Fault && error.temporary,
    );
    relay.comeBack();
    while ((await put('after').catch(() => undefined)) === undefined);
    const found = await engine.getMany(['before', 'refused', 'after'].map((key) => Buffer.from(key)));
    assert.deepEqual(
      found.map((value) => value !== undefined),
      [true, false, true],
    );
  });
});
