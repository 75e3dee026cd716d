// Which of the inner nodes an outer one asks when they fail.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { InnerNodes } from './inner-nodes.ts';

test('a node that hangs is left for the next one in time, and the last one has what is left', async () => {
  let now = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    sleep: async (delayMs) => {
      now += delayMs;
    },
  };
  const asked: unknown[] = [];
  const places = ['a', 'b', 'c'].map((node) => ({ node, host: '127.0.0.1', port: 1 }));
  const nodes = new InnerNodes({
    pool: {
      call: async ({ node }, _request, { timeoutMs }) => {
        asked.push([node, timeoutMs]);
        now += timeoutMs;
        throw new Fault('no answer', { temporary: true });
      },
    },
    places,
    keep: async () => {},
    clock,
    log: silentLog,
  });
  const request = { service: 'cluster', method: 'heartbeat', arguments: {} };
  await assert.rejects(nodes.ask(request, 2_500, 1_000), /no answer/);
  assert.deepEqual(asked, [
    ['a', 1_000],
    ['b', 1_000],
    ['c', 500],
  ]);
});
