// Submission by our users: authentication, whose address it is, completing messages.

import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { test } from 'node:test';
import { newOperation } from '../../src/account/testing.ts';
import type { Directory } from '../../src/directory/directory.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import type { TestClient } from '../../src/speakers/kit/test-client.ts';
import { password } from './harness.ts';
import { codeOf, codes, greeted, openSmtpServer, type SmtpServer } from './smtp-fixture.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = (user: string, secret: string): string => `AUTH PLAIN ${base64(`\0${user}\0${secret}`)}`;
const alice = 'alice@example.test';

async function secure(server: SmtpServer): Promise<TestClient> {
  const client = await greeted(server);
  await codes(client, 'STARTTLS');
  await client.startTls();
  client.send('EHLO client.test');
  await client.reply();
  return client;
}

test('in the clear there is no AUTH, unless it is allowed', async () => {
  await using server = await openSmtpServer('submission');
  using client = await server.connect();
  await client.reply();
  client.send('EHLO client.test');
  const offer = await client.reply();
  assert.ok(!offer.join().includes('AUTH'));
  assert.deepEqual(await codes(client, plain(alice, password)), ['530 5.7.0']);
  assert.deepEqual(await codes(client, `MAIL FROM:<${alice}>`), ['530 5.7.0']);

  await using open = await openSmtpServer('submission', { protocol: { allowCleartextAuth: true } });
  using other = await open.connect();
  await other.reply();
  other.send('EHLO client.test');
  assert.ok((await other.reply()).some((line) => line.endsWith('AUTH SCRAM-SHA-256 PLAIN LOGIN')));
  assert.deepEqual(await codes(other, plain(alice, password)), ['235 2.7.0']);
});

test('PLAIN and LOGIN, right and wrong, cancelled and garbled', async () => {
  await using server = await openSmtpServer('submission', { protocol: { limits: { errorsMax: 100 } } });
  using client = await secure(server);
  assert.deepEqual(await codes(client, plain(alice, 'wrong'), plain('nobody@x', 'x')), [
    ...['535 5.7.8', '535 5.7.8'],
  ]);
  const bob = 'bob@example.test';
  const guesses = [plain(bob, '1'), plain(bob, '2'), plain(bob, '3'), plain(bob, '4'), plain(bob, password)];
  assert.equal((await codes(client, ...guesses)).at(-1), '454 4.7.0');
  assert.deepEqual(await codes(client, 'AUTH PLAIN', '*'), ['334', '501 5.7.0']);
  assert.deepEqual(await codes(client, 'AUTH PLAIN', '###'), ['334', '501 5.5.2']);
  assert.deepEqual(await codes(client, 'AUTH PLAIN', 'x'.repeat(20_000)), ['334', '500 5.5.6']);
  assert.deepEqual(await codes(client, 'AUTH PLAIN ====', 'AUTH CRAM-MD5', 'AUTH'), [
    ...['501 5.5.2', '504 5.5.4', '501 5.5.4'],
  ]);
  assert.deepEqual(await codes(client, 'AUTH LOGIN', base64(alice), base64(password)), [
    '334',
    '334',
    '235 2.7.0',
  ]);
  assert.deepEqual(await codes(client, plain(alice, password)), ['503 5.5.1']);
});

/** The client's side of SCRAM-SHA-256(-PLUS), RFC 5802. */
async function scram(
  client: TestClient,
  header: string,
  binding: Buffer,
  mechanism: string,
): Promise<string> {
  const bare = `n=${alice},r=clientnonce`;
  client.send(`AUTH ${mechanism} ${base64(`${header}${bare}`)}`);
  const serverFirst = Buffer.from((await client.line())!.slice(4), 'base64').toString();
  const [, nonce, salt, iterations] = /^r=(.*),s=(.*),i=(.*)$/.exec(serverFirst)!;
  const salted = pbkdf2Sync(password, Buffer.from(salt!, 'base64'), Number(iterations), 32, 'sha256');
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const final = `c=${Buffer.concat([Buffer.from(header), binding]).toString('base64')},r=${nonce}`;
  const stored = createHash('sha256').update(clientKey).digest();
  const signature = hmac(stored, `${bare},${serverFirst},${final}`);
  const proof = clientKey.map((byte, index) => byte ^ signature[index]!);
  client.send(base64(`${final},p=${Buffer.from(proof).toString('base64')}`));
  const answer = await client.reply();
  if (!answer[0]!.startsWith('334')) return codeOf(answer);
  const expected = hmac(hmac(salted, 'Server Key'), `${bare},${serverFirst},${final}`).toString('base64');
  assert.equal(Buffer.from(answer[0]!.slice(4), 'base64').toString(), `v=${expected}`);
  client.send('');
  return codeOf(await client.reply());
}

