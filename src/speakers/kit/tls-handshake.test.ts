// TLS over real sockets: Node's clients of both versions, handshakes and ends of every kind, and that OpenSSL's part of a TLS 1.3
// session goes with the handshake. What hostile clients do is in test/adversary.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect, createSecureContext, TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { systemClock } from '../../base/clock.ts';
import { contentTypes, splitRecords, suiteNames } from '../../wire/tls/test-reference-keys.ts';
import { IdleTimeout } from './connection.ts';
import { DeadlineTicker } from './deadline-ticker.ts';
import type { Listener, ListenerOptions } from './listener.ts';
import { exampleCertificate } from './test-certificates.ts';
import { echo, nextLine, openTestListener, type Run } from './test-listener.ts';
import { TlsTestClient } from './test-tls-client.ts';
import { TlsContexts } from './tls-contexts.ts';

let tlsContexts: TlsContexts;
/** What listeners have logged, info and worse. */
const logged: string[] = [];
before(async () => {
  tlsContexts = await TlsContexts.open([exampleCertificate]);
});
after(() => assert.deepEqual(logged, []));

function listen(run: Run = echo, options: Partial<ListenerOptions> = {}): Promise<Listener> {
  const log = pino({ level: 'info' }, { write: (line: string) => logged.push(line) });
  const limits = { connectionsMax: 1000, connectionsPerAddressMax: 1000 };
  return openTestListener(run, { tls: 'implicit', tlsContexts, log, limits, ...options });
}

async function connected(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function until(holds: () => boolean): Promise<void> {
  for (const limit = Date.now() + 60_000; !holds(); await sleep(5)) assert(Date.now() < limit, 'in vain');
}

const large = Buffer.from('All work and no play makes Jack a dull boy.\r\n'.repeat(60_000));

describe('each version and suite: what is sent comes back', () => {
  const versions: readonly ConnectionOptions[] = [
    ...suiteNames.map((ciphers) => ({ ciphers, minVersion: 'TLSv1.3' as const })),
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'].map((ciphers) => ({
      ciphers,
      maxVersion: 'TLSv1.2' as const,
    })),
  ];
  for (const options of versions) {
    test(options.ciphers!, async () => {
      await using listener = await listen(async (connection) => {
        connection.write(`${connection.tls!.protocol} ${connection.tls!.cipher}\r\n`);
        await echo(connection);
      });
      const socket = await connected(listener.port, options);
      const { standardName, version } = socket.getCipher();
      socket.end(large);
      const answer = (await readAll(socket)).toString('latin1');
      const told = version === 'TLSv1.3' ? `TLSv1.3 ${standardName}` : `TLSv1.2 ${options.ciphers}`;
      assert(answer === `${told}\r\n${large.toString('latin1')}`, answer.slice(0, 100));
    });
  }
});

test("OpenSSL's part goes with the handshake of TLS 1.3, and stays for others", async (context) => {
  // Every TLS socket of this process, the clients' own too. `ssl` is what OpenSSL has for it.
  type Made = TLSSocket & { _init(...more: unknown[]): void; readonly ssl: object | null };
  const made: Made[] = [];
  const prototype = TLSSocket.prototype as Made;
  const { _init: init } = prototype;
  context.mock.method(prototype, '_init', function (this: Made, ...more: unknown[]) {
    made.push(this);
    init.apply(this, more);
  });
  await using listener = await listen();
  for (const [maxVersion, sides] of [
    ['TLSv1.3', 1],
    ['TLSv1.2', 2],
  ] as const) {
    made.length = 0;
    const sockets: TLSSocket[] = [];
    while (sockets.length < 10) sockets.push(await connected(listener.port, { maxVersion }));
    for (const socket of sockets) {
      socket.write('hello\r\n');
      await once(socket, 'data');
    }
    assert.equal(made.length, 20);
    assert.equal(made.filter(({ ssl }) => ssl !== null).length, 10 * sides);
    for (const socket of sockets) socket.destroy();
    await until(() => made.every(({ ssl }) => ssl === null));
  }
});

