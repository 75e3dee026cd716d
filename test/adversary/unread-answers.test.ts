// Hundreds of clients that send commands for as long as the server takes them, and never read an answer. What the server holds
// for all of them is bounded, whichever protocol they speak, and others are served meanwhile. That such a session ends, with a
// line in the log, is shown by src/speakers/kit/socket-connection.test.ts, where time can be moved.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as later } from 'node:timers/promises';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, type ListenerName, passwordOf, ServerProcess } from '../server-process.ts';
import { command, deliver, forgotten, metric, residentBytes, smtp, unharmed } from './attacked-server.ts';

const clientsPerFlood = 200;
/** POP3 has one session for each maildrop. */
const maildrops = ['bob', ...Array.from({ length: 9 }, (_, index) => `user${index}`)];
const messageLines = 40_000;
/**
 * 128 MB for answers that are read ahead, and below a megabyte for each client: what came from it, what goes to it, and what
 * the garbage collector leaves. A gigabyte without the limits.
 */
const memoryMarginBytes = 400 * 1024 * 1024;
/** Long enough on a loaded machine; a flood is over when nothing was taken for a second. */
const floodMsMax = 30_000;

interface Flood {
  readonly name: ListenerName;
  readonly hello: (client: number) => string;
  readonly commands: string;
}

const floods: readonly Flood[] = [
  {
    name: 'imap',
    hello: () => `a LOGIN ${addressOf('bob')} "${passwordOf('bob')}"\r\nb SELECT INBOX\r\n`,
    commands: 'c FETCH 1:* BODY.PEEK[]\r\n'.repeat(1_000),
  },
  {
    name: 'imap',
    hello: () => `a LOGIN ${addressOf('bob')} "${passwordOf('bob')}"\r\nb SELECT INBOX\r\n`,
    commands: 'c FETCH 1:* (BODY.PEEK[1] ENVELOPE BODYSTRUCTURE)\r\nd LIST "" *\r\n'.repeat(1_000),
  },
  {
    name: 'pop3',
    hello: (client) => {
      const user = maildrops[client];
      return user === undefined ? '' : `USER ${addressOf(user)}\r\nPASS ${passwordOf(user)}\r\n`;
    },
    commands: 'RETR 1\r\nRETR 2\r\nCAPA\r\n'.repeat(1_000),
  },
  { name: 'mx', hello: () => '', commands: 'EHLO x\r\nMAIL FROM:<>\r\nRSET\r\n'.repeat(300) },
];

/** Sends without end, as fast as it is taken. */
function pour(client: TestClient, hello: string, commands: string, taken: (bytes: number) => void): void {
  const { socket } = client;
  const data = Buffer.from(commands, 'latin1');
  socket.pause();
  socket.write(hello);
  const send = (): void => {
    if (socket.destroyed) return;
    taken(data.length);
    if (socket.write(data)) setImmediate(send);
    else socket.once('drain', send);
  };
  send();
}

describe('clients that never read', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({
      accounts: ['alice', ...maildrops],
      settings: ['limits.connections_per_address=300', 'limits.message_size=8 MiB'],
    });
    const body = `${'z'.repeat(98)}\r\n`.repeat(messageLines);
    for (const user of maildrops) {
      for (let count = 0; count < 2; count++) await deliver(server, user, `Subject: large\r\n\r\n${body}`);
    }
  });
  after(() => unharmed(server));

  for (const [index, { name, hello, commands }] of floods.entries()) {
    test(`${clientsPerFlood} of ${name} (${index + 1}) cost bounded memory, and others are served`, async () => {
      const before = residentBytes(server);
      const clients = await Promise.all(
        Array.from({ length: clientsPerFlood }, () => TestClient.connect(server.ports[name])),
      );
      try {
        let sentBytes = 0;
        for (const [place, client] of clients.entries()) {
          pour(client, hello(place), commands, (bytes) => {
            sentBytes += bytes;
          });
        }
        const deadline = performance.now() + floodMsMax;
        for (let known = -1; known !== sentBytes && performance.now() < deadline; ) {
          known = sentBytes;
          await later(1000);
          using other = await smtp(server.ports.submission);
          assert.match(await command(other, 'NOOP'), /^250/);
        }
        const more = residentBytes(server) - before;
        assert.ok(more < memoryMarginBytes, `${more} bytes more`);
      } finally {
        for (const client of clients) client.destroy();
      }
      await forgotten(server, name);
      // Sessions end a moment after their connections.
      while ((await metric(server, 'rookery_answer_memory_bytes')) > 0);
    });
  }
});
