// rookery who and kick, and what ends sessions by itself: a password that is changed or taken back, an account that is disabled.
// Each protocol says goodbye in its own words, and nobody else's sessions end.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';

interface Who {
  readonly items: readonly {
    readonly id: string;
    readonly node: string | null;
    readonly protocol: string;
    readonly account: string | null;
    readonly remoteAddress: string;
    readonly remotePort: number;
    readonly connectedAt: number;
    readonly tls: string | null;
    readonly mailbox: string | null;
  }[];
  readonly unanswered: readonly string[];
}

const plainOf = (user: string, password = passwordOf(user)): string =>
  Buffer.from(`\0${addressOf(user)}\0${password}`).toString('base64');

/** Lines up to the one that matches. */
async function until(client: TestClient, pattern: RegExp): Promise<string> {
  for (let line = await client.line(); line !== undefined; line = await client.line())
    if (pattern.test(line)) return line;
  return assert.fail(`the connection ended before ${pattern}`);
}

async function openImaps(server: ServerProcess, user: string, password?: string): Promise<TestClient> {
  const client = await TestClient.connectTls(server.ports.imaps);
  client.send(`a AUTHENTICATE PLAIN ${plainOf(user, password)}`);
  await until(client, /^a OK/);
  return client;
}

async function openPop3(server: ServerProcess, user: string): Promise<TestClient> {
  const client = await TestClient.connect(server.ports.pop3);
  client.send(`AUTH PLAIN ${plainOf(user)}`);
  await until(client, /^\+OK maildrop/);
  return client;
}

async function openSubmission(server: ServerProcess, user: string): Promise<TestClient> {
  const client = await TestClient.connect(server.ports.submission);
  client.send('EHLO client.test');
  client.send(`AUTH PLAIN ${plainOf(user)}`);
  await until(client, /^235 /);
  return client;
}

const who = (server: ServerProcess, ...args: string[]): Promise<Who> => server.json(['who', ...args]);

