import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { type Connection, ConnectionClosed, IdleTimeout, LineTooLong } from './connection.ts';
import { type ListenerOptions, openListener } from './listener.ts';
import { exampleCertificate, otherCertificate } from './test-certificates.ts';
import { TestClient } from './test-client.ts';
import { TlsContexts } from './tls-contexts.ts';

type Run = (connection: Connection) => Promise<void>;

async function open(run: Run, options: Partial<ListenerOptions> = {}) {
  return await openListener({
    name: 'test',
    address: '127.0.0.1',
    port: 0,
    tls: 'none',
    protocol: { name: 'test', run, refuse: (reason) => `no: ${reason}\r\n` },
    limits: { connectionsMax: 10, connectionsPerAddressMax: 10 },
    clock: systemClock,
    log: silentLog,
    ...options,
  });
}

async function nextLine(connection: Connection, bytesMax = 100): Promise<string | undefined> {
  for (;;) {
    const line = connection.takeLine(bytesMax);
    if (line !== undefined) return line.toString('latin1');
    if (!(await connection.fill(60_000))) return undefined;
  }
}

/** Answers every line with itself. */
const echo: Run = async (connection) => {
  for (;;) {
    const line = await nextLine(connection);
    if (line === undefined) return;
    connection.write(line);
    if (connection.congested) await connection.drain();
  }
};

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
  await using listener = await open(echo);
  using client = await TestClient.connect(listener.port);
  client.write('one\r\ntwo\r\nthr');
  assert.equal(await client.line(), 'one');
  assert.equal(await client.line(), 'two');
  client.write('ee\r\nfour\r\n');
  client.end();
  assert.equal(await client.rest(), 'three\r\nfour\r\n');
});

