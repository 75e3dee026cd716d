import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../config/schema.ts';
import { CommandFailure } from './exit-codes.ts';
import type { RunningServer } from './running-server.ts';
import { serve } from './serve.ts';

test('a server does not go on when what is done once it runs fails', async () => {
  let closed = 0;
  const server = { close: async () => void closed++ } as RunningServer;
  const never = () => Promise.reject(new Error('not asked for'));
  const starts = { server: async () => server, workers: { supervisor: never, worker: never } };
  const failure = new CommandFailure('no account could be made');
  const before = process.listenerCount('SIGHUP');
  await assert.rejects(
    serve({
      starts,
      read: () => ({ data: 'data', workers: 1 }) as Config,
      started: () => Promise.reject(failure),
    }),
    failure,
  );
  assert.deepEqual([closed, process.listenerCount('SIGHUP')], [1, before]);
});
