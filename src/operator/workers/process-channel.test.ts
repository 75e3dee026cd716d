import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { ProcessChannel } from './process-channel.ts';

interface Sums {
  sum(one: number, other: number): Promise<number>;
  fail(): Promise<void>;
  never(): Promise<void>;
}

/** Two processes' ends, which tell each other. */
function makeEnds(): readonly [ChildProcess, ChildProcess] {
  const ends = [new EventEmitter(), new EventEmitter()];
  const send = (to: EventEmitter) => (message: unknown, sent: (error: Error | null) => void) => {
    const copy = JSON.parse(JSON.stringify(message)) as unknown;
    queueMicrotask(() => to.emit('message', copy));
    sent(null);
    return true;
  };
  const [one, other] = ends as [EventEmitter, EventEmitter];
  Object.assign(one, { send: send(other) });
  Object.assign(other, { send: send(one) });
  return [one as ChildProcess, other as ChildProcess];
}

test('calls are answered, fail as the other failed, and fail when the other is gone', async () => {
  const [here, there] = makeEnds();
  const mine: Sums = {
    sum: async (one, other) => one + other,
    fail: async () => {
      throw new Error('for a reason');
    },
    never: () => new Promise(() => {}),
  };
  new ProcessChannel(there, mine);
  const channel = new ProcessChannel<Sums>(here, {});
  assert.deepEqual(await Promise.all([channel.call('sum', 1, 2), channel.call('sum', 3, 4)]), [3, 7]);
  await assert.rejects(
    channel.call('fail'),
    (error) => error instanceof Fault && /reason/.test(error.message),
  );
  const waiting = assert.rejects(channel.call('never'), Fault);
  here.emit('disconnect');
  await waiting;
  await assert.rejects(channel.call('sum', 1, 2), Fault);
});
