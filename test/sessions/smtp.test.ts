// SMTP from other servers (the mx profile): the conversation, as transcripts over real sockets. What happens to a message's
// bytes is in smtp-bytes.test.ts, what happens at limits and ends in smtp-limits.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../src/base/fault.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { codeOf, codes, greeted, openSmtpServer } from './smtp-fixture.ts';

const from = 'MAIL FROM:<sender@elsewhere.test>';
const to = 'RCPT TO:<alice@example.test>';

test('greeting and EHLO name what we can', async () => {
  await using server = await openSmtpServer('mx');
  using client = await server.connect();
  assert.deepEqual(await client.reply(), ['220 mail.example.test ESMTP Rookery']);
  client.send('EHLO client.test');
  assert.deepEqual(await client.reply(), [
    '250-mail.example.test',
    '250-PIPELINING',
    '250-SIZE 52428800',
    '250-8BITMIME',
    '250-SMTPUTF8',
    '250-ENHANCEDSTATUSCODES',
    '250-CHUNKING',
    '250-BINARYMIME',
    '250-HELP',
    '250-LIMITS RCPTMAX=1000 MAILMAX=10000',
    '250 STARTTLS',
  ]);
  client.send('HELO client.test');
  assert.deepEqual(await client.reply(), ['250 mail.example.test']);
});

test('a message arrives with its trace fields', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  assert.deepEqual(await codes(client, from, to, 'DATA'), ['250 2.1.0', '250 2.1.5', '354']);
  client.write('Subject: hi\r\n\r\n..dot\r\n.\r\n');
  const [reply] = await client.reply();
  assert.match(reply!, /^250 2\.0\.0 OK [a-z2-7]+-\w+\.0$/);
  const [message] = server.accounts.delivered;
  assert.equal(message!.account, 'alice');
  const id = reply!.split(' ').at(-1);
  const date = '\\w{3}, \\d+ \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000';
  const expected = [
    'Return-Path: <sender@elsewhere\\.test>',
    'Delivered-To: alice@example\\.test',
    'Received: from client\\.test \\(\\[127\\.0\\.0\\.1\\]\\)',
    `\tby mail\\.example\\.test \\(Rookery\\) with ESMTP id ${id}`,
    '\tfor <alice@example\\.test>;',
    `\t${date}`,
    'Subject: hi',
    '',
    '\\.dot',
    '',
  ];
  assert.match(message!.text, new RegExp(`^${expected.join('\\r\\n')}$`));
});

test('a message without a header keeps its body', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  for (const [sent, stored] of [
    ['Subject: no body\r\n', ';\r\n\t[^\\r]*\r\nSubject: no body\r\n$'],
    ['just text\r\n', '\\+0000\r\n\r\njust text\r\n$'],
    ['\r\nafter a blank line\r\n', '\\+0000\r\n\r\nafter a blank line\r\n$'],
    ['', '\\+0000\r\n\r\n$'],
  ] as const) {
    await codes(client, from, to, 'DATA');
    client.write(`${sent}.\r\n`);
    assert.equal(codeOf(await client.reply()), '250 2.0.0');
    assert.match(server.accounts.delivered.at(-1)!.text, new RegExp(stored));
  }
});

test('250 comes only after the commit', async () => {
  await using server = await openSmtpServer('mx');
  const { promise, resolve: commit } = Promise.withResolvers<void>();
  server.accounts.gate = promise;
  using client = await greeted(server);
  await codes(client, from, to, 'DATA');
  client.write('x\r\n.\r\n');
  let replied = false;
  const reply = client.reply().then((lines) => {
    replied = true;
    return lines;
  });
  // A second session answers meanwhile: everything the first could say is said.
  using other = await greeted(server);
  assert.deepEqual(await codes(other, 'NOOP'), ['250 2.0.0']);
  assert.equal(replied, false);
  commit();
  assert.equal(codeOf(await reply), '250 2.0.0');
});