test('SCRAM-SHA-256, and -PLUS bound to this TLS session', async () => {
  await using server = await openSmtpServer('submission');
  using first = await secure(server);
  assert.equal(await scram(first, 'n,,', Buffer.alloc(0), 'SCRAM-SHA-256'), '235 2.7.0');
  using second = await greeted(server);
  await codes(second, 'STARTTLS');
  const tls = await second.startTls();
  await codes(second, 'EHLO client.test');
  const binding = tls.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  assert.equal(await scram(second, 'p=tls-exporter,,', Buffer.alloc(32), 'SCRAM-SHA-256-PLUS'), '535 5.7.8');
  assert.equal(await scram(second, 'p=tls-exporter,,', binding, 'SCRAM-SHA-256-PLUS'), '235 2.7.0');
});

test('the sender is the user, other domains come later', async () => {
  await using server = await openSmtpServer('submission');
  using client = await secure(server);
  assert.deepEqual(
    await codes(client, 'MAIL FROM:<>', plain(alice, password), 'MAIL FROM:<bob@example.test>'),
    [...['530 5.7.0', '235 2.7.0', '553 5.7.1']],
  );
  assert.deepEqual(await codes(client, 'MAIL FROM:<>', 'RSET'), ['250 2.1.0', '250 2.0.0']);
  assert.deepEqual(await codes(client, `MAIL FROM:<${alice}>`, 'AUTH PLAIN'), ['250 2.1.0', '503 5.5.1']);
  client.send('RCPT TO:<x@elsewhere.test>');
  assert.match((await client.line())!, /^550 5\.7\.1 .*relaying to other domains comes later/);
});

