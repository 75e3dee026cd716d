import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { boundedBody } from './bounded-body.ts';

const bytesMax = 1000;

/** What a server that takes so much answers to a client that has sent `sent` of its `length` bytes. */
async function answered(length: number, sent: number): Promise<string> {
  const server = createServer(async (message, response) => {
    const body = await boundedBody(message, bytesMax);
    response.end(body === undefined ? 'too long' : `${body.length} bytes`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = request({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': length } });
  client.write(Buffer.alloc(sent));
  try {
    const [response] = (await once(client, 'response')) as [IncomingMessage];
    return String(await boundedBody(response, bytesMax));
  } finally {
    client.on('error', () => {}).destroy();
    server.close().closeAllConnections();
  }
}

test('a body is whole up to the limit', async () => {
  assert.equal(await answered(0, 0), '0 bytes');
  assert.equal(await answered(bytesMax, bytesMax), `${bytesMax} bytes`);
});

test('who sends more is told so, before the end of it', async () => {
  assert.equal(await answered(bytesMax + 1, bytesMax + 1), 'too long');
  assert.equal(await answered(1_000_000, bytesMax + 1), 'too long');
});
