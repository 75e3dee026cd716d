// The PROXY protocol: whoever is trusted must say it right, whoever is not can say nothing.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { ServerProcess } from '../server-process.ts';
import { ask, command, forgotten, messagesOf, unharmed } from './attacked-server.ts';

const trusted = '127.0.0.2';
const signature = '\r\n\r\n\0\r\nQUIT\n';
const bytes = (...numbers: readonly number[]): string => String.fromCharCode(...numbers);
const header1 = (address: string): string => `PROXY TCP4 ${address} 192.0.2.250 40000 25\r\n`;
const header2 = signature + bytes(0x21, 0x11, 0, 12, 192, 0, 2, 7, 192, 0, 2, 250, 0x9c, 0x40, 0, 25);

const malformed = [
  'EHLO x\r\n',
  'PROXY\r\n',
  'PROXY TCP4\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 01 25\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 25 extra\r\n',
  'PROXY TCP4  192.0.2.1 192.0.2.2 1 25\r\n',
  'PROXY TCP4 192.0.2.01 192.0.2.2 1 25\r\n',
  'PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n',
  'PROXY TCP6 192.0.2.1 192.0.2.2 1 25\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 1 25\nEHLO x\r\n',
  'PROXY UDP4 192.0.2.1 192.0.2.2 1 25\r\n',
  'proxy TCP4 192.0.2.1 192.0.2.2 1 25\r\n',
  `PROXY TCP4 ${'1'.repeat(200)}\r\n`,
  `PROXY UNKNOWN ${'x'.repeat(200)}\r\n`,
  `${signature}${bytes(0x11, 0x11, 0, 12)}${'x'.repeat(12)}`,
  `${signature}${bytes(0x22, 0x11, 0, 12)}${'x'.repeat(12)}`,
  `${signature}${bytes(0x21, 0x11, 0, 4)}xxxx`,
  `${signature}${bytes(0x21, 0x21, 0, 12)}${'x'.repeat(12)}`,
  `${signature}${bytes(0x21, 0x11, 0xff, 0xff)}${'x'.repeat(5000)}`,
  `\r\n\r\n\0\r\nQUIT\r${'x'.repeat(20)}`,
];

describe('PROXY protocol', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', 'bob'],
      settings: [
        `proxy_protocol_from=["${trusted}"]`,
        'limits.connections_per_address=3',
        'authentication.cleartext=always',
      ],
    });
  });
  after(() => unharmed(server));

  /** Sends a message through `client`, whose greeting has not been read. */
  async function send(client: TestClient, subject: string): Promise<void> {
    await client.reply();
    for (const line of ['EHLO x', 'MAIL FROM:<a@elsewhere.test>', 'RCPT TO:<bob@example.test>', 'DATA']) {
      assert.match(await command(client, line), /^[23]/, line);
    }
    assert.match(await command(client, `Subject: ${subject}\r\n\r\nbody\r\n.`), /^250/);
  }

  test('a trusted proxy names the client, in any pieces', async () => {
    const headers: [string, string][] = [
      [header1('192.0.2.5'), '[192.0.2.5]'],
      [header2, '[192.0.2.7]'],
      ['PROXY TCP6 2001:db8::5 2001:db8::6 1 25\r\n', '[IPv6:2001:db8::5]'],
      ['PROXY UNKNOWN\r\n', `[${trusted}]`],
      [signature + bytes(0x20, 0, 0, 0), `[${trusted}]`],
      [signature + bytes(0x21, 0, 0, 3, 1, 2, 3), `[${trusted}]`],
    ];
    for (const [header] of headers) {
      using whole = await TestClient.connect(server.ports.mx, trusted);
      whole.write(`${header}NOOP\r\n`);
      await whole.reply();
      assert.match((await whole.reply())[0]!, /^250/);
      using pieces = await TestClient.connect(server.ports.mx, trusted);
      for (const byte of header) {
        await new Promise<void>((resolve) => pieces.socket.write(byte, 'latin1', () => resolve()));
      }
      await send(pieces, 'proxied');
    }
    const messages = await messagesOf(server, 'bob');
    const clients = messages.map((message) => /Received: from x \((.*)\)/.exec(message)?.[1]);
    assert.deepEqual(
      clients,
      headers.map(([, client]) => client),
    );
  });

  test('a malformed header ends the connection without a word', async () => {
    for (const header of malformed) {
      using client = await TestClient.connect(server.ports.mx, trusted);
      client.write(header);
      assert.equal(await client.rest(), '', JSON.stringify(header));
    }
    using cut = await TestClient.connect(server.ports.mx, trusted);
    cut.write(header2.slice(0, 20));
    cut.destroy();
    await forgotten(server, 'mx');
  });

  test('nobody else names a client', async () => {
    for (const header of [header1('192.0.2.5'), 'PROXY UNKNOWN\r\n']) {
      using client = await TestClient.connect(server.ports.mx);
      await client.reply();
      client.write(header);
      assert.match((await client.reply())[0]!, /^500/);
    }
    using binary = await TestClient.connect(server.ports.mx);
    await binary.reply();
    binary.write(header2);
    assert.match(await binary.rest(), /^500 /);
  });

  test('the limit of connections is the client’s, not the proxy’s', async () => {
    await forgotten(server, 'mx');
    const clients: TestClient[] = [];
    const greeting = async (address: string): Promise<string> => {
      const client = await TestClient.connect(server.ports.mx, trusted);
      clients.push(client);
      client.write(header1(address));
      return (await client.reply())[0] ?? '';
    };
    for (let count = 0; count < 3; count++) assert.match(await greeting('192.0.2.1'), /^220/);
    assert.match(await greeting('192.0.2.1'), /^421 4\.7\.0/);
    for (let last = 2; last < 12; last++) assert.match(await greeting(`192.0.2.${last}`), /^220/);
    for (const client of clients) client.destroy();
    await forgotten(server, 'mx');
  });

  test('TLS begins right behind the header, in the same packet', async () => {
    const socket = connect({ port: server.ports.imaps, host: '127.0.0.1', localAddress: trusted });
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.cork();
    socket.write(header1('192.0.2.9'), 'latin1');
    const secure = connectTls({ socket, rejectUnauthorized: false });
    setImmediate(() => socket.uncork());
    const greeting = await new Promise<string>((resolve, reject) => {
      secure.once('data', (data: Buffer) => resolve(data.toString())).once('error', reject);
    });
    assert.match(greeting, /^\* OK/);
    secure.destroy();
  });
});

test('behind a balancer, "loopback" does not let a remote client log in without TLS', async () => {
  const settings = [`proxy_protocol_from=["${trusted}"]`];
  await using server = await ServerProcess.start({ accounts: ['alice'], settings });
  using client = await TestClient.connect(server.ports.pop3, trusted);
  client.write('PROXY TCP4 192.0.2.9 127.0.0.1 40000 110\r\n');
  assert.match((await client.line()) ?? '', /^\+OK/);
  assert.match(await ask(client, 'USER alice@example.test'), /^-ERR/);
  client.socket.destroy();
  await server.stop();
});
