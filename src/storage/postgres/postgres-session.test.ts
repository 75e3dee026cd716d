// A session that is closed leaves nothing open, whatever the server does. One that is silent is looked into, and left when no answer will
// come; one whose answer is on its way is not.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Duplex } from 'node:stream';
import { it } from 'node:test';
import type { Client } from 'pg';
import { type Clock, systemClock } from '../../base/clock.ts';
import { ConnectionSilent, PostgresSession } from './postgres-session.ts';

it('does not wait for a frozen server to close its end', { timeout: 60_000 }, async () => {
  const sent: Buffer[] = [];
  const stream = new Duplex({
    read: () => {},
    write: (piece: Buffer, _encoding, done) => {
      sent.push(piece);
      done();
    },
  });
  const client = Object.assign(new EventEmitter(), { connection: { stream } });
  const session = new PostgresSession({
    client: client as unknown as Client,
    address: 'nowhere',
    server: 'none',
    clock: systemClock,
    answerTimeoutMs: 60_000,
  });
  const closed = once(stream, 'close');
  await session.close();
  await closed;
  assert.deepEqual(Buffer.concat(sent), Buffer.from([0x58, 0, 0, 0, 4]));
});

/** Its time passes when the test says so. */
function manualClock(): { clock: Clock; pass: (ms: number) => Promise<void> } {
  let now = 0;
  const timers = new Map<object, { at: number; callback: () => void }>();
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    after: (delayMs, callback) => {
      const timer = { cancel: () => timers.delete(timer) };
      timers.set(timer, { at: now + delayMs, callback });
      return timer;
    },
  };
  const pass = async (ms: number): Promise<void> => {
    now += ms;
    for (const [timer, { at, callback }] of [...timers]) {
      if (at > now) continue;
      timers.delete(timer);
      callback();
    }
    await systemClock.nextTurn();
  };
  return { clock, pass };
}

function framed(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const ready = framed('Z', Buffer.from('I'));
const value = Buffer.alloc(1_000, 'v');
const columns = Buffer.alloc(6);
columns.writeInt16BE(1);
columns.writeInt32BE(value.length, 2);
const answer = Buffer.concat([framed('D', Buffer.concat([columns, value])), ready]);
const afterMs = 1_000;
/** With the time that the request itself takes. */
const lateMs = afterMs + 1;

/** `why`: what is found out about its silence. */
function silentSession(clock: Clock, why: () => Promise<string | undefined>) {
  const stream = new Duplex({ read: () => {}, write: (_piece, _encoding, done) => done() });
  const client = Object.assign(new EventEmitter(), { connection: { stream } });
  const told = { looks: 0, left: [] as [string, number][] };
  const session = new PostgresSession({
    client: client as unknown as Client,
    address: 'nowhere',
    server: 'none',
    clock,
    answerTimeoutMs: 60_000,
    silence: {
      afterMs,
      explain: () => {
        told.looks++;
        return why();
      },
      left: (reason, pending) => told.left.push([reason, pending]),
    },
  });
  return { session, told, receive: (piece: Buffer) => stream.emit('data', piece) };
}

const read = { name: 'get', text: '' };

it('waits for an answer that has begun to come, and leaves a connection from which nothing comes', async () => {
  const { clock, pass } = manualClock();
  let found = Promise.withResolvers<string | undefined>();
  const { session, told, receive } = silentSession(clock, () => found.promise);
  const first = session.run(read);
  // Piece by piece, each within the time.
  for (let at = 0; at < 500; at += 100) {
    receive(answer.subarray(at, at + 100));
    await pass(lateMs);
  }
  assert.deepEqual([told.looks, session.isLate], [0, false]);
  // It comes while somebody looks.
  await pass(lateMs);
  assert.deepEqual([told.looks, session.isLate], [1, true]);
  receive(answer.subarray(500, 600));
  found.resolve('the server waits for us');
  await systemClock.nextTurn();
  assert.equal(session.isLost, false);
  receive(answer.subarray(600));
  assert.deepEqual((await first).rows, [[value]]);
  assert.deepEqual([session.heardAt, session.isLate], [6 * lateMs, false]);
  // Nothing of the next ones.
  await pass(10 * lateMs);
  found = Promise.withResolvers();
  const reads = [session.run(read), session.run(read)];
  await pass(lateMs);
  assert.equal(told.looks, 2);
  found.resolve('the server waits for us');
  for (const each of reads)
    await assert.rejects(each, (error) => error instanceof ConnectionSilent && error.since === 16 * lateMs);
  assert.deepEqual(told.left, [['the server waits for us', 2]]);
  // What comes late is nobody's.
  receive(answer);
  assert.equal(session.isLost, true);
});

it('looks again and again at a server that is at work, each time after the whole time', async () => {
  const { clock, pass } = manualClock();
  const { session, told, receive } = silentSession(clock, async () => undefined);
  const first = session.run(read);
  for (let looks = 1; looks < 5; looks++) {
    await pass(afterMs - 1);
    assert.equal(told.looks, looks - 1);
    await pass(2);
    assert.equal(told.looks, looks);
  }
  receive(answer);
  assert.deepEqual((await first).rows, [[value]]);
  // Nothing is awaited: nobody looks, however long.
  for (let turn = 0; turn < 70; turn++) await pass(lateMs);
  assert.deepEqual([told.looks, session.isLost], [4, false]);
});
