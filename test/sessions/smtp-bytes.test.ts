// SMTP from other servers: a message's bytes arrive as they were sent, in whatever pieces, by DATA and by BDAT (RFC 3030), and
// none of them passes for a command.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, codes, greeted, openSmtpServer } from './smtp-fixture.ts';

const from = 'MAIL FROM:<sender@elsewhere.test>';
const to = 'RCPT TO:<alice@example.test>';

test('everything in one packet: answers in order, in one go', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  client.write(`${from}\r\n${to}\r\nRCPT TO:<x@example.test>\r\nDATA\r\n`);
  const found: string[] = [];
  for (let count = 0; count < 4; count++) found.push(codeOf(await client.reply()));
  assert.deepEqual(found, ['250 2.1.0', '250 2.1.5', '550 5.1.1', '354']);
  client.write(`one\r\n.\r\n${from}\r\n${to}\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n`);
  const rest = await client.rest();
  const answers = rest.split('\r\n').map((line) => line.slice(0, 3));
  assert.deepEqual(answers, ['250', '250', '250', '354', '250', '221', '']);
  assert.deepEqual(
    server.accounts.delivered.map(({ text }) => text.slice(-5)),
    ['one\r\n', 'two\r\n'],
  );
});

test('a byte at a time makes no difference', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  for (const byte of `${from}\r\n${to}\r\nDATA\r\n..a\r\n.b\r\n\r\n.\r\nQUIT\r\n`) {
    client.socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.rest();
  assert.match(server.accounts.delivered[0]!.text, /\r\n\.a\r\nb\r\n\r\n$/);
});

test('smuggling: only CR LF . CR LF ends a message, bare line ends refuse it', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { errorsMax: 100 } } });
  using client = await greeted(server);
  const vectors = [
    '\n.\n',
    '\n.\r\n',
    '\r\n.\n',
    '\r.\r',
    '\r\n.\r',
    '\r.\r\n',
    '\r\r\n.\r\r\n',
    '\r\n\0.\r\n\n',
  ];
  for (const vector of vectors) {
    await codes(client, from, to, 'DATA');
    client.write(
      `Subject: a\r\n\r\ntext${vector}MAIL FROM:<evil@x>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nevil\r\n.\r\n`,
    );
    assert.equal(codeOf(await client.reply()), '554 5.6.0', JSON.stringify(vector));
  }
  assert.deepEqual(await codes(client, 'NOOP'), ['250 2.0.0']);
  assert.equal(server.accounts.delivered.length, 0);
});

test('NUL and eight-bit bytes are kept as they came', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  await codes(client, `${from} BODY=8BITMIME`, to, 'DATA');
  client.write('Subject: \xe4\xf6\r\n\r\n\0\x80\xff\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.ok(server.accounts.delivered[0]!.text.endsWith('Subject: \xe4\xf6\r\n\r\n\0\x80\xff\r\n'));
});

test('a large message in many pieces arrives whole', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  await codes(client, from, to, 'DATA');
  const body = Array.from(
    { length: 100_000 },
    (_, index) => `line ${index} ${'.'.repeat(index % 90)}\r\n`,
  ).join('');
  client.write(`${body.replace(/^\./gm, '..')}.\r\n`);
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.ok(server.accounts.delivered[0]!.text.endsWith(body));
  assert.equal(server.budget.bytesUsed, 0);
});

test('BDAT: chunks, binary, LAST', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  assert.deepEqual(await codes(client, `${from} BODY=BINARYMIME`, to, 'DATA'), [
    '250 2.1.0',
    '250 2.1.5',
    '503 5.5.1',
  ]);
  client.write('BDAT 5\r\nab\n\0\rBDAT 0\r\nBDAT 9 LAST\r\n.\r\n.\r\n\n\r.NOOP\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.ok(server.accounts.delivered[0]!.text.endsWith('ab\n\0\r.\r\n.\r\n\n\r.'));
});

test('BDAT: the counted bytes are never commands', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { messageBytesMax: 50 } } });
  using client = await greeted(server);
  client.write('BDAT 6\r\nQUIT\r\nNOOP\r\n');
  assert.equal(codeOf(await client.reply()), '503 5.5.1');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  await codes(client, from, to);
  client.write(`BDAT 40\r\n${'x'.repeat(40)}`);
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.deepEqual(await codes(client, 'DATA', 'RCPT TO:<bob@example.test>'), ['503 5.5.1', '503 5.5.1']);
  client.write(`BDAT 40\r\n${'x'.repeat(40)}BDAT 4 LAST\r\nQUIT`);
  assert.equal(codeOf(await client.reply()), '552 5.3.4');
  assert.equal(codeOf(await client.reply()), '503 5.5.1');
  await codes(client, from, to);
  client.write('BDAT 51 LAST\r\nQUIT\r\n');
  assert.equal(codeOf(await client.reply()), '552 5.3.4');
  assert.equal(await client.rest(), '');
  assert.equal(server.budget.bytesUsed, 0);
});

test('BDAT with a bad size ends the session: nobody knows where the next command is', async () => {
  await using server = await openSmtpServer('mx');
  using client = await greeted(server);
  client.write('BDAT x\r\nQUIT\r\n');
  assert.match(await client.rest(), /^501 5\.5\.4 [^\r]*\r\n$/);
});
