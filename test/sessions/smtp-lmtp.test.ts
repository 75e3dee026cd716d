// LMTP (RFC 2033): one answer for each recipient.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MailError } from '../../src/mail/mail-error.ts';
import { codeOf, codes, greeted, openSmtpServer } from './smtp-fixture.ts';

const from = 'MAIL FROM:<sender@elsewhere.test>';
const to = (name: string): string => `RCPT TO:<${name}@example.test>`;

test('LHLO only', async () => {
  await using server = await openSmtpServer('lmtp');
  using client = await server.connect();
  assert.deepEqual(await client.reply(), ['220 mail.example.test LMTP Rookery']);
  assert.deepEqual(await codes(client, 'EHLO x', 'HELO x', 'AUTH PLAIN'), [
    '500 5.5.1',
    '500 5.5.1',
    '500 5.5.1',
  ]);
  client.send('LHLO client.test');
  const offer = await client.reply();
  for (const name of ['PIPELINING', 'ENHANCEDSTATUSCODES', '8BITMIME', 'CHUNKING'])
    assert.ok(offer.join().includes(name));
});

test('a status for each recipient, in their order', async () => {
  await using server = await openSmtpServer('lmtp');
  using client = await greeted(server, 'LHLO client.test');
  server.accounts.failures.set('bob', [new MailError('overQuota', '')]);
  server.accounts.failures.set('carol', [new MailError('storageFull', '')]);
  const lines = [from, to('alice'), to('nobody'), to('bob'), to('carol'), to('alice'), 'DATA'];
  assert.deepEqual(await codes(client, ...lines), [
    ...['250 2.1.0', '250 2.1.5', '550 5.1.1', '250 2.1.5', '250 2.1.5', '250 2.1.5', '354'],
  ]);
  client.write('x\r\n.\r\nNOOP\r\n');
  const statuses: string[] = [];
  for (let count = 0; count < 5; count++) statuses.push(codeOf(await client.reply()));
  assert.deepEqual(statuses, ['250 2.0.0', '552 5.2.2', '452 4.3.1', '250 2.0.0', '250 2.0.0']);
  assert.deepEqual(
    server.accounts.delivered.map(({ account }) => account),
    ['alice'],
  );
  assert.match(server.accounts.delivered[0]!.text, /with LMTP id/);
});

test('refusals come once for each recipient too', async () => {
  await using server = await openSmtpServer('lmtp', { protocol: { limits: { messageBytesMax: 100 } } });
  using client = await greeted(server, 'LHLO client.test');
  await codes(client, from, to('alice'), to('bob'), 'DATA');
  client.write(`${'x'.repeat(200)}\r\n.\r\n`);
  assert.deepEqual([codeOf(await client.reply()), codeOf(await client.reply())], ['552 5.3.4', '552 5.3.4']);
  await codes(client, from, to('alice'), to('bob'), 'DATA');
  client.write('x\n.\n\r\n.\r\n');
  assert.deepEqual([codeOf(await client.reply()), codeOf(await client.reply())], ['554 5.6.0', '554 5.6.0']);
  await codes(client, from, to('alice'), to('bob'));
  client.write('BDAT 3 LAST\r\nabc');
  assert.deepEqual([codeOf(await client.reply()), codeOf(await client.reply())], ['250 2.0.0', '250 2.0.0']);
  assert.deepEqual(await codes(client, 'DATA', from, 'DATA'), ['503 5.5.1', '250 2.1.0', '503 5.5.1']);
});

test('many messages pipelined behind each other', async () => {
  await using server = await openSmtpServer('lmtp');
  using client = await greeted(server, 'LHLO client.test');
  const count = 300;
  client.write(`${from}\r\n${to('alice')}\r\nDATA\r\ntext\r\n.\r\n`.repeat(count));
  client.send('QUIT');
  const answers = (await client.rest()).split('\r\n').filter((line) => line.startsWith('250 2.0.0 OK'));
  assert.equal(answers.length, count);
  assert.equal(server.accounts.delivered.length, count);
});
