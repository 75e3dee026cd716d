// What the benchmark starts is ended by it, also when its start fails: here with processes that do nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endProcess, orStopped, portAnswers, start } from '../bench/targets/processes.ts';
import { freePort } from './free-port.ts';

test('a server of the benchmark that does not start: what was begun is stopped before that is told', async () => {
  const behind = start(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
  const child = start(process.execPath, ['-e', 'process.exit(3)']);
  const port = await freePort();
  const begun = orStopped(
    () => portAnswers(port, child),
    () => endProcess(behind),
  );
  await assert.rejects(begun, { message: 'the server ended with 3' });
  assert.equal(behind.signalCode, 'SIGTERM');
  const stop = async (): Promise<void> => assert.fail('it serves');
  assert.equal(await orStopped(async () => 'serves', stop), 'serves');
});