test('commands in the wrong state', async () => {
  await using server = await openSmtpServer('mx');
  using client = await server.connect();
  await client.reply();
  const early = await codes(
    client,
    from,
    to,
    'DATA',
    'STARTTLS',
    'NOOP',
    'RSET',
    'VRFY alice',
    'HELP',
    'EXPN x',
  );
  assert.deepEqual(early, [
    ...['503 5.5.1', '503 5.5.1', '503 5.5.1', '503 5.5.1', '250 2.0.0', '250 2.0.0', '252 2.5.2'],
    ...['214 2.0.0', '502 5.5.1'],
  ]);
  assert.deepEqual(await codes(client, 'EHLO c', to, 'DATA'), ['250', '503 5.5.1', '503 5.5.1']);
  assert.deepEqual(await codes(client, from, from, 'DATA'), ['250 2.1.0', '503 5.5.1', '503 5.5.1']);
  assert.deepEqual(await codes(client, to, from, 'RSET', 'DATA'), [
    '250 2.1.5',
    '503 5.5.1',
    '250 2.0.0',
    '503 5.5.1',
  ]);
  assert.deepEqual(await codes(client, 'LHLO c', 'AUTH PLAIN', 'FOO'), [
    '500 5.5.1',
    '500 5.5.1',
    '500 5.5.1',
  ]);
  // EHLO inside a transaction ends it.
  assert.deepEqual(await codes(client, from, 'EHLO c', to), ['250 2.1.0', '250', '503 5.5.1']);
});

test('syntax errors', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { errorsMax: 100 } } });
  using client = await greeted(server);
  const cases: [string, string][] = [
    ['EHLO', '501 5.5.4'],
    ['EHLO a b', '501 5.5.4'],
    ['MAIL', '501 5.5.4'],
    ['MAIL FROM:alice', '501 5.1.3'],
    ['MAIL FROM:<a@b> FOO=BAR', '555 5.5.4'],
    ['MAIL FROM:<a@b> SIZE=abc', '501 5.5.4'],
    ['MAIL FROM:<a@b> SIZE=99999999999', '552 5.3.4'],
    ['RSET x', '501 5.5.4'],
    ['VRFY', '501 5.5.4'],
    ['', '500 5.5.1'],
    ['NOOP \0', '500 5.5.2'],
    ['M\0AIL', '500 5.5.2'],
    [`NOOP ${'x'.repeat(20_000)}`, '500 5.5.2'],
    ['MAIL FROM:<gr\xc3\xbcn@b.test>', '553 5.6.7'],
    ['MAIL FROM:<gr\xfcn@b.test> SMTPUTF8', '500 5.5.2'],
    ['MAIL FROM:<gr\xc3\xbcn@b.test> SMTPUTF8', '250 2.1.0'],
  ];
  for (const [line, code] of cases) assert.deepEqual(await codes(client, line), [code], line.slice(0, 60));
  client.write('NOOP\nNOOP\r\n');
  assert.equal(codeOf(await client.reply()), '500 5.5.2');
  assert.equal(await client.line(), undefined);
});

test('recipients are checked at RCPT', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { recipientsMax: 3 } } });
  using client = await greeted(server);
  await codes(client, from);
  const cases: [string, string][] = [
    ['nobody@example.test', '550 5.1.1'],
    ['alice@elsewhere.test', '550 5.7.1'],
    ['dave@example.test', '550 5.2.1'],
    ['away@example.test', '550 5.7.1'],
    ['loop@example.test', '550 5.4.6'],
    ['postmaster', '250 2.1.5'],
    ['@relay.test:ALICE@EXAMPLE.TEST', '250 2.1.5'],
    ['gr\xc3\xbcn@example.test', '553 5.6.7'],
    ['team@example.test', '250 2.1.5'],
    ['carol@example.test', '452 4.5.3'],
  ];
  for (const [address, code] of cases)
    assert.deepEqual(await codes(client, `RCPT TO:<${address}>`), [code], address);
});

