// Listeners: TLS, trusted balancers, limits, closing.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { pino } from 'pino';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { ConnectionClosed } from './connection.ts';
import { exampleCertificate, otherCertificate } from './test-certificates.ts';
import { TestClient } from './test-client.ts';
import { echo, nextLine, openTestListener, type Run } from './test-listener.ts';
import { TlsContexts } from './tls-contexts.ts';

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
  await using listener = await openTestListener(run, { tls: 'starttls', tlsContexts });
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

test('a certificate counts while its owner shows that he has the key: not in a session that is resumed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-listener.'));
  const clientAuthoritiesFile = join(folder, 'clients.pem');
  writeFileSync(clientAuthoritiesFile, exampleCertificate.certificate);
  const tlsContexts = await TlsContexts.open([otherCertificate], { clientAuthoritiesFile });
  rmSync(folder, { recursive: true });
  const tell: Run = async (connection) => {
    connection.write(`${connection.tls!.clientNames.join()}\r\n`);
    await connection.fill(60_000);
  };
  const options = { tls: 'implicit', tlsContexts, asksForCertificate: true } as const;
  await using listener = await openTestListener(tell, options);
  const connectOnce = async (shown: ConnectionOptions) => {
    const socket = connect({ host: '127.0.0.1', port: listener.port, rejectUnauthorized: false, ...shown });
    const sessions: Buffer[] = [];
    socket.on('session', (session: Buffer) => sessions.push(session));
    const [said] = (await once(socket, 'data')) as [Buffer];
    socket.end();
    socket.resume();
    await once(socket, 'close');
    return { said: said.toString('latin1'), sessions };
  };
  const { certificate: cert, key } = exampleCertificate;
  const { said, sessions } = await connectOnce({ cert, key });
  assert.equal(said, 'example.test\r\n');
  for (const session of sessions) assert.equal((await connectOnce({ session })).said, '\r\n');
});

test('implicit TLS, and a peer that speaks in the clear there', async () => {
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  await using listener = await openTestListener(echo, { tls: 'implicit', tlsContexts });
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
  await using listener = await openTestListener(tell, { proxyProtocolFrom: ['127.0.0.0/8'] });
  using client = await TestClient.connect(listener.port);
  client.write('PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\nhello\r\n');
  assert.equal(await client.line(), '192.0.2.7 1234');
  assert.equal(await client.line(), 'hello');
  using liar = await TestClient.connect(listener.port);
  liar.write('EHLO x\r\n');
  assert.equal(await liar.rest(), '');

  await using untrusting = await openTestListener(tell, { proxyProtocolFrom: ['192.0.2.1'] });
  using direct = await TestClient.connect(untrusting.port);
  direct.write('PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\n');
  assert.match((await direct.line())!, /^127\.0\.0\.1 /);

  await using secure = await openTestListener(tell, {
    proxyProtocolFrom: ['127.0.0.1'],
    tls: 'implicit',
    tlsContexts,
  });
  using inner = await TestClient.connect(secure.port);
  inner.write('PROXY TCP4 192.0.2.8 198.51.100.1 1234 25\r\n');
  await inner.startTls();
  assert.equal(await inner.line(), '192.0.2.8 1234');
});

test('a balancer that is not known as one is told of, once a minute, where clients begin with TLS', async () => {
  const warnings: { remoteAddress: string; listener: string; msg: string }[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => warnings.push(JSON.parse(line)) });
  const tlsContexts = await TlsContexts.open([exampleCertificate]);
  let now = 0;
  await using listener = await openTestListener(echo, {
    tls: 'implicit',
    tlsContexts,
    proxyProtocolFrom: ['192.0.2.1'],
    clock: { ...systemClock, monotonic: () => now },
    log,
  });
  const sends = async (header: string | Buffer): Promise<void> => {
    using balancer = await TestClient.connect(listener.port);
    balancer.write(header);
    await balancer.rest();
  };
  const local = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\0\0\0', 'latin1');
  await sends('EHLO this is not TLS\r\n');
  using client = await TestClient.connectTls(listener.port);
  client.send('hello');
  assert.equal(await client.line(), 'hello');
  assert.equal(warnings.length, 0);
  await sends('PROXY TCP4 192.0.2.7 198.51.100.1 1234 25\r\n');
  await sends(local);
  assert.deepEqual(
    warnings.map(({ remoteAddress, listener }) => [remoteAddress, listener]),
    [['127.0.0.1', 'test']],
  );
  assert.match(warnings[0]!.msg, /proxy_protocol_from/);
  now = 60_000;
  await sends(local);
  assert.equal(warnings.length, 2);
});

