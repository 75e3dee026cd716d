import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type Server } from 'node:net';
import { test } from 'node:test';
import { Fault } from '../../base/fault.ts';
import { withHeldPorts } from './held-ports.ts';

const address = '127.0.0.1';

async function listenAt(options: ListenOptions): Promise<Server> {
  const server = createServer();
  server.listen({ host: address, ...options });
  await once(server, 'listening');
  // One that should not have been let listen does not keep the process.
  return server.unref();
}

test('a chosen port is nobody else’s until those who share it listen there', async () => {
  const listen = { imap: [{ address, port: 0 }], pop3: [], mx: [{ address, port: 2525 }] };
  const { port, worker } = await withHeldPorts(listen, async (ports) => {
    const [port] = ports.imap!;
    assert.deepEqual(ports, { imap: [port], pop3: [], mx: [2525] });
    await assert.rejects(listenAt({ port: port! }), { code: 'EADDRINUSE' });
    // Nobody serves yet: who comes is not left waiting.
    await once(connect({ host: address, port: port! }).resume(), 'close');
    return { port, worker: await listenAt({ port: port!, reusePort: true }) };
  });
  await using _worker = worker;
  await assert.rejects(listenAt({ port: port! }), { code: 'EADDRINUSE' });
  // All connections are the worker's now.
  for (let count = 0; count < 20; count++) {
    const accepted = once(worker, 'connection');
    const socket = connect({ host: address, port: port! });
    const [other] = await accepted;
    other.destroy();
    socket.destroy();
  }
});

test('when what uses them fails, and when there is no such address, no port stays taken', async () => {
  let chosen = 0;
  const failed = withHeldPorts({ imap: [{ address, port: 0 }] }, async (ports) => {
    [chosen = 0] = ports.imap!;
    throw new Error('a worker did not start');
  });
  await assert.rejects(failed, /a worker did not start/);
  await using _free = await listenAt({ port: chosen });
  const nowhere = { imap: [{ address: '192.0.2.1', port: 0 }] };
  await assert.rejects(
    withHeldPorts(nowhere, async () => {}),
    (error) => error instanceof Fault && error.message.includes('192.0.2.1'),
  );
});
