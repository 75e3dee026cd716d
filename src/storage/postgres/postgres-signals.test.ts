// Signals: the line on which a node hears is given up when it does not answer, and when it would not listen.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { Topics } from '../topics.ts';
import { ConnectionLost, PostgresError } from './postgres-session.ts';
import { PostgresSignals } from './postgres-signals.ts';
import { type SessionOfNobody, sessionOfNobody } from './testing-postgres-session.ts';

interface Heard {
  readonly signals: PostgresSignals;
  /** Resolves at the next signal of a topic. */
  readonly next: () => Promise<void>;
}

function listenOn(sessions: SessionOfNobody[], clock: Clock = systemClock): Heard {
  const topics = new Topics(silentLog);
  const signals = new PostgresSignals({
    connect: async () => sessions.shift()?.session ?? Promise.reject(new ConnectionLost('no more of them')),
    sender: 'me',
    topics,
    clock,
    log: silentLog,
  });
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      topics.subscribe('topic', resolve);
    });
  return { signals, next };
}

it('closes a connection that does not listen, and tries another', { timeout: 60_000 }, async () => {
  const first = sessionOfNobody(() => []);
  const deaf = sessionOfNobody((name) =>
    name === 'listen' ? Promise.reject(new PostgresError('57014', 'cancelled')) : [],
  );
  const third = sessionOfNobody(() => []);
  const { signals, next } = listenOn([first, deaf, third]);
  await signals.open();
  const heard = next();
  first.session.destroy('cut');
  await heard;
  assert.equal(deaf.destroyed(), 'it does not listen');
  assert.deepEqual(third.asked, ['hurry', 'listen']);
  await signals.close();
});

it('listens on a new connection when a quiet one does not answer', { timeout: 60_000 }, async () => {
  const probes: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      if (delayMs < 10_000) return systemClock.after(delayMs, callback);
      probes.push(callback);
      return { cancel: () => {} };
    },
  };
  let isDead = false;
  const first = sessionOfNobody((name) => {
    if (name === 'probe' && isDead) return Promise.reject(new Error('it says nothing'));
    return [];
  });
  const second = sessionOfNobody(() => []);
  const { signals, next } = listenOn([first, second], clock);
  await signals.open();
  probes[0]!();
  await systemClock.nextTurn();
  assert.equal(first.destroyed(), undefined);
  isDead = true;
  const heard = next();
  probes[1]!();
  await heard;
  assert.equal(first.destroyed(), 'it does not answer');
  assert.deepEqual(second.asked, ['hurry', 'listen']);
  await signals.close();
});

it('leaves a server that others do not write to any more', { timeout: 60_000 }, async () => {
  const old = sessionOfNobody(() => []);
  const present = sessionOfNobody(() => []);
  const { signals, next } = listenOn([old, present]);
  await signals.open();
  const heard = next();
  signals.leave('another server takes the writes now');
  await heard;
  assert.deepEqual(present.asked, ['hurry', 'listen']);
  await signals.close();
});