test('a ClientHello that comes byte by byte', async () => {
  await using listener = await listen();
  const sendSlowly = async (bytes: Buffer, socket: Socket): Promise<void> => {
    for (const byte of bytes) {
      socket.write(Buffer.of(byte));
      await nextTurn();
    }
  };
  const sending = (bytes: Buffer, socket: Socket): void => void sendSlowly(bytes, socket);
  using client = await TlsTestClient.connect(listener.port, { ecdhCurve: 'X25519', sending });
  client.write('hello\r\n');
  assert.equal(await client.data(), 'hello\r\n');
});

test('a client that must say hello twice (HelloRetryRequest)', async () => {
  await using listener = await listen();
  const sent: Buffer[] = [];
  using client = await TlsTestClient.connect(listener.port, {
    ecdhCurve: 'P-521:P-256',
    sending(bytes, socket) {
      sent.push(bytes);
      socket.write(bytes);
    },
  });
  const hellos = splitRecords(Buffer.concat(sent)).filter(([type]) => type === contentTypes.handshake);
  assert.equal(hellos.length, 2);
  client.write('hello\r\n');
  assert.equal(await client.data(), 'hello\r\n');
});

describe("behind the client's Finished", () => {
  test('data that comes with it, wherever the network cuts', async () => {
    await using listener = await listen();
    const lines = 'one\r\ntwo\r\n';
    for (let cut = 0, length = 1; cut < length; cut++) {
      using client = await TlsTestClient.shakeHands(listener.port, { ecdhCurve: 'X25519' });
      const bytes = Buffer.concat([client.finished, client.sealData('one\r\n'), client.sealData('two\r\n')]);
      length = bytes.length;
      if (cut > 0) client.socket.write(bytes.subarray(0, cut));
      await nextTurn();
      client.socket.write(bytes.subarray(cut));
      let answer = '';
      while (answer.length < lines.length) answer += await client.data();
      assert.equal(answer, lines);
    }
  });

  test('data and the end', async () => {
    await using listener = await listen();
    for (const closes of [true, false]) {
      using client = await TlsTestClient.shakeHands(listener.port);
      const flight = [client.finished, client.sealData('last words\r\n')];
      if (closes) flight.push(client.writing.seal(contentTypes.alert, '\x01\x00'));
      client.socket.end(Buffer.concat(flight));
      assert.deepEqual(await client.rest(), { data: 'last words\r\n', alerts: [0] });
      await client.closed();
    }
  });

  test('more than a session takes: it waits in the socket', async () => {
    const { promise: pull, resolve: startPulling } = Promise.withResolvers<void>();
    let bufferedBytes = (): number => 0;
    const run: Run = async (connection) => {
      bufferedBytes = () => connection.bufferedBytes;
      await pull;
      await echo(connection);
    };
    await using listener = await listen(run, { connectionLimits: { inputBytesMax: 1000 } });
    using client = await TlsTestClient.shakeHands(listener.port);
    const line = `${'x'.repeat(70)}\r\n`;
    const first = Buffer.concat([client.finished, client.sealData(line.repeat(200))]);
    client.socket.write(first);
    await until(() => bufferedBytes() > 0);
    const records = Array.from({ length: 100 }, () => client.sealData(line.repeat(200)));
    client.socket.write(Buffer.concat(records));
    // The kernels take what they take, then nothing moves.
    for (
      let before = -1;
      before !== client.socket.bytesWritten - client.socket.writableLength;
      await sleep(50)
    )
      before = client.socket.bytesWritten - client.socket.writableLength;
    assert(bufferedBytes() < 200_000, `${bufferedBytes()} bytes piled up`);
    startPulling();
    let count = 0;
    while (count < line.length * 200 * 101) count += (await client.data()).length;
    assert.equal(count, line.length * 200 * 101);
  });
});