describe('sessions', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob', 'carol', 'dora'] });
  });
  after(() => server.stop());

  test('who lists them, and kick ends those of one account', async () => {
    using imap = await openImaps(server, 'alice');
    imap.send('c SELECT Sent');
    await until(imap, /^c OK/);
    using idling = await openImaps(server, 'alice');
    idling.send('b SELECT INBOX');
    idling.send('c IDLE');
    await until(idling, /^\+ /);
    using compressed = await openImaps(server, 'alice');
    compressed.send('b COMPRESS DEFLATE');
    await until(compressed, /^b OK/);
    compressed.startDeflate();
    using pop3 = await openPop3(server, 'alice');
    using submission = await openSubmission(server, 'alice');
    using stranger = await TestClient.connect(server.ports.mx);
    await stranger.reply();
    using other = await openImaps(server, 'bob');

    const all = await who(server);
    const shown = all.items.map(({ protocol, account, mailbox, tls }) => [protocol, account, mailbox, tls]);
    const alice = addressOf('alice');
    const tls = all.items.find(({ protocol }) => protocol === 'imaps')?.tls ?? '';
    assert.match(tls, /^TLSv1\.[23]$/);
    assert.deepEqual(
      shown.sort(),
      [
        ['imaps', alice, 'INBOX', tls],
        ['imaps', alice, 'Sent', tls],
        ['imaps', alice, null, tls],
        ['imaps', addressOf('bob'), null, tls],
        ['mx', null, null, null],
        ['pop3', alice, null, null],
        ['submission', alice, null, null],
      ].sort(),
    );
    assert.ok(all.items.every(({ remoteAddress, node }) => remoteAddress === '127.0.0.1' && node === null));
    const now = Date.now() / 1000;
    assert.ok(all.items.every(({ connectedAt }) => connectedAt > now - 300 && connectedAt <= now));
    const popPort = pop3.socket.localPort;
    assert.equal(all.items.find(({ protocol }) => protocol === 'pop3')?.remotePort, popPort);
    assert.deepEqual((await who(server, addressOf('bob'))).items.length, 1);
    const table = (await server.rookery(['who', alice])).stdout;
    assert.match(table, /^ID +PROTOCOL +ACCOUNT +REMOTE ADDRESS +CONNECTED AT +TLS +MAILBOX\n/);
    assert.match(table, /imaps +alice@example\.test +127\.0\.0\.1 +\d{4}-\S+Z +TLSv1\.\d +Sent\n/);

    const { id } = all.items.find(({ mailbox }) => mailbox === 'Sent')!;
    assert.deepEqual(await server.json(['kick', '--session', id]), { ended: 1, unanswered: [] });
    assert.equal(await until(imap, /^\*/), '* BYE Session was ended by an administrator');
    assert.equal(await imap.line(), undefined);
    assert.equal((await server.rookery(['kick', '--session', id])).code, exitCodes.notFound);

    assert.match((await server.rookery(['kick', alice])).stdout, /^4 sessions ended\n$/);
    for (const session of [idling, compressed])
      assert.match(await session.rest(), /\* BYE Session was ended by an administrator\r\n$/);
    assert.match(await pop3.rest(), /-ERR session was ended by an administrator\r\n$/);
    assert.match(
      await submission.rest(),
      /421 4\.7\.0 \S+ Session was ended by an administrator, closing\r\n$/,
    );
    other.send('b NOOP');
    await until(other, /^b OK/);
    stranger.send('NOOP');
    assert.match((await stranger.reply())[0]!, /^250/);
    assert.deepEqual((await who(server, alice)).items, []);
  });

  test('what cannot be meant is told', async () => {
    assert.equal((await server.rookery(['kick'])).code, exitCodes.usage);
    assert.equal((await server.rookery(['kick', 'x@example.test', '--session', 'y'])).code, exitCodes.usage);
    assert.equal((await server.rookery(['kick', 'nobody@example.test'])).code, exitCodes.notFound);
    assert.equal((await server.rookery(['who', 'nobody@example.test'])).code, exitCodes.notFound);
  });

  for (const [user, what, args] of [
    ['carol', 'a password that is changed', ['account', 'password', addressOf('carol'), '--random-password']],
    ['dora', 'an account that is disabled', ['account', 'set', addressOf('dora'), '--enabled', 'no']],
  ] as const) {
    test(`${what} ends its sessions`, async () => {
      using imap = await openImaps(server, user);
      using pop3 = await openPop3(server, user);
      using submission = await openSubmission(server, user);
      await server.json(args);
      assert.match(await imap.rest(), /\* BYE Account is no longer available\r\n$/);
      assert.match(await pop3.rest(), /-ERR login has ended, or the account is no longer available\r\n$/);
      submission.send(`MAIL FROM:<${addressOf(user)}>`);
      assert.match(
        await submission.rest(),
        /421 4\.7\.0 \S+ Your login has ended, connect and log in again\r\n$/,
      );
    });
  }

  test('an app password that is taken back ends the sessions of its account', async () => {
    const added = await server.json<{ id: string; password: string }>([
      ...['account', 'app-password', 'add', addressOf('bob'), 'phone', '--services', 'imap'],
    ]);
    using imap = await openImaps(server, 'bob', added.password);
    await server.rookery(['account', 'app-password', 'remove', addressOf('bob'), added.id]);
    assert.match(await imap.rest(), /\* BYE Account is no longer available\r\n$/);
  });
});

test('who and kick reach the sessions of all workers', async () => {
  await using server = await ServerProcess.start({ accounts: ['alice'], settings: ['workers=2'] });
  const clients: TestClient[] = [];
  try {
    // Which worker has a connection is chance; with so many it is both, but for one time in millions.
    for (let count = 0; count < 24; count++) clients.push(await openImaps(server, 'alice'));
    const { items, unanswered } = await who(server, addressOf('alice'));
    assert.equal(items.length, clients.length);
    assert.deepEqual(unanswered, []);
    assert.deepEqual([...new Set(items.map(({ node }) => node))].sort(), ['worker-1', 'worker-2']);
    assert.deepEqual(await server.json(['kick', addressOf('alice')]), {
      ended: clients.length,
      unanswered: [],
    });
    for (const client of clients)
      assert.match(await client.rest(), /\* BYE Session was ended by an administrator\r\n$/);
  } finally {
    for (const client of clients) client.destroy();
  }
  await server.stop();
});
