// Logins by certificate (SASL EXTERNAL, RFC 4422 appendix A), of a whole server as an operator sets it up.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { Fault } from '../../src/base/fault.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type AuthorityPair, makeAuthority, makeKey } from '../../src/cluster/authority/certificates.ts';
import { exampleCertificate } from '../../src/speakers/kit/test-certificates.ts';
import { type ShownCertificate, TestClient } from '../../src/speakers/kit/test-client.ts';
import { TlsContexts } from '../../src/speakers/kit/tls-contexts.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { ImapClient } from './imap-client.ts';

interface Named {
  readonly commonName?: string;
  readonly emails?: readonly string[];
  readonly dns?: string;
  /** Seconds; default an hour. */
  readonly endsIn?: number;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

async function certificateOf(authority: AuthorityPair, named: Named): Promise<ShownCertificate> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const { commonName = 'somebody', emails = [], dns, endsIn = 3600 } = named;
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const key = makeKey();
  const names = [
    ...emails.map((value) => ({ type: 'email', value }) as const),
    ...(dns === undefined ? [] : [{ type: 'dns', value: dns } as const]),
  ];
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: systemRandom.bytes(8).toString('hex').replace(/^./, '1'),
    subject: [{ CN: [commonName] }],
    issuer: new x509.X509Certificate(authority.certificate).subjectName,
    notBefore: new Date(now - 86_400_000),
    notAfter: new Date(now + endsIn * 1000),
    signingAlgorithm: algorithm,
    publicKey: createPublicKey(createPrivateKey(key)).toCryptoKey(algorithm, true, ['verify']),
    signingKey: createPrivateKey(authority.key).toCryptoKey(algorithm, false, ['sign']),
    extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)],
  });
  return { cert: certificate.toString('pem'), key };
}

