// Readers: a connection that was lost a moment ago takes no place; what was asked on one that hung is asked again elsewhere, few at a
// time, a few times, whatever the connections do. With a real server: test/faults/postgres-silent-reads.test.ts.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { PostgresReaders } from './postgres-readers.ts';
import { ConnectionLost, ConnectionSilent, type PostgresSession } from './postgres-session.ts';
import { sessionOfNobody } from './testing-postgres-session.ts';

const repeatedAtOnceMax = 32;
const asksMax = 4;

function readersOf(connect: () => Promise<PostgresSession>, options: { clock?: Clock; max?: number } = {}) {
  const { clock = systemClock, max = 1 } = options;
  return new PostgresReaders({ connect, connectionsMax: max, awayLimitMs: 60_000, clock });
}

const statement = (name: string) => ({ name, text: '' });
const rowOf = (name: string) => [[Buffer.from(name)]];
const silent = () => new ConnectionSilent('silent', undefined, 0);

it('opens another connection when those there are were lost and their end is not told yet', async () => {
  const row = [Buffer.from('row')];
  const first = sessionOfNobody(() => [row], { endsLate: true });
  const second = sessionOfNobody(() => [row]);
  const sessions = [first, second];
  const readers = readersOf(async () => sessions.shift()!.session);
  await readers.run(statement('look'), []);
  first.session.destroy('cut');
  assert.deepEqual(await readers.run(statement('look'), []), [row]);
  assert.deepEqual([first.asked, second.asked], [['look'], ['look']]);
  await readers.close();
});

it('asks few at a time again of what a connection that hung leaves behind', async () => {
  const hang = Promise.withResolvers<never>();
  const open = Promise.withResolvers<void>();
  let outstanding = 0;
  let most = 0;
  const first = sessionOfNobody(() => hang.promise);
  const second = sessionOfNobody(async (name) => {
    most = Math.max(most, ++outstanding);
    if (second.asked.length === repeatedAtOnceMax) open.resolve();
    await open.promise;
    await systemClock.nextTurn();
    outstanding--;
    return rowOf(name);
  });
  const sessions = [first, second];
  const readers = readersOf(async () => sessions.shift()!.session);
  const names = Array.from({ length: 100 }, (_, index) => `read${index}`);
  const reads = names.map((name) => readers.run(statement(name), []));
  while (first.asked.length < names.length) await systemClock.nextTurn();
  first.session.destroy('it hung');
  hang.reject(silent());
  assert.deepEqual(await Promise.all(reads), names.map(rowOf));
  assert.deepEqual([most, readers.repeats], [repeatedAtOnceMax, names.length]);
  assert.deepEqual(new Set(second.asked), new Set(names));
  assert.equal(second.asked.length, names.length);
  await readers.close();
});

it('asks again on a connection that was heard of since, not on one that idles or waits in the same silence', async () => {
  const hang = Promise.withResolvers<never>();
  const old = Number.NEGATIVE_INFINITY;
  const hung = sessionOfNobody(() => hang.promise, { heardAt: old });
  const waits = sessionOfNobody(() => new Promise(() => {}), { heardAt: old });
  const idle = sessionOfNobody(rowOf, { heardAt: old });
  const fresh = sessionOfNobody(rowOf);
  const sessions = [hung, waits, idle, fresh];
  const readers = readersOf(async () => sessions.shift()!.session, { max: 3 });
  const read = readers.run(statement('first'), []);
  while (hung.asked.length === 0) await systemClock.nextTurn();
  // Whoever finds all busy goes to one of them, while another one is opened for the next.
  for (const name of ['second', 'third', 'fourth']) {
    void readers.run(statement(name), []).catch(() => {});
    await systemClock.nextTurn();
  }
  assert.deepEqual(sessions, [fresh]);
  const before = idle.asked.length;
  hung.session.destroy('it hung');
  hang.reject(silent());
  assert.deepEqual(await read, rowOf('first'));
  assert.ok(fresh.asked.includes('first'));
  assert.equal(idle.asked.length, before);
  assert.notEqual(idle.destroyed(), undefined);
  assert.equal(waits.destroyed(), undefined);
  await readers.close();
});

