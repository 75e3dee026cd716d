// A server's life as an operator and a balancer see it: reload, drain, restart, a neighbour, and what stops a start.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { exampleCertificate, otherCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { bytesOf, messagesOf, numberedMessage, storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, runRookery, ServerProcess, serverArguments } from '../server-process.ts';

async function fingerprintAt(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256!;
}

const fingerprintOf = ({ certificate }: { certificate: string }): string =>
  new X509Certificate(certificate).fingerprint256;

/** The lines up to the tagged answer, which is the last. */
async function answerTo(client: TestClient, tag: string): Promise<string[]> {
  const lines: string[] = [];
  for (let line = await client.line(); line !== undefined; line = await client.line()) {
    lines.push(line);
    if (line.startsWith(`${tag} `)) break;
  }
  return lines;
}

async function openImap(port: number, user: string): Promise<TestClient> {
  const client = await TestClient.connect(port);
  await client.line();
  client.send(`a LOGIN ${addressOf(user)} "${passwordOf(user)}"`);
  assert.match((await answerTo(client, 'a')).at(-1)!, /^a OK/);
  return client;
}

/** Up to the DATA command's 354. */
async function openData(port: number, user: string): Promise<TestClient> {
  const client = await TestClient.connect(port);
  await client.reply();
  const said = ['EHLO client.test', 'MAIL FROM:<x@elsewhere.test>', `RCPT TO:<${addressOf(user)}>`, 'DATA'];
  for (const line of said) {
    client.send(line);
    const reply = await client.reply();
    assert.match(reply.at(-1)!, /^[23]\d\d /);
  }
  return client;
}

async function refusesConnections(port: number): Promise<void> {
  await assert.rejects(TestClient.connect(port), { code: 'ECONNREFUSED' });
}

describe('SIGHUP', () => {
  let folder: TemporaryFolder;
  let server: ServerProcess;
  const write = async (
    { certificate, key }: { certificate: string; key: string },
    more = '',
  ): Promise<void> => {
    await writeFile(folder.at('server.crt'), certificate);
    await writeFile(folder.at('server.key'), key);
    const files = `certificate = "${folder.at('server.crt')}"\nkey = "${folder.at('server.key')}"\n`;
    await writeFile(folder.at('rookery.toml'), `${more}\n[[tls.certificates]]\n${files}`);
  };
  before(async () => {
    folder = await makeTemporaryFolder();
    await write(exampleCertificate);
    server = await ServerProcess.start({ config: folder.at('rookery.toml') });
  });
  after(async () => {
    await folder.remove();
    await server.stop([/^configuration not reloaded$/]);
  });

  test('takes a new certificate; open sessions go on', async () => {
    assert.equal(await fingerprintAt(server.ports.imaps), fingerprintOf(exampleCertificate));
    const open = await TestClient.connectTls(server.ports.imaps);
    assert.match((await open.line())!, /^\* OK /);
    await write(otherCertificate);
    server.signal('SIGHUP');
    await server.logged(({ msg }) => msg === 'configuration reloaded');
    assert.equal(await fingerprintAt(server.ports.imaps), fingerprintOf(otherCertificate));
    assert.equal(await fingerprintAt(server.ports.pop3s), fingerprintOf(otherCertificate));
    open.send('a NOOP');
    assert.deepEqual(await answerTo(open, 'a'), ['a OK Noop completed']);
    open.destroy();
  });

  test('takes new limits and says what needs a restart', async () => {
    await write(otherCertificate, 'hostname = "new.test"\n[limits]\nmessage_size = "1 KiB"');
    const outcome = await server.json<{ reloaded: string[]; needRestart: string[] }>(['reload']);
    assert.ok(outcome.reloaded.includes('limits.message_size'), outcome.reloaded.join());
    assert.deepEqual(outcome.needRestart, ['hostname']);
    const client = await TestClient.connect(server.ports.mx);
    await client.reply();
    client.send('EHLO client.test');
    assert.ok((await client.reply()).includes('250-SIZE 1024'));
    client.destroy();
  });

  test('changes nothing when the new configuration is wrong', async () => {
    await write(otherCertificate, 'hostnam = "typo"');
    server.signal('SIGHUP');
    const { reason } = await server.logged(({ msg }) => msg === 'configuration not reloaded');
    assert.match(String(reason), /rookery\.toml:1: hostnam: unknown key; did you mean "hostname"\?/);
    await write({ certificate: 'not a certificate', key: otherCertificate.key });
    const refused = await server.rookery(['reload']);
    assert.equal(refused.code, exitCodes.failure);
    assert.match(refused.stderr, /not reloaded: not a usable certificate and key: .*server\.crt/);
    assert.equal(await fingerprintAt(server.ports.imaps), fingerprintOf(otherCertificate));
    await write(exampleCertificate);
    assert.equal((await server.rookery(['reload'])).code, 0);
    assert.equal(await fingerprintAt(server.ports.imaps), fingerprintOf(exampleCertificate));
  });
});

