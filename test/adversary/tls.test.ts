// TLS under attack: commands smuggled in front of the handshake, handshakes that are broken off, logins in the clear.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { ask, base64, command, forgotten, metric, smtp } from './attacked-server.ts';

/** What begins TLS, and its answer. */
const upgrades = {
  mx: { hello: 'EHLO x', start: 'STARTTLS', ready: /^220/ },
  submission: { hello: 'EHLO x', start: 'STARTTLS', ready: /^220/ },
  imap: { hello: undefined, start: 's STARTTLS', ready: /^s OK/ },
  pop3: { hello: undefined, start: 'STLS', ready: /^\+OK/ },
} as const;
type Upgraded = keyof typeof upgrades;
const names = Object.keys(upgrades) as Upgraded[];
const noops: Record<Upgraded, string> = {
  mx: 'NOOP',
  submission: 'NOOP',
  imap: 'n NOOP',
  pop3: 'CAPA',
};

describe('TLS under attack', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice'], settings: ['authentication.cleartext=never'] });
  });
  // Logs in over LMTP and POP3 without TLS, which this server forbids: only the log is looked at.
  after(() => server.stop());

  async function greeted(name: Upgraded): Promise<TestClient> {
    const { hello } = upgrades[name];
    if (hello !== undefined) return await smtp(server.ports[name], hello);
    const client = await TestClient.connect(server.ports[name]);
    await client.line();
    return client;
  }

  for (const name of names) {
    const { start, ready } = upgrades[name];

    test(`${name}: a command behind ${start} is not carried out, and ends the session`, async () => {
      using client = await greeted(name);
      client.write(`${start}\r\n${noops[name]}\r\n`);
      const answer = await client.rest();
      const lines = answer.split('\r\n').filter((line) => line !== '' && !line.startsWith('* BYE'));
      assert.equal(lines.length, 1, answer);
      assert.doesNotMatch(lines[0]!, ready);
    });

    test(`${name}: a command after the answer is no TLS, and ends the session`, async () => {
      using client = await greeted(name);
      assert.match(await ask(client, start), ready);
      assert.doesNotMatch(await ask(client, noops[name]), /OK|^250/);
      await forgotten(server, name);
    });

    test(`${name}: what was read ahead in the clear is not taken for TLS`, async () => {
      using client = await greeted(name);
      // More than is buffered before reading stops; ended in a STARTTLS that stands alone in the last chunk, or not.
      const flood = `${noops[name]}\r\n`.repeat(90);
      client.write(`${flood}${start}\r\n${`${noops[name]}\r\n`.repeat(30_000)}`);
      const answer = await client.rest();
      const answered = answer.split('\r\n').filter((line) => /^(?:250 2|n OK|\+OK cap)/.test(line)).length;
      assert(answered <= 90, `${answered} commands were carried out`);
    });

    test(`${name}: STARTTLS once`, async () => {
      using client = await greeted(name);
      assert.match(await ask(client, start), ready);
      await client.startTls();
      const { hello } = upgrades[name];
      if (hello !== undefined) {
        // RFC 3207 4.2: what was said before is forgotten.
        assert.match(await ask(client, 'MAIL FROM:<a@b.test>'), /^503/);
        assert.doesNotMatch(await command(client, hello), /STARTTLS/);
      }
      assert.match(await ask(client, start), /^(?:503|s BAD|-ERR)/);
      const noop = await ask(client, noops[name]);
      assert.match(noop, /OK/);
    });
  }

  test('handshakes that are broken off leave nothing behind', async () => {
    const starts = [
      '',
      '\x16',
      '\x16\x03\x01\x02\x00\x01\x00',
      '\x16\x03\x01\xff\xff',
      'GET / HTTP/1.1\r\n\r\n',
      '\x80\x2e\x01',
    ];
    for (const name of ['submissions', 'imaps', 'pop3s'] as const) {
      await Promise.all(
        starts.flatMap((start) =>
          [true, false].map((isReset) => breakOff(server.ports[name], start, isReset)),
        ),
      );
      await forgotten(server, name);
    }
    assert.equal(await metric(server, 'rookery_sessions_failed_total'), 0);
  });

  test('TLS 1.1 is not spoken', async () => {
    const socket = connectTls({
      port: server.ports.imaps,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.once('error', resolve));
    assert.match(error.code ?? '', /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/);
  });

  test('no password is asked for, taken or offered in the clear when it is forbidden', async () => {
    const plain = base64(`\0${addressOf('alice')}\0${passwordOf('alice')}`);
    using submission = await TestClient.connect(server.ports.submission);
    await submission.reply();
    assert.doesNotMatch(await command(submission, 'EHLO x'), /AUTH/);
    for (const mechanism of ['PLAIN', 'LOGIN', 'SCRAM-SHA-256', `PLAIN ${plain}`]) {
      assert.match(await command(submission, `AUTH ${mechanism}`), /^530 5\.7\.0/);
    }
    using imap = await TestClient.connect(server.ports.imap);
    assert.match((await imap.line())!, /LOGINDISABLED/);
    assert.match(
      await ask(imap, `a LOGIN ${addressOf('alice')} "${passwordOf('alice')}"`),
      /^a NO \[PRIVACYREQUIRED\]/,
    );
    assert.match(await ask(imap, `b AUTHENTICATE PLAIN ${plain}`), /^b NO \[PRIVACYREQUIRED\]/);
    assert.match(await ask(imap, 'c AUTHENTICATE PLAIN'), /^c NO \[PRIVACYREQUIRED\]/);
    using pop3 = await TestClient.connect(server.ports.pop3);
    await pop3.line();
    assert.match(await ask(pop3, `USER ${addressOf('alice')}`), /^-ERR/);
    assert.match(await ask(pop3, `PASS ${passwordOf('alice')}`), /^-ERR/);
    assert.match(await ask(pop3, `AUTH PLAIN ${plain}`), /^-ERR/);
    pop3.send('CAPA');
    const capabilities: string[] = [];
    for (let line = await pop3.line(); line !== '.' && line !== undefined; line = await pop3.line())
      capabilities.push(line);
    assert(!capabilities.some((line) => /^(?:USER|SASL)/.test(line)), capabilities.join());
  });
});

/** Resolves when both sides are done with it. */
async function breakOff(port: number, start: string, isReset: boolean): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.resume();
  await new Promise<void>((resolve) => socket.write(start, 'latin1', () => resolve()));
  if (isReset) socket.resetAndDestroy();
  else socket.end();
  await closed;
}