it('refuses what waits to be asked again when it is closed', async () => {
  const hang = Promise.withResolvers<never>();
  const first = sessionOfNobody(() => hang.promise);
  const second = sessionOfNobody(() => new Promise(() => {}));
  const sessions = [first, second];
  const readers = readersOf(async () => sessions.shift()!.session);
  const refused: string[] = [];
  for (let index = 0; index < repeatedAtOnceMax + 3; index++)
    readers.run(statement(`read${index}`), []).catch(({ message }: Error) => refused.push(message));
  while (first.asked.length < repeatedAtOnceMax + 3) await systemClock.nextTurn();
  first.session.destroy('it hung');
  hang.reject(silent());
  while (second.asked.length < repeatedAtOnceMax) await systemClock.sleep(5);
  await readers.close();
  while (refused.length < 3) await systemClock.sleep(5);
  assert.deepEqual(refused, Array(3).fill('the store is closed'));
});

type Fate = 'answers' | 'hangs' | 'ends';

/** Each connection answers a few requests, then comes to its end with all that it was asked since. */
const fates = fc.array(
  fc.record({
    fate: fc.constantFrom<Fate>('hangs', 'hangs', 'hangs', 'answers', 'ends'),
    after: fc.nat(3),
    rest: fc.nat(8),
  }),
  { maxLength: 12 },
);

it('answers every read rightly or with a temporary fault, whatever the connections do', async () => {
  const hasty: Clock = { ...systemClock, sleep: () => systemClock.nextTurn() };
  await fc.assert(
    fc.asyncProperty(
      fates,
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (plan, count, max) => {
        const left = [...plan];
        const askedSilently = new Map<string, number>();
        const connect = async (): Promise<PostgresSession> => {
          const { fate, after, rest } = left.shift() ?? { fate: 'answers', after: 0, rest: 0 };
          const end = Promise.withResolvers<never>();
          end.promise.catch(() => {});
          let seen = 0;
          const one = sessionOfNobody(async (name) => {
            await systemClock.nextTurn();
            seen++;
            if (fate === 'answers' || seen <= after) return rowOf(name);
            if (fate === 'hangs') askedSilently.set(name, (askedSilently.get(name) ?? 0) + 1);
            // What is asked until somebody notices is lost with it.
            if (seen === after + 1)
              void turns(rest).then(() => {
                one.session.destroy(fate);
                end.reject(fate === 'hangs' ? silent() : new ConnectionLost('ended'));
              });
            return await end.promise;
          });
          return one.session;
        };
        const readers = readersOf(connect, { clock: hasty, max });
        const names = Array.from({ length: count }, (_, index) => `read${index}`);
        const results = await Promise.allSettled(names.map((name) => readers.run(statement(name), [])));
        for (const [index, result] of results.entries()) {
          if (result.status === 'fulfilled') assert.deepEqual(result.value, rowOf(names[index]!));
          else assert.ok(result.reason instanceof Fault && result.reason.temporary, String(result.reason));
          if (result.status === 'rejected') assert.equal(askedSilently.get(names[index]!), asksMax);
        }
        for (const times of askedSilently.values()) assert.ok(times <= asksMax);
        // Nothing is kept of what was: each place for a repeat was given back, or the next round could not be repeated in full.
        left.splice(0, left.length, { fate: 'hangs', after: 0, rest: 2 });
        readers.leave('over');
        const repeats = readers.repeats;
        assert.deepEqual(
          await Promise.all(names.map((name) => readers.run(statement(name), []))),
          names.map(rowOf),
        );
        assert.equal(readers.repeats - repeats, count);
        await readers.close();
      },
    ),
    { numRuns: 200 },
  );
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await systemClock.nextTurn();
}
