// Steps of many connections that are paced: each is taken, in order, and what it gives back is given back.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Metrics } from '../../base/metrics.ts';
import { ConnectionClosed } from './connection.ts';
import { ListenerMetrics } from './listener-metrics.ts';
import { pacedBy } from './pace.ts';
import { exampleCertificate, otherCertificate } from './test-certificates.ts';
import { TestClient } from './test-client.ts';
import { echo, nextLine, openTestListener, type Run } from './test-listener.ts';
import { TlsContexts } from './tls-contexts.ts';

/** Every turn was held for long before anybody asks: each step waits for its own. */
const busyClock: Clock = { ...systemClock, turnMs: () => 1_000 };
const clientsMax = 40;
const limits = { connectionsMax: clientsMax, connectionsPerAddressMax: clientsMax };

async function emptied(listener: { readonly connections: number }): Promise<void> {
  while (listener.connections > 0) await systemClock.yieldTurn();
}

test('a call is made at once in a turn that was hardly held, and else in order on later ones', async () => {
  let heldMs = 0;
  const pace = pacedBy({ ...systemClock, turnMs: () => heldMs });
  const called: number[] = [];
  pace(() => called.push(0));
  assert.deepEqual(called, [0]);
  heldMs = 1;
  const { promise: last, resolve } = Promise.withResolvers<void>();
  for (let call = 1; call <= 200; call++) pace(() => called.push(call));
  pace(resolve);
  assert.deepEqual(called, [0]);
  await last;
  assert.deepEqual(called, [...Array(201).keys()]);
});

for (const tls of ['none', 'implicit'] as const) {
  test(`clients that leave together (TLS: ${tls}) get their answers, and their places are free again`, async () => {
    const metrics = new Metrics();
    const tlsContexts = await TlsContexts.open([exampleCertificate, otherCertificate]);
    await using listener = await openTestListener(echo, {
      clock: busyClock,
      limits,
      tls,
      tlsContexts,
      metrics: new ListenerMetrics(metrics),
    });
    const connect = (): Promise<TestClient> =>
      tls === 'none' ? TestClient.connect(listener.port) : TestClient.connectTls(listener.port);
    for (let round = 0; round < 2; round++) {
      const clients = await Promise.all(Array.from({ length: clientsMax }, connect));
      for (const [index, client] of clients.entries()) {
        if (index % 4 === 3) client.socket.destroy();
        else client.send(`last words of ${index}`);
        if (index % 4 < 3) client.end();
      }
      for (const [index, client] of clients.entries())
        if (index % 4 < 3) assert.equal(await client.rest(), `last words of ${index}\r\n`);
      await emptied(listener);
    }
    const text = await metrics.expose();
    assert.match(text, /^rookery_connections_open\{listener="test"\} 0$/m);
    assert.match(text, new RegExp(`^rookery_connections_total\\{listener="test"\\} ${2 * clientsMax}$`, 'm'));
  });
}

test('a listener that closes wakes all that wait, then cuts off all that do not go', async () => {
  let sessions = 0;
  const run: Run = async (connection) => {
    const isStuck = ++sessions % 2 === 0;
    try {
      await nextLine(connection);
    } catch (error) {
      assert.ok(error instanceof ConnectionClosed);
      connection.write('closing\r\n');
      if (isStuck) await new Promise(() => {});
    }
  };
  await using listener = await openTestListener(run, { clock: busyClock, limits });
  const clients = await Promise.all(
    Array.from({ length: clientsMax }, () => TestClient.connect(listener.port)),
  );
  while (listener.connections < clientsMax) await systemClock.yieldTurn();
  await listener.close(50);
  assert.equal(listener.connections, 0);
  for (const client of clients) {
    assert.equal(await client.rest(), 'closing\r\n');
    client.destroy();
  }
});

test('clients that begin a handshake and go leave nothing behind', async () => {
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  const nowhere = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      nowhere.emit('sent', chunk);
      done();
    },
  });
  const sent = once(nowhere, 'sent') as Promise<[Buffer]>;
  const secure = connectTls({ socket: nowhere, servername: 'example.test' });
  secure.on('error', () => {});
  const [hello] = await sent;
  for (const clock of [systemClock, busyClock]) {
    await using listener = await openTestListener(echo, { clock, limits, tls: 'implicit', tlsContexts });
    for (const bytes of [hello, hello.subarray(0, 20), Buffer.alloc(0)]) {
      const clients = await Promise.all(
        Array.from({ length: clientsMax }, () => TestClient.connect(listener.port)),
      );
      for (const client of clients) client.write(bytes);
      for (const [index, client] of clients.entries())
        if (index % 2 === 0) client.end();
        else client.socket.resetAndDestroy();
      await emptied(listener);
      for (const client of clients) client.destroy();
    }
  }
  secure.destroy();
});