test('a proxy that has said nothing is cut off when the listener closes', { timeout: 60_000 }, async () => {
  const accepted = Promise.withResolvers<void>();
  // Nothing else ends it: time stands still.
  const after = () => {
    accepted.resolve();
    return { cancel: () => {} };
  };
  const clock = { ...systemClock, after };
  const listener = await openTestListener(echo, { proxyProtocolFrom: ['127.0.0.1'], clock });
  using client = await TestClient.connect(listener.port);
  client.write('PROXY ');
  await accepted.promise;
  await listener.close(60_000);
  assert.equal(await client.rest(), '');
});

test('a client is the same one however a balancer writes its address', async () => {
  const tell: Run = async (connection) => {
    connection.write(`${connection.remoteAddress} ${connection.localAddress}\r\n`);
    await echo(connection);
  };
  await using listener = await openTestListener(tell, { proxyProtocolFrom: ['127.0.0.1'] });
  const says = async (header: string | Buffer, { port } = listener): Promise<string | undefined> => {
    using client = await TestClient.connect(port);
    client.write(header);
    return await client.line();
  };
  const mapped = (last: number) => Buffer.from([...new Array(10).fill(0), 0xff, 0xff, 192, 0, 2, last]);
  const binary = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24', 'latin1'),
    mapped(7),
    mapped(1),
    Buffer.from([4, 210, 0, 25]),
  ]);
  const headers = [
    'PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n',
    'PROXY TCP6 ::FFFF:192.0.2.7 ::ffff:c000:201 1234 25\r\n',
    'PROXY TCP6 0:0:0:0:0:ffff:c000:207 ::ffff:192.0.2.1 1234 25\r\n',
    binary,
  ];
  for (const header of headers) assert.equal(await says(header), '192.0.2.7 192.0.2.1');
  const other = 'PROXY TCP6 2001:DB8:0:0::1 2001:db8::00fe 1234 25\r\n';
  assert.equal(await says(other), '2001:db8::1 2001:db8::fe');
  // Mapped addresses of two clients are not two of one network.
  const limits = { connectionsMax: 100, connectionsPerAddressMax: 1 };
  await using limited = await openTestListener(tell, { proxyProtocolFrom: ['127.0.0.1'], limits });
  using first = await TestClient.connect(limited.port);
  first.write(binary);
  await first.line();
  assert.equal(await says(headers[2]!.toString().replace('207', '208'), limited), '192.0.2.8 192.0.2.1');
});

test("connections beyond the limits are refused in the protocol's words", async () => {
  await using listener = await openTestListener(echo, {
    limits: { connectionsMax: 3, connectionsPerAddressMax: 2 },
  });
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
  await using listener = await openTestListener(echo);
  const pattern = new RegExp(`127\\.0\\.0\\.1:${listener.port} is taken .* --set listen\\.test=`);
  await assert.rejects(
    openTestListener(echo, { port: listener.port }),
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
  await using listener = await openTestListener(run);
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
  await using other = await openTestListener(run);
  using stuck = await TestClient.connect(other.port);
  stuck.send('hang');
  await hung;
  await other.close(0);
  assert.equal(await stuck.rest(), '');
});

test('a session that throws ends alone', async () => {
  await using listener = await openTestListener(async (connection) => {
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
