// SMTP from other servers: what is too large, too much or too long, and sessions that end in the middle.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, codes, greeted, openSmtpServer } from './smtp-fixture.ts';

const from = 'MAIL FROM:<sender@elsewhere.test>';
const to = 'RCPT TO:<alice@example.test>';

test('too large: read to its end, refused, and the session goes on', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { messageBytesMax: 10_000 } } });
  using client = await greeted(server);
  await codes(client, from, to, 'DATA');
  client.write(`${'x'.repeat(78)}\r\n`.repeat(10_000));
  client.write('.\r\n');
  assert.equal(codeOf(await client.reply()), '552 5.3.4');
  assert.deepEqual(await codes(client, from, to, 'DATA'), ['250 2.1.0', '250 2.1.5', '354']);
  client.write('small\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(server.budget.bytesUsed, 0);
});

test('no memory left: the message waits, then is deferred', async () => {
  await using server = await openSmtpServer('mx', {
    budgetBytes: 200_000,
    protocol: { limits: { memoryTimeoutMs: 50, messageBytesMax: 100_000 } },
  });
  assert.equal(await server.budget.acquire(190_000, 0), true);
  using client = await greeted(server);
  await codes(client, from, to, 'DATA');
  client.write('text\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '452 4.3.1');
  await codes(client, from, to, 'DATA');
  server.budget.release(190_000);
  client.write('text\r\n.\r\n');
  assert.equal(codeOf(await client.reply()), '250 2.0.0');
  assert.equal(server.budget.bytesUsed, 0);
});

test('limits: errors, commands that lead nowhere, messages and rates', async () => {
  const limits = { errorsMax: 3, idleCommandsMax: 5, messagesMax: 1, messagesPerMinuteMax: 2 };
  await using server = await openSmtpServer('mx', { protocol: { limits } });
  using guesser = await greeted(server);
  assert.deepEqual(await codes(guesser, 'A', 'B', 'C'), ['500 5.5.1', '500 5.5.1', '500 5.5.1']);
  assert.match(await guesser.rest(), /^421 4\.7\.0 /);
  using idler = await greeted(server);
  idler.write('NOOP\r\n'.repeat(10));
  assert.match(await idler.rest(), /^(250 2\.0\.0 OK\r\n){4}421 4\.7\.0 [^\r]*\r\n$/);
  using sender = await greeted(server);
  await codes(sender, from, to, 'DATA');
  sender.write('x\r\n.\r\n');
  assert.equal(codeOf(await sender.reply()), '250 2.0.0');
  sender.send(from);
  assert.match(await sender.rest(), /^421 4\.7\.0 mail\.example\.test Enough messages/);
  using again = await greeted(server);
  assert.deepEqual(await codes(again, from, 'RSET', from), ['250 2.1.0', '250 2.0.0', '450 4.7.1']);
});

test('too many connections are told so', async () => {
  await using server = await openSmtpServer('mx', {
    listener: { limits: { connectionsMax: 1, connectionsPerAddressMax: 1 } },
  });
  using first = await greeted(server);
  using second = await server.connect();
  assert.match(await second.rest(), /^421 4\.3\.2 mail\.example\.test Too many connections/);
  first.send('QUIT');
  assert.match(await first.rest(), /^221 /);
});

test('shutting down: idle sessions hear 421, a message under way is finished', async () => {
  await using server = await openSmtpServer('mx');
  using idle = await greeted(server);
  using busy = await greeted(server);
  await codes(busy, from, to, 'DATA');
  busy.write('first\r\n');
  const closed = server.listener.close(10_000);
  assert.match(await idle.rest(), /^421 4\.3\.2 /);
  idle.end();
  busy.write('second\r\n.\r\n');
  assert.equal(codeOf(await busy.reply()), '250 2.0.0');
  assert.match(await busy.rest(), /^421 4\.3\.2 /);
  busy.end();
  await closed;
  assert.equal(server.accounts.delivered.length, 1);
});

test('a peer that goes away in the middle leaves nothing behind', async () => {
  await using server = await openSmtpServer('mx');
  const client = await greeted(server);
  await codes(client, from, to, 'DATA');
  client.write('half a mess');
  client.end();
  await client.rest();
  await server.listener.close(1_000);
  assert.equal(server.accounts.delivered.length, 0);
  assert.equal(server.budget.bytesUsed, 0);
});

test('a client that reads nothing is not fed without end', async () => {
  await using server = await openSmtpServer('mx', { protocol: { limits: { idleCommandsMax: 1e9 } } });
  using client = await greeted(server);
  client.socket.pause();
  const batch = 'HELP\r\n'.repeat(10_000);
  let sent = 0;
  while (client.socket.writableLength < 4 * 1024 * 1024 && sent < 5_000) {
    client.socket.write(batch);
    sent++;
    if (sent % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < 5_000, 'the server went on reading');
  using other = await greeted(server);
  assert.deepEqual(await codes(other, 'NOOP'), ['250 2.0.0']);
});