describe('SIGTERM', () => {
  test('lets running commands finish, refuses new connections, and nothing is lost', async () => {
    await using folder = await makeTemporaryFolder();
    await using server = await ServerProcess.start({ data: folder.at('data'), accounts: ['alice'] });
    const smtp = await openData(server.ports.mx, 'alice');
    const imap = await openImap(server.ports.imap, 'alice');
    const text = numberedMessage(1);
    smtp.write(text.slice(0, 50));
    imap.send(`b APPEND INBOX {${text.length}}`);
    assert.match((await imap.line())!, /^\+ /);
    imap.write(text.slice(0, 50));
    const idle = await openImap(server.ports.imap, 'alice');
    const greeted = await TestClient.connect(server.ports.submission);
    await greeted.reply();

    server.signal('SIGTERM');
    await server.logged(({ msg }) => msg === 'stopping');
    assert.match((await idle.line())!, /^\* BYE /);
    assert.equal(await idle.line(), undefined);
    idle.end();
    assert.match((await greeted.reply()).join(), /^421 4\.3\.2 /);
    greeted.end();
    for (const name of ['imap', 'imaps', 'mx', 'submission', 'lmtp', 'pop3'] as const)
      await refusesConnections(server.ports[name]);
    const ready = await fetch(`http://127.0.0.1:${server.ports.admin}/readyz`);
    assert.deepEqual([ready.status, await ready.json()], [503, { status: 'unready', reason: 'draining' }]);

    smtp.write(`${text.slice(50)}.\r\n`.replace('\r\n.', '\r\n..'));
    assert.match((await smtp.reply()).join(), /^250 2\.0\.0 /);
    smtp.end();
    imap.write(`${text.slice(50)}\r\n`);
    assert.match((await answerTo(imap, 'b')).at(-1)!, /^b OK \[APPENDUID /);
    imap.end();
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    await server.stop();

    await using again = await ServerProcess.start({ data: folder.at('data') });
    const rows = await messagesOf(again.admin, 'alice');
    const texts = await Promise.all(rows.map(({ uid }) => bytesOf(again.admin, 'alice', { uid })));
    assert.equal(texts.length, 2);
    for (const bytes of texts) assert.ok(bytes.toString('latin1').endsWith(text));
    await again.stop();
  });

  test('cuts off who does not finish within limits.drain', async () => {
    await using server = await ServerProcess.start({
      accounts: ['alice'],
      settings: ['limits.drain=200 ms'],
    });
    const stuck = await openData(server.ports.mx, 'alice');
    stuck.write('Subject: never');
    await server.stop();
    assert.doesNotMatch(await stuck.rest(), /^250/m);
  });
});

describe('a start', () => {
  test('on the data of a server that runs fails and leaves that one alone', async () => {
    await using server = await ServerProcess.start({ accounts: ['alice'] });
    const second = await runRookery(serverArguments({ data: server.data }));
    assert.equal(second.code, exitCodes.failure);
    assert.match(second.stderr, /^rookery: .*(?:in use|is used|runs|locked)/i);
    assert.ok(second.stderr.includes(server.data), second.stderr);
    assert.equal(second.stderr.trim().split('\n').length, 1, 'told in one line');
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(1) });
    assert.equal((await messagesOf(server.admin, 'alice')).length, 1);
    await server.stop();
  });

  for (const name of ['imap', 'admin'] as const) {
    test(`on a port that is taken names it and the way out: ${name}`, async () => {
      await using folder = await makeTemporaryFolder();
      const occupant = createServer();
      await new Promise<void>((resolve) => {
        occupant.listen(0, '127.0.0.1', resolve);
      });
      const { port } = occupant.address() as { port: number };
      const settings = [`listen.${name}=127.0.0.1:${port}`];
      const refused = await runRookery(serverArguments({ data: folder.at('data'), settings }));
      occupant.close();
      assert.equal(refused.code, exitCodes.failure, refused.stderr);
      assert.match(refused.stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*taken.*--set listen\\.${name}=`));
      assert.equal(refused.stderr.trim().split('\n').length, 1, 'told in one line');
    });
  }

  test('beside another server: each has its own mail', async () => {
    await using one = await ServerProcess.start({ accounts: ['alice'] });
    await using two = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    await storeMessage(one.admin, 'alice', { bytes: numberedMessage(1) });
    assert.equal((await messagesOf(one.admin, 'alice')).length, 1);
    assert.equal((await messagesOf(two.admin, 'alice')).length, 0);
    await Promise.all([one.stop(), two.stop()]);
  });

  test('in a directory that everybody may enter leaves nothing there for others to read', async () => {
    await using folder = await makeTemporaryFolder();
    const data = folder.at('data');
    await mkdir(data, { mode: 0o755 });
    await chmod(data, 0o755);
    await using server = await ServerProcess.start({ data, accounts: ['alice'] });
    await storeMessage(server.admin, 'alice', { bytes: numberedMessage(7) });
    await server.json(['export', 'maildir', folder.at('exported'), '--account', addressOf('alice')]);
    for (const place of [data, folder.at('exported')]) {
      const entries = await readdir(place, { recursive: true });
      assert.ok(entries.length > 0);
      for (const entry of entries) assert.equal((await lstat(join(place, entry))).mode & 0o077, 0, entry);
    }
    await server.stop();
  });

  test('goes on where the last one stopped, also when that was killed', async () => {
    await using folder = await makeTemporaryFolder();
    const data = folder.at('deep', 'data');
    await mkdir(folder.at('deep'));
    await using killed = await ServerProcess.start({ data, accounts: ['alice'] });
    const uid = await storeMessage(killed.admin, 'alice', { bytes: numberedMessage(7), flags: ['$kept'] });
    killed.signal('SIGKILL');
    await killed.exited;
    await using server = await ServerProcess.start({ data });
    const [row] = await messagesOf(server.admin, 'alice');
    assert.deepEqual([row?.uid, row?.flags], [uid, ['$kept']]);
    const imap = await openImap(server.ports.imap, 'alice');
    imap.end();
    await server.stop();
  });
});