test('From, Date and Message-ID are added when absent, and not otherwise', async () => {
  await using server = await openSmtpServer('submission');
  using client = await secure(server);
  await codes(client, plain(alice, password));
  const send = async (message: string): Promise<string> => {
    await codes(client, `MAIL FROM:<${alice}>`, 'RCPT TO:<bob@example.test>', 'DATA');
    client.write(`${message}\r\n.\r\n`);
    assert.equal(codeOf(await client.reply()), '250 2.0.0');
    return server.accounts.delivered.at(-1)!.text;
  };
  const completed = await send('Subject: x\r\n\r\ntext');
  assert.match(
    completed,
    /\r\nDate: [^\r]*\+0000\r\nMessage-ID: <[a-z2-7]{24}@mail\.example\.test>\r\nSubject: x\r\n\r\ntext\r\n$/,
  );
  assert.match(completed, /with ESMTPSA \(TLSv1\.3/);
  assert.match(completed, /\r\nFrom: alice@example\.test\r\nDate: /);
  const complete = await send(`from: ${alice}\r\ndate: today\r\nMESSAGE-ID: <1@x>\r\n\r\ntext`);
  assert.match(
    complete,
    /\+0000\r\nfrom: alice@example.test\r\ndate: today\r\nMESSAGE-ID: <1@x>\r\n\r\ntext\r\n$/,
  );
  // A header that looks like one in the body does not count.
  assert.match(await send('Subject: x\r\n\r\nDate: x'), /\r\nDate: [^\r]*\r\nMessage-ID/);
});

/** Sends a message with this header to bob; the whole reply. */
async function submit(client: TestClient, header: string, sender = alice): Promise<string> {
  const bob = 'bob@example.test';
  const asked = await codes(client, `MAIL FROM:<${sender}>`, `RCPT TO:<${bob}>`, 'DATA');
  assert.deepEqual(asked, ['250 2.1.0', '250 2.1.5', '354']);
  client.write(`${header}\r\nSubject: x\r\n\r\ntext\r\n.\r\n`);
  return (await client.reply()).join();
}

const refusals = {
  author: '550 5.7.1 From names no address of yours',
  sender: '550 5.7.1 Sender names no address of yours',
  unclear: '550 5.7.1 One From field is needed, and one Sender when it names several authors',
};

const judged: readonly (readonly [header: string, refusal: string | undefined])[] = [
  [`From: ${alice}`, undefined],
  ['from : "Alice, A" <ALICE+work@Example.TEST>', undefined],
  ['From: Sales <sales@example.test>', undefined],
  ['From: =?utf-8?q?bob=40example.test?=\r\n <alice@example.test> (bob@example.test)', undefined],
  ['X-From: bob@example.test', undefined],
  ['From: bob@example.test', refusals.author],
  ['From: alice@example.test <bob@example.test>', refusals.author],
  ['From: "alice@example.test" <bob@example.test> (alice@example.test)', refusals.author],
  ['From: team@example.test', refusals.author],
  ['From: anything@example.test', refusals.author],
  ['From: alice@elsewhere.test', refusals.author],
  ['From: alice', refusals.author],
  ['From:', refusals.author],
  ['From: undisclosed-recipients:;', refusals.author],
  [`From: bob@example.test\r\nSender: ${alice}`, refusals.author],
  [`From: ${alice}\r\nSender: bob@example.test`, refusals.sender],
  ['Sender: bob@example.test', refusals.sender],
  [`From: ${alice}\r\nFrom: bob@example.test`, refusals.unclear],
  [`From: ${alice}\r\nSender: ${alice}\r\nSender: bob@example.test`, refusals.unclear],
  [`From: ${alice}, bob@example.test`, refusals.unclear],
  [`From: ${alice}, bob@example.test\r\nSender: ${alice}`, undefined],
  [`From: ${alice}\r\nSender: ${alice}, bob@example.test`, refusals.unclear],
  [`From: ${alice}\r\n${'X:\r\n'.repeat(10_000)}From: bob@example.test`, refusals.unclear],
  [`From: ${alice}\r\nX: ${'x'.repeat(300_000)}\r\nFrom: bob@example.test`, refusals.unclear],
  // Beside what this server takes for the author, other readers see another one.
  [`From: ${alice}\r\nstray\r\nX: ${'x'.repeat(300_000)}\r\nFrom: bob@example.test`, refusals.unclear],
  ['To: x@y\r\n \r\nstray\r\nFrom: bob@example.test', refusals.unclear],
  [`\ufeffFrom: bob@example.test\r\nFrom: ${alice}`, refusals.unclear],
  [`From: ${alice}\r\nFrom\x01: bob@example.test`, refusals.unclear],
  [`From: ${alice}\r\nFr\0om: bob@example.test`, refusals.unclear],
  // It would go on with the From that is added.
  [' <bob@example.test>\r\nDate: today\r\nMessage-ID: <1@x>', refusals.unclear],
  [`From: bob@example.test\x01 <${alice}>`, refusals.unclear],
  [`From: =?x?q?<bob@example.test>,?= <${alice}>`, refusals.unclear],
  [`From: ${alice}\r\nSender: =?x?q?:bob@example.test;?= <${alice}>`, refusals.unclear],
  [`From: =?utf-8?q?A,_B?= <${alice}>`, undefined],
  [`From: =?utf-8?q?${alice}?= <${alice}>`, undefined],
  [`Resent: no\r\n from: bob@example.test\r\nFrom: ${alice}`, undefined],
];

test('a message names its user as author, or is refused', async () => {
  await using server = await openSmtpServer('submission', { protocol: { limits: { errorsMax: 100 } } });
  const { directory } = server.harness;
  await directory.addAlias({ address: 'sales@example.test', targets: [alice] });
  await directory.setDomain('example.test', { catchAll: alice });
  using client = await secure(server);
  await codes(client, plain(alice, password));
  for (const [header, refusal] of judged) {
    const known = server.accounts.delivered.length;
    const reply = await submit(client, header);
    if (refusal === undefined) assert.ok(reply.startsWith('250 2.0.0'), `${header}: ${reply}`);
    else assert.equal(reply, refusal, header.slice(0, 100));
    assert.equal(server.accounts.delivered.length, known + (refusal === undefined ? 1 : 0));
  }
});

test('nor is another author behind a bare CR or LF, which BDAT may bring', async () => {
  await using server = await openSmtpServer('submission');
  using client = await secure(server);
  await codes(client, plain(alice, password));
  for (const [lineEnd, reply] of [
    ['\r', refusals.unclear],
    ['\n', refusals.unclear],
    ['\n ', '250 2.0.0'],
  ] as const) {
    await codes(client, `MAIL FROM:<${alice}>`, 'RCPT TO:<bob@example.test>');
    const message = `From: ${alice}\r\nSubject: x${lineEnd}From: bob@example.test\r\n\r\ntext\r\n`;
    client.send(`BDAT ${message.length} LAST`);
    client.write(message);
    const got = (await client.reply()).join();
    assert.ok(got.startsWith(reply), `${JSON.stringify(lineEnd)}: ${got}`);
  }
});

test('a session sends no more once its login could not begin now', async () => {
  await using server = await openSmtpServer('submission');
  const { directory } = server.harness;
  const { id } = (await directory.accountByAddress(alice))!;
  const ends: readonly (() => Promise<unknown>)[] = [
    () => directory.setPassword(id, password),
    () =>
      directory.setAccount(id, { enabled: false }).then(() => directory.setAccount(id, { enabled: true })),
    () => directory.setAccount(id, { services: ['imap'] }),
  ];
  for (const end of ends) {
    for (const sender of [alice, '']) {
      await directory.setAccount(id, { services: ['imap', 'smtp'] });
      using client = await secure(server);
      const before = await codes(client, plain(alice, password), `MAIL FROM:<${sender}>`, 'RSET');
      assert.deepEqual(before, ['235 2.7.0', '250 2.1.0', '250 2.0.0']);
      await end();
      client.send(`MAIL FROM:<${sender}>`);
      assert.match(await client.rest(), /^421 4\.7\.0 mail\.example\.test Your login has ended/);
    }
  }
});

test('in the outer zone a session sends no more once its grant has ended', async () => {
  let hasEnded = false;
  const ownsAddress: Directory['ownsAddress'] = async (...asked) => {
    if (hasEnded) throw new MailError('authenticationFailed', 'no grant');
    return server.harness.directory.ownsAddress(...asked);
  };
  // As RemoteDirectory: it knows no epochs.
  const directory: Directory = new Proxy({} as Directory, {
    get(_, name: keyof Directory) {
      if (name === 'sessionEpoch') return undefined;
      return name === 'ownsAddress' ? ownsAddress : server.harness.directory[name];
    },
  });
  await using server: SmtpServer = await openSmtpServer('submission', { protocol: { directory } });
  for (const sender of [alice, '']) {
    hasEnded = false;
    using client = await secure(server);
    const before = await codes(client, plain(alice, password), `MAIL FROM:<${sender}>`, 'RSET');
    assert.deepEqual(before, ['235 2.7.0', '250 2.1.0', '250 2.0.0']);
    hasEnded = true;
    assert.deepEqual(await codes(client, `MAIL FROM:<${sender}>`), ['421 4.7.0']);
  }
});

test('an administrator sends for somebody until his own login ends', async () => {
  await using server = await openSmtpServer('submission');
  const { directory } = server.harness;
  const { id } = (await directory.accountByAddress('root@example.test'))!;
  using client = await secure(server);
  const secret = Buffer.from(`${alice}\0root@example.test\0${password}`).toString('base64');
  const before = await codes(client, `AUTH PLAIN ${secret}`, `MAIL FROM:<${alice}>`, 'RSET');
  assert.deepEqual(before, ['235 2.7.0', '250 2.1.0', '250 2.0.0']);
  await directory.setPassword(id, password);
  assert.deepEqual(await codes(client, `MAIL FROM:<${alice}>`), ['421 4.7.0']);
});

test('with check_from = "off" the header is not looked at', async () => {
  await using server = await openSmtpServer('submission', { protocol: { checksAuthor: false } });
  using client = await secure(server);
  await codes(client, plain(alice, password));
  for (const [header] of judged.slice(0, 20))
    assert.ok((await submit(client, header)).startsWith('250 2.0.0'), header);
});

test('who may post to the INBOX of another account sends in its name', async () => {
  await using server = await openSmtpServer('submission');
  const { harness } = server;
  await harness.addAccount('office', { shared: true });
  const office = await harness.account('office');
  const { id: mailboxId } = (await office.findMailbox({ role: 'inbox' }))!;
  const allow = (rights: string) =>
    office.setAcl({ operation: newOperation(), mailboxId, identifier: alice, mode: 'replace', rights });
  using client = await secure(server);
  await codes(client, plain(alice, password));
  const header = 'From: The Office <office+news@example.test>';
  for (const rights of ['', 'lrswi', 'lrp', 'lr']) {
    await allow(rights);
    const reply = await submit(client, header);
    if (rights.includes('p')) assert.ok(reply.startsWith('250 2.0.0'), reply);
    else assert.equal(reply, refusals.author);
    const asked = await codes(client, 'MAIL FROM:<office@example.test>', 'RSET');
    assert.equal(asked[0], rights.includes('p') ? '250 2.1.0' : '553 5.7.1');
  }
});
