// Connections that hang for good, nobody being told: commits are found out about on another one, long before the limit. A server
// that is at work is waited for.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Engine } from '../../src/storage/engine.ts';
import { openPostgresEngine } from '../../src/storage/postgres/postgres-engine.ts';
import { PostgresRelay } from '../postgres-relay.ts';
import { missingPostgres, PostgresServer } from '../postgres-server.ts';

const skip = missingPostgres();
const committed = { outcome: 'committed' };
const timeout = 60_000;
/** By its limit alone no commit here would ever be given up. */
const commitLimitMs = 600_000;
let server: PostgresServer;

function openAt(url: string): Promise<Engine> {
  return openPostgresEngine({ url, commitLimitMs, log: silentLog, clock: systemClock });
}

/** A second time it would be refused. */
const make = (engine: Engine, key: string) =>
  engine.commit({
    conditions: [{ key: Buffer.from(key), expected: undefined }],
    puts: [{ key: Buffer.from(key), value: Buffer.from('x') }],
  });

describe('silence', { skip }, () => {
  before(async () => {
    server = await PostgresServer.start();
  });
  after(() => server[Symbol.asyncDispose]());

  for (const way of ['requests', 'answers'] as const) {
    it(`leaves a connection that carries no ${way} any more`, { timeout }, async () => {
      await using relay = await PostgresRelay.open(server.port);
      await using engine = await openAt(relay.url(await server.makeDatabase()));
      assert.deepEqual(await make(engine, 'before'), committed);
      const held = relay.holdAt('apply', way);
      const commits = ['a', 'b', 'c'].map((key) => make(engine, key));
      await held;
      const behind = make(engine, 'behind');
      for (const result of await Promise.all([...commits, behind])) assert.deepEqual(result, committed);
      assert.deepEqual(await make(engine, 'a'), { outcome: 'conflict', condition: 0 });
    });
  }

  it('waits for a server that is at work', { timeout }, async () => {
    await using relay = await PostgresRelay.open(server.port);
    const direct = await server.makeDatabase();
    await using engine = await openAt(relay.url(direct));
    await server.query(slowly, direct);
    relay.asked = [];
    const slow = make(engine, 'slow');
    const looks = (): number => relay.asked.filter(({ statement }) => statement === 'look').length;
    const isOver = slow.then(() => true);
    while (looks() < 2)
      assert.notEqual(await Promise.race([isOver, systemClock.sleep(20)]), true, 'it was not slow');
    await server.query('INSERT INTO public.opened VALUES (1)', direct);
    assert.deepEqual(await slow, committed);
    const asked = relay.asked.map(({ statement }) => statement);
    assert.deepEqual(
      asked.filter((statement) => statement === 'apply' || statement === 'raise'),
      ['apply'],
    );
  });
});

/** A row takes until somebody says so. */
const slowly = `CREATE TABLE public.opened (opened integer);
CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  WHILE NOT EXISTS (SELECT FROM public.opened) LOOP PERFORM pg_sleep(0.02); END LOOP;
  RETURN NEW;
END $$;
CREATE TRIGGER slow BEFORE INSERT ON rookery.kv FOR EACH ROW EXECUTE FUNCTION public.wait();`;