test('a line that is too long is refused once and the session goes on', async () => {
  await using listener = await open(async (connection) => {
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
  await using listener = await open(async (connection) => {
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
  await using listener = await open(async (connection) => {
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
  await using listener = await open(async (connection) => {
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
  await using listener = await open(
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
  await using listener = await open(
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

test('STARTTLS, SNI, channel bindings, reload', async () => {
  const first = exampleCertificate;
  const second = otherCertificate;
  const tlsContexts = await TlsContexts.open([first, second]);
  const bindings: (string | undefined)[] = [];
  const run: Run = async (connection) => {
    assert.equal(await nextLine(connection), 'STARTTLS\r\n');
    assert.equal(connection.tls, undefined);
    connection.write('go\r\n');
    await connection.startTls();
    const tls = connection.tls!;
    bindings.push(Buffer.from(tls.channelBinding('tls-exporter')!).toString('hex'));
    bindings.push(Buffer.from(tls.channelBinding('tls-server-end-point')!).toString('hex'));
    connection.write(`${tls.protocol} ${tls.serverName}\r\n`);
    await echo(connection);
  };
  await using listener = await open(run, { tls: 'starttls', tlsContexts });
  using client = await TestClient.connect(listener.port);
  client.send('STARTTLS');
  assert.equal(await client.line(), 'go');
  const secure = await client.startTls('mail.other.test');
  assert.equal(await client.line(), 'TLSv1.3 mail.other.test');
  assert.equal(secure.getPeerCertificate().subject.CN, '*.other.test');
  assert.equal(
    bindings[0],
    secure.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)).toString('hex'),
  );
  const { hash } = await import('node:crypto');
  assert.equal(bindings[1], hash('sha256', secure.getPeerX509Certificate()!.raw));
  client.send('still here');
  assert.equal(await client.line(), 'still here');
  client.end();
  assert.equal(await client.rest(), '');

  await tlsContexts.reload([second]);
  using again = await TestClient.connect(listener.port);
  again.send('STARTTLS');
  assert.equal(await again.line(), 'go');
  assert.equal((await again.startTls('example.test')).getPeerCertificate().subject.CN, '*.other.test');
  await assert.rejects(
    tlsContexts.reload([{ certificateFile: '/nowhere.pem', keyFile: '/nowhere.key' }]),
    /nowhere/,
  );
  assert.equal(tlsContexts.certificates.length, 1);
});

test('implicit TLS, and a peer that speaks in the clear there', async () => {
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  await using listener = await open(echo, { tls: 'implicit', tlsContexts });
  using clear = await TestClient.connect(listener.port);
  clear.send('EHLO this is not TLS');
  await clear.rest();
  using client = await TestClient.connectTls(listener.port);
  client.send('hello');
  assert.equal(await client.line(), 'hello');
});

test('PROXY headers are read from trusted sources only', async () => {
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  const tell: Run = async (connection) => {
    connection.write(`${connection.remoteAddress} ${connection.remotePort}\r\n`);
    await echo(connection);
  };
  await using listener = await open(tell, { proxyProtocolFrom: ['127.0.0.0/8'] });
  using client = await TestClient.connect(listener.port);
  client.write('PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\nhello\r\n');
  assert.equal(await client.line(), '192.0.2.7 1234');
  assert.equal(await client.line(), 'hello');
  using liar = await TestClient.connect(listener.port);
  liar.write('EHLO x\r\n');
  assert.equal(await liar.rest(), '');

  await using untrusting = await open(tell, { proxyProtocolFrom: ['192.0.2.1'] });
  using direct = await TestClient.connect(untrusting.port);
  direct.write('PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\n');
  assert.match((await direct.line())!, /^127\.0\.0\.1 /);

  await using secure = await open(tell, { proxyProtocolFrom: ['127.0.0.1'], tls: 'implicit', tlsContexts });
  using inner = await TestClient.connect(secure.port);
  inner.write('PROXY TCP4 192.0.2.8 198.51.100.1 1234 25\r\n');
  await inner.startTls();
  assert.equal(await inner.line(), '192.0.2.8 1234');
});

test("connections beyond the limits are refused in the protocol's words", async () => {
  await using listener = await open(echo, { limits: { connectionsMax: 3, connectionsPerAddressMax: 2 } });
  using first = await TestClient.connect(listener.port);
  using second = await TestClient.connect(listener.port);
  first.send('a');
  second.send('b');
  assert.equal(await first.line(), 'a');
  assert.equal(await second.line(), 'b');
  using third = await TestClient.connect(listener.port);
  assert.equal(await third.rest(), 'no: tooManyConnectionsFromAddress\r\n');
  listener.setLimits({ connectionsMax: 2, connectionsPerAddressMax: 5 });
  using fourth = await TestClient.connect(listener.port);
  assert.equal(await fourth.rest(), 'no: tooManyConnections\r\n');
  first.end();
  await first.rest();
  while (listener.connections > 1) await systemClock.yieldTurn();
  using fifth = await TestClient.connect(listener.port);
  fifth.send('again');
  assert.equal(await fifth.line(), 'again');
});

test('a port that is taken is a fault with the way out', async () => {
  await using listener = await open(echo);
  const pattern = new RegExp(`127\\.0\\.0\\.1:${listener.port} is taken .* --set listen\\.test=`);
  await assert.rejects(
    open(echo, { port: listener.port }),
    (error) => error instanceof Fault && pattern.test(error.message),
  );
});

test('close: waiting sessions say goodbye, running commands finish, the rest is cut off', async () => {
  const { promise: release, resolve: finish } = Promise.withResolvers<void>();
  const { promise: running, resolve: started } = Promise.withResolvers<void>();
  const { promise: hung, resolve: hanging } = Promise.withResolvers<void>();
  const run: Run = async (connection) => {
    try {
      const line = await nextLine(connection);
      if (line === 'hang\r\n') {
        hanging();
        await new Promise(() => {});
      }
      started();
      await release;
      connection.write('done\r\n');
      await nextLine(connection);
    } catch (error) {
      assert.ok(error instanceof ConnectionClosed);
      assert.equal(connection.closing.aborted, true);
      connection.write('closing\r\n');
    }
  };
  await using listener = await open(run);
  using idle = await TestClient.connect(listener.port);
  using busy = await TestClient.connect(listener.port);
  busy.send('work');
  await running;
  const closed = listener.close(5_000);
  assert.equal(await idle.rest(), 'closing\r\n');
  finish();
  assert.equal(await busy.rest(), 'done\r\nclosing\r\n');
  idle.end();
  busy.end();
  await closed;
  await using other = await open(run);
  using stuck = await TestClient.connect(other.port);
  stuck.send('hang');
  await hung;
  await other.close(0);
  assert.equal(await stuck.rest(), '');
});

test('a session that throws ends alone', async () => {
  await using listener = await open(async (connection) => {
    if ((await nextLine(connection)) === 'boom\r\n') throw new Error('boom');
    await echo(connection);
  });
  using well = await TestClient.connect(listener.port);
  well.send('hello');
  using bad = await TestClient.connect(listener.port);
  bad.send('boom');
  await bad.rest();
  well.send('fine');
  assert.equal(await well.line(), 'fine');
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
  await using listener = await open(stubborn);
  using client = await TestClient.connect(listener.port);
  client.write('go\r\n');
  client.socket.resetAndDestroy();
  assert(((await ended.promise) as Error) instanceof ConnectionClosed);
});