describe('logins by certificate', () => {
  let folder: TemporaryFolder;
  let server: ServerProcess;
  let authority: AuthorityPair;
  before(async () => {
    folder = await makeTemporaryFolder();
    authority = await makeAuthority('of clients', { clock: systemClock, random: systemRandom });
    const file = folder.at('clients.pem');
    writeFileSync(file, authority.certificate);
    server = await ServerProcess.start({
      accounts: ['alice', 'bob', 'root'],
      settings: [
        `tls.client_authorities=${file}`,
        'authentication.cleartext=never',
        'limits.imap_messages=1000',
      ],
    });
    const path = `/api/accounts/${addressOf('root')}`;
    await server.admin.call({ method: 'PATCH', path, body: { administrator: true } });
  });
  after(async () => {
    await server.stop();
    await folder.remove();
  });

  async function shows(named: Named, from = authority): Promise<ImapClient> {
    const shown = await certificateOf(from, named);
    return await greeted(await TestClient.connectTls(server.ports.imaps, 'example.test', shown));
  }

  async function greeted(socket: TestClient): Promise<ImapClient> {
    const client = new ImapClient(socket);
    client.greeting = (await client.line())!;
    return client;
  }

  /** Whose session it is: by a mailbox that each of them has. */
  async function isOf(client: ImapClient, user: string): Promise<void> {
    await client.send(`LIST "" of-${user}`).tells(`* LIST (\\HasNoChildren) "/" of-${user}`);
  }

  before(async () => {
    for (const user of ['alice', 'bob', 'root']) {
      using client = await ImapClient.connect(server.ports.imaps, true);
      await client.send(`LOGIN ${addressOf(user)} "${passwordOf(user)}"`).ok();
      await client.send(`CREATE of-${user}`).ok();
    }
  });

  test('a verified certificate logs in by its address, with and without an initial response', async () => {
    using direct = await shows({ emails: [addressOf('alice')], commonName: addressOf('bob') });
    assert.match(direct.greeting, / AUTH=EXTERNAL AUTH=SCRAM-SHA-256-PLUS /);
    await direct.send('AUTHENTICATE EXTERNAL =').ok(/^CAPABILITY /);
    await isOf(direct, 'alice');
    using asked = await shows({ emails: [addressOf('ALICE')] });
    const tag = asked.write('authenticate external');
    assert.equal(await asked.line(), '+ ');
    asked.socket.send('');
    await asked.expect(tag).ok();
    await isOf(asked, 'alice');
    using cancelled = await shows({ emails: [addressOf('alice')] });
    const tagOfCancelled = cancelled.write('AUTHENTICATE EXTERNAL');
    assert.equal(await cancelled.line(), '+ ');
    cancelled.socket.send('*');
    await cancelled.expect(tagOfCancelled).bad();
    await cancelled.send(`LOGIN ${addressOf('bob')} "${passwordOf('bob')}"`).ok();
    await isOf(cancelled, 'bob');
  });

  test('the common name counts when there is no address, the identity asked for among several addresses', async () => {
    using byName = await shows({ commonName: addressOf('bob') });
    await byName.send('AUTHENTICATE EXTERNAL =').ok();
    await isOf(byName, 'bob');
    const both = { emails: [addressOf('alice'), addressOf('bob')] };
    using second = await shows(both);
    await second.send(`AUTHENTICATE EXTERNAL ${base64(addressOf('bob'))}`).ok();
    await isOf(second, 'bob');
    using first = await shows({ emails: ['away@elsewhere.test', ...both.emails] });
    await first.send('AUTHENTICATE EXTERNAL =').ok();
    await isOf(first, 'alice');
  });

  test('another identity is for administrators', async () => {
    using alice = await shows({ emails: [addressOf('alice')], commonName: addressOf('bob') });
    await alice.send(`AUTHENTICATE EXTERNAL ${base64(addressOf('bob'))}`).no('AUTHENTICATIONFAILED');
    await alice.send(`AUTHENTICATE EXTERNAL ${base64('a\0b')}`).bad();
    await alice.send(`AUTHENTICATE EXTERNAL ${base64(addressOf('alice'))}`).ok();
    using root = await shows({ emails: [addressOf('root')] });
    await root.send(`AUTHENTICATE EXTERNAL ${base64(addressOf('bob'))}`).ok();
    await isOf(root, 'bob');
  });

  test('an administrator sets quotas, and the limit of messages is told', async () => {
    using root = await shows({ emails: [addressOf('root')] });
    await root.send('AUTHENTICATE EXTERNAL =').ok(/ QUOTASET UNAUTHENTICATE MESSAGELIMIT=1000$/);
    const bobs = `"Other Users/${addressOf('bob')}"`;
    await root.send(`SETQUOTA ${bobs} (STORAGE 4096)`).tells(`* QUOTA ${bobs} (STORAGE 0 4096)`);
    using bob = await shows({ emails: [addressOf('bob')] });
    await bob.send('AUTHENTICATE EXTERNAL =').ok();
    await bob.send('GETQUOTA ""').tells('* QUOTA "" (STORAGE 0 4096)');
  });

  test('names that lead to nobody log in nobody', async () => {
    for (const named of [
      { emails: ['nobody@example.test'] },
      { commonName: 'bob' },
      // No name may pretend to be two.
      { dns: `x, email:${addressOf('bob')}, y` },
    ]) {
      using client = await shows(named);
      await client.send('AUTHENTICATE EXTERNAL =').no('AUTHENTICATIONFAILED');
    }
  });

  test('without a certificate that is verified EXTERNAL is not offered, and passwords go on', async () => {
    const other = await makeAuthority('of clients', { clock: systemClock, random: systemRandom });
    using foreign = await shows({ emails: [addressOf('alice')] }, other);
    using expired = await shows({ emails: [addressOf('alice')], endsIn: -60 });
    using none = await greeted(await TestClient.connectTls(server.ports.imaps));
    for (const client of [foreign, expired, none]) {
      assert.doesNotMatch(client.greeting, /EXTERNAL/);
      await client.send('AUTHENTICATE EXTERNAL =').no('CANNOT');
      await client.send(`LOGIN ${addressOf('bob')} "${passwordOf('bob')}"`).ok();
    }
  });

  test('STARTTLS: offered behind the handshake only', async () => {
    const shown = await certificateOf(authority, { emails: [addressOf('alice')] });
    using client = await ImapClient.connect(server.ports.imap);
    assert.doesNotMatch(client.greeting, /EXTERNAL/);
    await client.send('AUTHENTICATE EXTERNAL =').no('PRIVACYREQUIRED');
    await client.send('STARTTLS').ok();
    await client.socket.startTls('example.test', shown);
    assert.match((await client.send('CAPABILITY').ok()).untagged[0]!, / AUTH=EXTERNAL /);
    await client.send('AUTHENTICATE EXTERNAL =').ok();
    await isOf(client, 'alice');
  });

  test('a file that holds no certificate is refused, with its name', async () => {
    for (const [file, content] of [
      [folder.at('empty.pem'), ''],
      [folder.at('none.pem'), undefined],
      [folder.at('key.pem'), makeKey()],
    ] as const) {
      if (content !== undefined) writeFileSync(file, content);
      await assert.rejects(
        TlsContexts.open([exampleCertificate], { clientAuthoritiesFile: file }),
        (error) => error instanceof Fault && error.message.includes(file),
      );
    }
  });

  test('submission and POP3 offer it too', async () => {
    const shown = await certificateOf(authority, { emails: [addressOf('alice')] });
    using submission = await TestClient.connectTls(server.ports.submissions, 'example.test', shown);
    await submission.reply();
    submission.send('EHLO x');
    assert((await submission.reply()).some((line) => /^250[ -]AUTH EXTERNAL /.test(line)));
    submission.send('AUTH EXTERNAL =');
    assert.match((await submission.line())!, /^235 /);
    submission.send(`MAIL FROM:<${addressOf('alice')}>`);
    assert.match((await submission.line())!, /^250 /);
    using pop3 = await TestClient.connectTls(server.ports.pop3s, 'example.test', shown);
    await pop3.line();
    pop3.send('AUTH EXTERNAL =');
    assert.match((await pop3.line())!, /^\+OK/);
    pop3.send('STAT');
    assert.equal(await pop3.line(), '+OK 0 0');
  });
});