describe('the session sees nothing of a client', () => {
  const cases: Readonly<Record<string, (client: TlsTestClient) => Buffer>> = {
    'that sends data instead of its Finished': (client) => client.sealData('evil\r\n'),
    'that sends data with the keys of the handshake': (client) =>
      client.handshakeKeys.seal(contentTypes.data, 'evil\r\n'),
    'whose Finished is wrong': (client) => {
      const { content } = client.handshakeKeys.open(splitRecords(client.finished).at(-1)!);
      content[10]! ^= 1;
      client.handshakeKeys.sequence = 0n;
      const wrong = client.handshakeKeys.seal(contentTypes.handshake, content);
      return Buffer.concat([wrong, client.sealData('evil\r\n')]);
    },
    'whose Finished was changed on its way': (client) => {
      const flight = Buffer.from(client.finished);
      flight[flight.length - 20]! ^= 1;
      return Buffer.concat([flight, client.sealData('evil\r\n')]);
    },
    'that says something behind its Finished, in the same record': (client) => {
      const { content } = client.handshakeKeys.open(splitRecords(client.finished).at(-1)!);
      client.handshakeKeys.sequence = 0n;
      const both = Buffer.concat([content, Buffer.of(24, 0, 0, 1, 0)]);
      return Buffer.concat([
        client.handshakeKeys.seal(contentTypes.handshake, both),
        client.sealData('evil\r\n'),
      ]);
    },
    'that speaks in the clear in the middle': () => Buffer.from('a LOGIN alice secret\r\n'),
    'that announces more than a record may have': () => Buffer.of(23, 3, 3, 0xff, 0xff),
  };
  for (const [name, make] of Object.entries(cases)) {
    test(name, async () => {
      let ran = false;
      // Nothing happens because of the time: OpenSSL's word is waited for, not the deadline.
      const clock = { ...systemClock, after: () => ({ cancel: () => {} }) };
      const run: Run = async () => {
        ran = true;
      };
      await using listener = await listen(run, { clock });
      using client = await TlsTestClient.shakeHands(listener.port);
      client.socket.write(make(client));
      const { data, alerts } = await client.rest();
      assert.equal(data, '');
      assert.equal(alerts.length, 1);
      assert.notEqual(alerts[0], 0);
      client.socket.destroy();
      await until(() => listener.connections === 0);
      assert.equal(ran, false);
    });
  }
});

