// Clients that have agreed on keys and then send records that nobody should: each loses its session, with the alert that RFC 8446
// names, and nothing else happens.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { TlsTestClient } from '../../src/speakers/kit/test-tls-client.ts';
import { contentTypes } from '../../src/wire/tls/test-reference-keys.ts';
import { type LogLine, ServerProcess } from '../server-process.ts';
import { forgotten, metric, residentBytes, unharmed } from './attacked-server.ts';

const { alert, changeCipherSpec, data, handshake } = contentTypes;
const alerts = { none: -1, unexpectedMessage: 10, badRecordMac: 20, recordOverflow: 22 } as const;
const keyUpdate = (request: number): Buffer => Buffer.of(24, 0, 0, 1, request);
/** Must not be carried out: its answer would be seen. */
const evil = 'evil LOGOUT\r\n';

/** Handshakes of one address at a time. */
const atOnce = 10;
async function each<T>(cases: readonly T[], attack: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < cases.length; at += atOnce)
    await Promise.all(cases.slice(at, at + atOnce).map(attack));
}

describe('records under attack', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'] });
  });
  after(async () => {
    await forgotten(server, 'imaps');
    assert.equal(await metric(server, 'rookery_sessions_failed_total'), 0);
    const lines = server.stdout.split('\n').filter((line) => line.startsWith('{'));
    const loud = lines.map((line) => JSON.parse(line) as LogLine).filter(({ level }) => level > 30);
    assert.deepEqual(loud, []);
    await unharmed(server);
  });

  /** Greeted, over TLS 1.3. */
  async function greeted(): Promise<TlsTestClient> {
    const client = await TlsTestClient.connect(server.ports.imaps, { ecdhCurve: 'X25519' });
    assert.match(await client.data(), /^\* OK/);
    client.write('a NOOP\r\n');
    assert.match(await client.data(), /^a OK/);
    return client;
  }

  /** It goes on serving those who are there. */
  async function isServed(client: TlsTestClient): Promise<void> {
    client.write('b NOOP\r\n');
    assert.match(await client.data(), /^b OK/);
  }

  const clear = (type: number, content: string): Buffer =>
    Buffer.concat([Buffer.of(type, 3, 3, 0, content.length), Buffer.from(content, 'latin1')]);
  const attacks: Readonly<Record<string, readonly [keyof typeof alerts, (client: TlsTestClient) => Buffer]>> =
    {
      'a changed record': [
        'badRecordMac',
        (client) => {
          const record = client.sealData(evil);
          record[8]! ^= 0x20;
          return record;
        },
      ],
      'a record twice': [
        'badRecordMac',
        (client) => {
          const record = client.sealData('');
          return Buffer.concat([record, record, client.sealData(evil)]);
        },
      ],
      'records in another order': [
        'badRecordMac',
        (client) => {
          const [first, second] = [client.sealData('c NOOP\r\n'), client.sealData(evil)];
          return Buffer.concat([second, first]);
        },
      ],
      'a record left out': [
        'badRecordMac',
        (client) => {
          client.sealData('c NOOP\r\n');
          return client.sealData(evil);
        },
      ],
      'a record of 2^14 + 257 bytes': [
        'recordOverflow',
        () => Buffer.concat([Buffer.of(23, 3, 3, 0x41, 1), Buffer.alloc(0x4101)]),
      ],
      'content of 2^14 + 1 bytes': [
        'recordOverflow',
        (client) => client.sealData(evil.padEnd(2 ** 14 + 1, evil)),
      ],
      ChangeCipherSpec: ['unexpectedMessage', () => clear(changeCipherSpec, '\x01')],
      'an alert in the clear': ['unexpectedMessage', () => clear(alert, '\x02\x28')],
      'a message in the clear': ['unexpectedMessage', () => clear(handshake, '\x01\x00\x00\x00')],
      'a command in the clear': ['unexpectedMessage', () => Buffer.from(evil)],
      'a second ClientHello': [
        'unexpectedMessage',
        (client) => client.writing.seal(handshake, `\x01\x00\x00\x30${'\x03'.repeat(48)}`),
      ],
      'a KeyUpdate in two records': [
        'unexpectedMessage',
        (client) =>
          Buffer.concat([
            client.writing.seal(handshake, keyUpdate(0).subarray(0, 2)),
            client.writing.seal(handshake, keyUpdate(0).subarray(2)),
          ]),
      ],
      'a fatal alert': ['none', (client) => client.writing.seal(alert, '\x02\x0a')],
      '10,000 records without data': [
        'unexpectedMessage',
        (client) => Buffer.concat(Array.from({ length: 10_000 }, () => client.sealData(''))),
      ],
      ...Object.fromEntries(
        [0, 1].map((request) => [
          `10,000 changes of keys (${request})`,
          [
            'unexpectedMessage',
            (client: TlsTestClient) =>
              Buffer.concat(
                Array.from({ length: 10_000 }, () => {
                  const record = client.writing.seal(handshake, keyUpdate(request));
                  client.writing.update();
                  return record;
                }),
              ),
          ] as const,
        ]),
      ),
    };
  for (const [name, [description, make]] of Object.entries(attacks)) {
    test(name, async () => {
      using other = await greeted();
      using client = await greeted();
      const bytes = make(client);
      client.socket.write(Buffer.concat([bytes, client.sealData(evil)]));
      // Its answers to changes of keys change ours.
      const said: number[] = [];
      for (let record = await client.record(); record !== undefined; record = await client.record()) {
        assert.notEqual(record.type, data);
        if (record.type === handshake) client.reading.update();
        if (record.type === alert) said.push(record.content[1]!);
      }
      // Who still writes when the server ends may see a reset before the alert.
      const isFlood = bytes.length > 64 * 1024;
      if (!isFlood || said.length > 0)
        assert.deepEqual(said, description === 'none' ? [] : [alerts[description]]);
      await isServed(other);
    });
  }

  test('a login without a Finished, or before it, is none', async () => {
    await each([false, true], async (finishesLater) => {
      using client = await TlsTestClient.shakeHands(server.ports.imaps);
      client.socket.write(client.sealData(evil));
      if (finishesLater) client.socket.write(client.finished);
      assert.deepEqual(await client.rest(), { data: '', alerts: [alerts.badRecordMac] });
    });
  });

  test('records that are announced and never come keep little, and nobody from being served', async () => {
    using other = await greeted();
    const clients: TlsTestClient[] = [];
    await each(Array.from({ length: 40 }), async () => {
      clients.push(await greeted());
    });
    const before = residentBytes(server);
    for (const client of clients)
      client.socket.write(Buffer.concat([Buffer.of(23, 3, 3, 0x41, 0), Buffer.alloc(100)]));
    await isServed(other);
    // One record each, and what the collector has not looked at yet.
    assert(residentBytes(server) - before < 16 * 1024 * 1024);
    for (const client of clients) client.socket.destroy();
  });

  test('the same attack many times over takes no more memory', async () => {
    const attack = async (): Promise<void> => {
      using client = await greeted();
      client.socket.write(Buffer.concat([Buffer.alloc(2 ** 14), client.sealData(evil)]));
      assert.deepEqual((await client.rest()).data, '');
    };
    const rounds = Array.from({ length: 100 }, () => attack);
    await each(rounds, (one) => one());
    const before = residentBytes(server);
    await each(rounds, (one) => one());
    assert(residentBytes(server) - before < 32 * 1024 * 1024, String(residentBytes(server) - before));
  });

  test('a byte of the handshake changed, at each place', async () => {
    const changed = (bytes: Buffer, at: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 0xff;
      return copy;
    };
    let helloBytes = 0;
    using measured = await TlsTestClient.shakeHands(server.ports.imaps, {
      ecdhCurve: 'X25519',
      sending(bytes, socket) {
        helloBytes = bytes.length;
        socket.write(bytes);
      },
    });
    assert(helloBytes > 100 && helloBytes < 600, String(helloBytes));
    await each(
      Array.from({ length: helloBytes }).map((_, at) => at),
      async (at) => {
        let socket: Socket | undefined;
        const sending = (bytes: Buffer, over: Socket): void => {
          socket = over;
          // The server may wait for more of it.
          if (at < bytes.length) over.end(changed(bytes, at));
        };
        const client = TlsTestClient.shakeHands(server.ports.imaps, { ecdhCurve: 'X25519', sending });
        // Only what is no part of the handshake, a record's version, can be changed without a failure.
        await client.then(
          () => assert(at === 1 || at === 2, `byte ${at} changed, and nobody noticed`),
          () => {},
        );
        if (!socket!.closed) await once(socket!.resume(), 'close');
      },
    );
    const { finished } = measured;
    await each([...finished.keys()], async (at) => {
      using client = await TlsTestClient.shakeHands(server.ports.imaps, { ecdhCurve: 'X25519' });
      client.socket.end(Buffer.concat([changed(client.finished, at), client.sealData(evil)]));
      const { data: said } = await client.rest();
      // In front of it there is a ChangeCipherSpec, which says nothing.
      if (at >= 6) assert.equal(said, '', `byte ${at}`);
    });
  });
});
