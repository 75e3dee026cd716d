// A session's connection: lines and bytes as they come, peers and sessions that wait for each other, peers that are gone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { type Clock, systemClock } from '../../base/clock.ts';
import { ConnectionClosed, IdleTimeout, LineTooLong } from './connection.ts';
import { TestClient } from './test-client.ts';
import { echo, nextLine, openTestListener, type Run } from './test-listener.ts';

/** Time moves when the test says so. */
function manualClock(): Clock & { advance(ms: number): void } {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  return {
    ...systemClock,
    monotonic: () => now,
    after(delayMs, callback) {
      const timer = { at: now + delayMs, callback };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(ms) {
      for (const end = now + ms; now < end; ) {
        now += 100;
        for (const timer of [...timers]) if (timer.at <= now && timers.delete(timer)) timer.callback();
      }
    },
  };
}

test("lines come and go, also split over packets and behind the peer's end", async () => {
  await using listener = await openTestListener(echo);
  using client = await TestClient.connect(listener.port);
  client.write('one\r\ntwo\r\nthr');
  assert.equal(await client.line(), 'one');
  assert.equal(await client.line(), 'two');
  client.write('ee\r\nfour\r\n');
  client.end();
  assert.equal(await client.rest(), 'three\r\nfour\r\n');
});

test('a line that is too long is refused once and the session goes on', async () => {
  await using listener = await openTestListener(async (connection) => {
    for (;;) {
      try {
        const line = await nextLine(connection, 10);
        if (line === undefined) return;
        connection.write(line);
      } catch (error) {
        assert.ok(error instanceof LineTooLong);
        connection.write('too long\r\n');
      }
    }
  });
  using client = await TestClient.connect(listener.port);
  client.write('12345678\r\n123456789\r\n');
  assert.equal(await client.line(), '12345678');
  assert.equal(await client.line(), 'too long');
  client.write('x'.repeat(1000));
  assert.equal(await client.line(), 'too long');
  client.write('x'.repeat(1000));
  client.write('y\r\nok\r\n');
  assert.equal(await client.line(), 'ok');
});

test('bytes are taken as they came', async () => {
  await using listener = await openTestListener(async (connection) => {
    let count = 0;
    while (count < 300_000) {
      const bytes = connection.takeBytes(7_000);
      if (bytes !== undefined) count += bytes.length;
      else assert.ok(await connection.fill(60_000));
    }
    connection.write(`${count}\r\n`);
  });
  using client = await TestClient.connect(listener.port);
  client.write(Buffer.alloc(300_000));
  assert.equal(await client.line(), '300000');
});

test('a peer that does not read stops the writer, one that reads gets every byte', async () => {
  const total = 40 * 1024 * 1024;
  const chunk = Buffer.alloc(64 * 1024, 'a');
  let congested = 0;
  await using listener = await openTestListener(async (connection) => {
    for (let sent = 0; sent < total; sent += chunk.length) {
      connection.write(chunk);
      if (!connection.congested) continue;
      congested++;
      await connection.drain();
    }
  });
  using client = await TestClient.connect(listener.port);
  let received = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (data: Buffer) => {
    received += data.length;
  });
  await client.rest();
  assert.equal(received, total);
  assert.ok(congested > 0);
});

test('a session that does not pull stops the peer', async () => {
  const { promise: pull, resolve: startPulling } = Promise.withResolvers<void>();
  await using listener = await openTestListener(async (connection) => {
    await pull;
    assert.ok(connection.bufferedBytes < 128 * 1024, `${connection.bufferedBytes} bytes piled up`);
    let count = 0;
    for (;;) {
      const bytes = connection.takeBytes(65_536);
      if (bytes !== undefined) count += bytes.length;
      else if (!(await connection.fill(60_000))) break;
    }
    connection.write(`${count}\r\n`);
  });
  using client = await TestClient.connect(listener.port);
  const total = 64 * 1024 * 1024;
  client.write(Buffer.alloc(total));
  // The client's kernel takes a few megabytes and no more.
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(client.socket.writableLength > 0);
  startPulling();
  client.end();
  assert.equal(await client.line(), String(total));
});

test('a peer that does not read is cut off after the limit, with a line in the log', async () => {
  const clock = manualClock();
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  let failure: unknown;
  let waitedMs = 0;
  await using listener = await openTestListener(
    async (connection) => {
      const chunk = Buffer.alloc(64 * 1024);
      for (;;) {
        connection.write(chunk);
        const startedMs = clock.monotonic();
        try {
          if (connection.congested) await connection.drain();
        } catch (error) {
          failure = error;
          waitedMs = clock.monotonic() - startedMs;
          throw error;
        }
      }
    },
    { clock, log, connectionLimits: { drainTimeoutMs: 60_000 } },
  );
  using client = await TestClient.connect(listener.port);
  client.socket.pause();
  // The kernel takes a few megabytes first.
  while (failure === undefined) {
    clock.advance(500);
    await systemClock.yieldTurn();
  }
  assert.ok(failure instanceof IdleTimeout);
  assert.ok(waitedMs >= 60_000, String(waitedMs));
  assert.equal(lines.length, 1);
  const line = JSON.parse(lines[0]!) as { msg: string; unreadBytes: number };
  assert.equal(line.msg, 'peer does not read, cut off');
  assert.ok(line.unreadBytes > 0 && line.unreadBytes <= 64 * 1024, String(line.unreadBytes));
});

test('idle peers are cut off after the limit and not before', async () => {
  const clock = manualClock();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const { promise: waiting, resolve: started } = Promise.withResolvers<void>();
  await using listener = await openTestListener(
    async (connection) => {
      const filled = connection.fill(60_000);
      started();
      await filled.catch(resolve);
      connection.write('bye\r\n');
    },
    { clock },
  );
  using client = await TestClient.connect(listener.port);
  await waiting;
  let settled = false;
  void promise.then(() => {
    settled = true;
  });
  clock.advance(59_900);
  await systemClock.yieldTurn();
  assert.equal(settled, false);
  clock.advance(3_000);
  assert.ok((await promise) instanceof IdleTimeout);
  assert.equal(await client.rest(), 'bye\r\n');
});

test('a session whose peer is gone is told so at its next pause, and does not work on', async () => {
  const ended = Promise.withResolvers<unknown>();
  const stubborn: Run = async (connection) => {
    await nextLine(connection);
    // The peer goes while the session waits for something else.
    await connection.fill(60_000).catch(() => {});
    try {
      for (let writes = 0; writes < 1000; writes++) {
        connection.write('more\r\n');
        if (connection.congested) await connection.drain();
      }
      ended.resolve('worked on');
    } catch (error) {
      ended.resolve(error);
    }
  };
  await using listener = await openTestListener(stubborn);
  using client = await TestClient.connect(listener.port);
  client.write('go\r\n');
  client.socket.resetAndDestroy();
  assert(((await ended.promise) as Error) instanceof ConnectionClosed);
});
