// What a command says when the server goes away in the middle of its answer: a line and an exit code, no stack.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AdminClient } from './admin-client.ts';
import { adminSocket } from './data-sockets.ts';
import { documentedProgram } from './documented-program.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { runProgram } from './program.ts';

async function withBrokenServer(begin: string, use: (data: string) => Promise<void>): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'rookery-broken.'));
  const server = createServer((_request, response) => {
    response.writeHead(200);
    response.write(begin, () => response.destroy());
  });
  server.listen(join(data, adminSocket));
  await once(server, 'listening');
  try {
    await use(data);
  } finally {
    server.close();
    rmSync(data, { recursive: true });
  }
}

test('a store check that breaks off', async () => {
  const begin = `${JSON.stringify({ type: 'progress', accountsDone: 0, accountsTotal: 2 })}\n`;
  await withBrokenServer(begin, async (data) => {
    const code = await runProgram(documentedProgram(), ['store', 'check', '--data', data]);
    assert.equal(code, exitCodes.failure);
  });
});

test('an answer that breaks off', async () => {
  await withBrokenServer('{"items":[', async (data) => {
    const client = new AdminClient({ data });
    await assert.rejects(client.call({ path: '/api/domains' }), (error) => {
      assert(error instanceof CommandFailure);
      assert.equal(error.exitCode, exitCodes.unreachable);
      assert.match(error.message, /broke off.*may have been done/);
      return true;
    });
    client.close();
  });
});