test('sessions are resumed, also with another suite of the same hash', async () => {
  await using listener = await listen();
  let session: Buffer | undefined;
  const told: [string, boolean][] = [];
  for (const ciphers of [...suiteNames, 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']) {
    const options = { ciphers, rejectUnauthorized: false, ...(session === undefined ? {} : { session }) };
    const socket = connect({ port: listener.port, host: '127.0.0.1', ...options });
    const ticket = new Promise<Buffer>((resolve) => socket.once('session', resolve));
    socket.write('hello\r\n');
    assert.equal(String((await once(socket, 'data'))[0]), 'hello\r\n');
    told.push([socket.getCipher().standardName, socket.isSessionReused()]);
    if (!socket.isSessionReused()) session = await ticket;
    socket.destroy();
  }
  assert.deepEqual(told, [
    ['TLS_AES_128_GCM_SHA256', false],
    ['TLS_AES_256_GCM_SHA384', false],
    ['TLS_CHACHA20_POLY1305_SHA256', false],
    ['TLS_CHACHA20_POLY1305_SHA256', true],
    ['TLS_AES_128_GCM_SHA256', true],
  ]);
});

test('a record that is announced and never comes is waited for as long as any input', async () => {
  const waited = Promise.withResolvers<unknown>();
  const run: Run = async (connection) => {
    connection.write('ready\r\n');
    await connection.fill(1).catch(waited.resolve);
    connection.write('bye\r\n');
  };
  await using listener = await listen(run, { ticker: new DeadlineTicker(systemClock, 20) });
  using client = await TlsTestClient.connect(listener.port);
  assert.equal(await client.data(), 'ready\r\n');
  const record = client.sealData('x'.repeat(10_000));
  for (const byte of record.subarray(0, 50)) client.socket.write(Buffer.of(byte));
  assert(((await waited.promise) as Error) instanceof IdleTimeout);
  assert.deepEqual(await client.rest(), { data: 'bye\r\n', alerts: [0] });
});

test('clients that go, politely or not, at each stage', async () => {
  const run: Run = async (connection) => {
    connection.write(large);
    for (;;) {
      if (connection.congested) await connection.drain();
      const line = await nextLine(connection);
      if (line === undefined) return;
      connection.write(large);
    }
  };
  await using listener = await listen(run);
  type Stage = (port: number) => Promise<Socket>;
  const began: Stage = async (port) => {
    const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  };
  const withClient =
    (act: (client: TlsTestClient) => void): Stage =>
    async (port) => {
      const client = await TlsTestClient.shakeHands(port);
      act(client);
      return client.socket;
    };
  const stages: Readonly<Record<string, Stage>> = {
    connected: began,
    'half a ClientHello': async (port) => {
      const socket = await began(port);
      socket.write(Buffer.from('160301010001000000', 'hex'));
      return socket;
    },
    'the server has answered': withClient(() => {}),
    'half a Finished': withClient((client) => client.socket.write(client.finished.subarray(0, -20))),
    'the Finished is sent': withClient((client) => client.socket.write(client.finished)),
    'half a record': withClient((client) =>
      client.socket.write(Buffer.concat([client.finished, client.sealData('hello\r\n').subarray(0, -3)])),
    ),
    'in the middle of an answer': withClient((client) =>
      client.socket.write(Buffer.concat([client.finished, client.sealData('more\r\nmore\r\n')])),
    ),
    'after its close_notify': withClient((client) =>
      client.socket.write(
        Buffer.concat([client.finished, client.writing.seal(contentTypes.alert, '\x01\x00')]),
      ),
    ),
  };
  for (const [name, stage] of Object.entries(stages)) {
    for (const leave of ['resetAndDestroy', 'destroy', 'end'] as const) {
      const socket = await stage(listener.port);
      socket.on('error', () => {});
      socket.resume();
      await nextTurn();
      socket[leave]();
      if (!socket.closed) await once(socket, 'close');
      await until(() => listener.connections === 0).catch(() => assert.fail(`${name}, ${leave}: never ends`));
    }
  }
});

test('a listener closes, whatever its clients are in the middle of', async () => {
  const listener = await listen();
  const clients = [
    await TlsTestClient.shakeHands(listener.port),
    await TlsTestClient.connect(listener.port),
    await TlsTestClient.connect(listener.port),
  ];
  clients[1]!.write('hello\r\n');
  assert.equal(await clients[1]!.data(), 'hello\r\n');
  const silent = connectSocket({ port: listener.port, host: '127.0.0.1' }).on('error', () => {});
  await until(() => listener.connections === 4);
  await listener.close(50);
  assert.equal(listener.connections, 0);
  assert.deepEqual((await clients[1]!.rest()).alerts, [0]);
  for (const client of clients) client.socket.destroy();
  silent.destroy();
});

test('a client that does not read stops the writer, and then gets every byte', async () => {
  const total = 20 * 1024 * 1024;
  let congested = 0;
  const run: Run = async (connection) => {
    for (let sent = 0; sent < total; sent += 64 * 1024) {
      connection.write(Buffer.alloc(64 * 1024, sent / 65_536));
      if (!connection.congested) continue;
      congested++;
      await connection.drain();
    }
  };
  await using listener = await listen(run);
  const socket = await connected(listener.port, { minVersion: 'TLSv1.3' });
  await until(() => congested > 0);
  const received = await readAll(socket);
  assert.equal(received.length, total);
  for (let at = 0; at < total; at += 64 * 1024) assert.equal(received[at], (at / 65_536) & 0xff);
});

test('a bug in what OpenSSL calls ends that session, and is told', async () => {
  const { certificate: cert, key } = exampleCertificate;
  const [certificate] = tlsContexts.certificates;
  const ciphers = 'TLS_AES_128_CCM_SHA256';
  // A suite that our records do not know: no context of ours offers it.
  const context = createSecureContext({ cert, key, ciphers });
  const contexts = { hasOneOnly: true, certificateFor: () => ({ ...certificate, context }) };
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  await using listener = await listen(echo, { tlsContexts: contexts as unknown as TlsContexts, log });
  const socket = connect({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ciphers });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'close');
  await until(() => listener.connections === 0);
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /"level":50.*a secret of TLS_AES_128_CCM_SHA256.*session failed/);
});
