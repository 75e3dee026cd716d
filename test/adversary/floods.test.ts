// Floods: clients that never read, that come in crowds, that go in the middle of everything, that send byte by byte. The
// server's memory stays bounded, others are served meanwhile, and what was held is given back.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, type ListenerName, passwordOf, ServerProcess } from '../server-process.ts';
import { openSmtpServer } from '../sessions/smtp-fixture.ts';
import {
  ask,
  command,
  deliver,
  forgotten,
  metric,
  residentBytes,
  smtp,
  unharmed,
} from './attacked-server.ts';

const clientsPerFlood = 20;
const messageLines = 40_000;
/** What a flood may add: far below what its answers would take (gigabytes), far above what a measurement wavers. */
const memoryMarginBytes = 768 * 1024 * 1024;

const login = {
  imap: `a LOGIN ${addressOf('bob')} "${passwordOf('bob')}"\r\nb SELECT INBOX\r\n`,
  pop3: `USER ${addressOf('bob')}\r\nPASS ${passwordOf('bob')}\r\n`,
};
/** What is pipelined by each client, and never read. */
const floods: [ListenerName, string, number][] = [
  ['mx', 'EHLO x\r\nMAIL FROM:<>\r\nRSET\r\n'.repeat(20_000), clientsPerFlood],
  ['lmtp', 'LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n'.repeat(20_000), clientsPerFlood],
  ['imap', `${login.imap}${'c FETCH 1:* BODY.PEEK[]\r\n'.repeat(1_000)}`, clientsPerFlood],
  ['imap', `${login.imap}${'c LIST "" *\r\nd CAPABILITY\r\n'.repeat(50_000)}`, clientsPerFlood],
  ['imap', 'd CAPABILITY\r\n'.repeat(100_000), clientsPerFlood],
  ['pop3', 'CAPA\r\n'.repeat(200_000), clientsPerFlood],
  // One client has the maildrop, the others are told so.
  ['pop3', `${login.pop3}${'RETR 1\r\nRETR 2\r\n'.repeat(5_000)}`, clientsPerFlood],
];