test('several recipients: one copy each, no Delivered-To, details name mailboxes', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  await codes(client, from, to, 'RCPT TO:<team@example.test>', 'RCPT TO:<carol+Known@example.test>', 'DATA');
  client.write('Subject: x\r\n\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  const places = server.accounts.delivered.map(({ account, mailbox }) => `${account}/${mailbox}`).sort();
  assert.deepEqual(places, ['alice/INBOX', 'bob/INBOX', 'carol/Known']);
  const [message] = server.accounts.delivered;
  assert.ok(!message!.text.includes('Delivered-To'));
  assert.ok(!message!.text.includes('for <'));
});

test('failures of delivery become replies', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { errorsMax: 100 } } });
  using client = await greeted(server);
  const cases: [Error, string][] = [
    [new MailError('storageFull', ''), '452 4.3.1'],
    [new MailError('overQuota', ''), '552 5.2.2'],
    [new MailError('unavailable', ''), '451 4.3.0'],
    [new MailError('noSuchAccount', ''), '550 5.1.1'],
    [new MailError('accountDisabled', ''), '550 5.2.1'],
    [new Fault('disk', { temporary: false }), '451 4.3.0'],
    [new Error('bug'), '451 4.3.0'],
  ];
  for (const [error, code] of cases) {
    server.accounts.failures.set('alice', [error]);
    await codes(client, from, to, 'DATA');
    client.write('x\r\n.\r\n');
    assert.equal(codeOf(await client.reply()), code, error.message);
  }
  assert.equal(server.accounts.delivered.length, 0);
});

test('deferred for one, delivered to another: the retry reaches only the one', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  server.accounts.failures.set('bob', [new MailError('storageFull', '')]);
  for (const code of ['452 4.3.1', '250 2.0.0']) {
    await codes(client, from, 'RCPT TO:<team@example.test>', 'DATA');
    client.write('Message-ID: <1@x>\r\n\r\nx\r\n.\r\n');
    assert.equal(codeOf(await client.reply()), code);
  }
  assert.deepEqual(
    server.accounts.delivered.map(({ account }) => account),
    ['alice', 'bob'],
  );
  // Sent once more after that, it is another message.
  await codes(client, from, 'RCPT TO:<team@example.test>', 'DATA');
  client.write('Message-ID: <1@x>\r\n\r\nx\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(server.accounts.delivered.length, 4);
});

test('loops are found by Received and by Delivered-To', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  await codes(client, from, to, 'DATA');
  client.write(`${'Received: from a by b; date\r\n'.repeat(101)}\r\nx\r\n.\r\n`);
  assert.equal(codeOf(await client.reply()), '554 5.4.6');
  await codes(client, from, to, 'DATA');
  client.write('x\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  // Sent back as it was delivered.
  await codes(client, from, to, 'DATA');
  client.write(`${server.accounts.delivered[0]!.text}.\r\n`);
  assert.equal(codeOf(await client.reply()), '554 5.4.6');
  // Fetched from another server for the same address.
  await codes(client, from, to, 'DATA');
  client.write('Delivered-To: Alice@example.test\r\nReceived: from a by other.test; date\r\n\r\nx\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(server.accounts.delivered.length, 2);
});

test('STARTTLS: hello is forgotten, Received says ESMTPS; nothing may follow it in the clear', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  assert.deepEqual(await codes(client, 'STARTTLS x', 'STARTTLS'), ['501 5.5.4', '220 2.0.0']);
  await client.startTls();
  assert.deepEqual(await codes(client, from), ['503 5.5.1']);
  client.send('EHLO client.test');
  assert.ok(!(await client.reply()).join().includes('STARTTLS'));
  assert.deepEqual(await codes(client, 'STARTTLS', `${from} SMTPUTF8`, to, 'DATA'), [
    ...['503 5.5.1', '250 2.1.0', '250 2.1.5', '354'],
  ]);
  client.write('x\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.match(server.accounts.delivered[0]!.text, /with UTF8SMTPS \(TLSv1\.3 TLS_\w+\) id/);

  using injector = await greeted(server);
  injector.write('STARTTLS\r\nNOOP\r\n');
  assert.match(await injector.rest(), /^503 5\.5\.1 [^\r]*\r\n$/);
});