describe('floods', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', 'bob'],
      settings: [
        'limits.connections_per_address=50',
        'limits.message_size=8 MiB',
        'limits.intake_memory=32 MiB',
      ],
    });
    const body = `${'z'.repeat(98)}\r\n`.repeat(messageLines);
    for (let count = 0; count < 2; count++) await deliver(server, 'bob', `Subject: large\r\n\r\n${body}`);
  });
  after(() => unharmed(server));

  test('clients that never read cost no memory, and others are served', async () => {
    const before = residentBytes(server);
    for (const [name, text, count] of floods) {
      const clients = await Promise.all(
        Array.from({ length: count }, () => TestClient.connect(server.ports[name])),
      );
      for (const client of clients) {
        client.socket.pause();
        client.write(text);
      }
      // Served in its turn, many times: the flood had its own turns in between.
      for (let turn = 0; turn < 30; turn++) {
        using other = await smtp(server.ports.submission);
        assert.match(await command(other, 'NOOP'), /^250/);
      }
      const more = residentBytes(server) - before;
      assert(more < memoryMarginBytes, `${name} ${text.slice(0, 20)}: ${more} bytes more`);
      for (const client of clients) client.destroy();
      await forgotten(server, name);
    }
  });

  test('nobody goes on working for a client that is gone', async () => {
    const read = (): Promise<number> => metric(server, 'rookery_pop3_messages_total');
    using client = await TestClient.connect(server.ports.pop3);
    await client.line();
    client.socket.pause();
    client.write(`${login.pop3}${'RETR 1\r\n'.repeat(3_000)}`);
    while ((await read()) < 1);
    client.destroy();
    await forgotten(server, 'pop3');
    const before = await read();
    // The maildrop is given back when the session has ended: until then a login is refused.
    for (let answer = ''; !answer.startsWith('+OK'); ) {
      using next = await TestClient.connect(server.ports.pop3);
      await next.line();
      await ask(next, `USER ${addressOf('bob')}`);
      answer = await ask(next, `PASS ${passwordOf('bob')}`);
    }
    assert((await read()) - before < 10);
  });

  test('a crowd from one address is turned away with a word, and let in when there is room', async () => {
    const clients = await Promise.all(Array.from({ length: 120 }, () => TestClient.connect(server.ports.mx)));
    const greetings = await Promise.all(clients.map(async (client) => (await client.reply())[0] ?? ''));
    assert.equal(greetings.filter((greeting) => greeting.startsWith('220')).length, 50);
    assert.equal(greetings.filter((greeting) => greeting.startsWith('421 4.7.0')).length, 70);
    using elsewhere = await TestClient.connect(server.ports.mx, '127.0.0.9');
    assert.match((await elsewhere.reply())[0]!, /^220/);
    for (const client of clients) client.destroy();
    elsewhere.destroy();
    await forgotten(server, 'mx');
    using again = await TestClient.connect(server.ports.mx);
    assert.match((await again.reply())[0]!, /^220/);
  });

  test('messages that break off in the middle leave no memory taken and no mail', async () => {
    const starts = [
      'DATA\r\nSubject: half\r\n\r\n',
      'DATA\r\n.',
      'BDAT 1000000 LAST\r\nSubject: half\r\n\r\n',
      'BDAT 10\r\n1234567890',
    ];
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const client = await smtp(server.ports.mx);
        for (const line of ['MAIL FROM:<a@elsewhere.test>', 'RCPT TO:<alice@example.test>']) {
          assert.match(await command(client, line), /^250/);
        }
        client.write(
          `${starts[index % starts.length]}${'x'.repeat(300_000)}`.slice(0, index % 2 === 0 ? 300_000 : 60),
        );
        if (index % 3 === 0) client.end();
        else client.socket.resetAndDestroy();
        if (index % 3 === 0) await client.rest();
        client.destroy();
      }),
    );
    await forgotten(server, 'mx');
    assert.equal(await metric(server, 'rookery_intake_memory_bytes'), 0);
  });

  test('more messages at once than memory has room for take turns, and do not wait for each other', async () => {
    const message = `Subject: at once\r\n\r\n${`${'y'.repeat(998)}\r\n`.repeat(6_000)}.\r\n`;
    const replies = await Promise.all(
      Array.from({ length: 12 }, async () => {
        using client = await smtp(server.ports.mx);
        for (const line of ['MAIL FROM:<a@elsewhere.test>', 'RCPT TO:<alice@example.test>', 'DATA']) {
          assert.match(await command(client, line), /^[23]/);
        }
        client.write(message);
        return (await client.reply())[0]!;
      }),
    );
    for (const reply of replies) assert.match(reply, /^250/);
    using client = await TestClient.connect(server.ports.pop3);
    await client.line();
    await ask(client, `USER ${addressOf('alice')}`);
    await ask(client, `PASS ${passwordOf('alice')}`);
    const taken = replies.filter((reply) => reply.startsWith('250')).length;
    assert.equal(Number((await ask(client, 'STAT')).split(' ')[1]), taken);
    await ask(client, 'QUIT');
  });
});

test('a message that trickles in is given up, by DATA and by BDAT, and its memory given back', async () => {
  const limits = { dataTimeoutMs: 600, dataBytesPerSecondMin: 10_000, idleTimeoutMs: 60_000 };
  await using server = await openSmtpServer('mx', { protocol: { limits } });
  const trickles: [string, string][] = [
    ['DATA\r\n', 'x'],
    ['BDAT 1000 LAST\r\n', 'x'],
    // Each chunk is whole: it is the pauses between them that take the time.
    ['', 'BDAT 1\r\nx'],
    ['BDAT 1\r\nx', ''],
  ];
  await Promise.all(
    trickles.map(async ([start, text]) => {
      using client = await server.connect();
      client.write(`EHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.test>\r\n${start}`);
      const timer = setInterval(() => client.write(text), 100);
      const rest = await client.rest();
      clearInterval(timer);
      assert.match(rest, /421 4\.4\.2 \S+ Idle for too long, closing\r\n$/, start + text);
    }),
  );
  assert.equal(server.budget.bytesUsed, 0);
});
