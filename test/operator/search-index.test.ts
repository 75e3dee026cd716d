// rookery index status and rebuild: against a running server, and against one that answers as a cluster does in a bad moment:
// with an account that has no host, one that went meanwhile, and with an administrator who presses Ctrl-C.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { adminSocket } from '../../src/operator/data-sockets.ts';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { TestClient } from '../../src/speakers/kit/test-client.ts';
import { storeMessage } from '../account-content.ts';
import { makeTemporaryFolder, type RunOptions } from '../run-program.ts';
import { addressOf, passwordOf, runRookery, ServerProcess } from '../server-process.ts';

interface Row {
  readonly account: string;
  readonly messages: number;
  readonly indexed: number;
  readonly waiting: number;
  readonly building: boolean;
  readonly segments: number;
  readonly bytes: number;
  readonly version: number;
}

/** More than wait until more come. */
const many = 130;
const [alice, bob] = [addressOf('alice'), addressOf('bob')];

async function fill({ admin }: ServerProcess, user: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++)
    await storeMessage(admin, user, { bytes: `Subject: s${index}\r\n\r\nneedle number ${index}\r\n` });
}

async function found(server: ServerProcess, user: string): Promise<number> {
  using client = await TestClient.connectTls(server.ports.imaps);
  const plain = Buffer.from(`\0${addressOf(user)}\0${passwordOf(user)}`).toString('base64');
  client.send(`a AUTHENTICATE PLAIN ${plain}`);
  client.send('b SELECT INBOX');
  client.send('c SEARCH BODY "needle number"');
  client.send('d LOGOUT');
  const answer = /^\* (?:E?SEARCH)(.*)\r$/m.exec(await client.rest());
  assert.ok(answer !== null);
  return answer[1]!.split(' ').filter(Boolean).length;
}

describe('the search index of a running server', () => {
  let server: ServerProcess;
  before(async () => {
    server = await ServerProcess.start({ accounts: ['alice', 'bob'] });
    await fill(server, 'alice', many);
    await fill(server, 'bob', 3);
  });
  after(() => server.stop());

  const few = { account: bob, messages: 3, indexed: 0, waiting: 3, building: false, segments: 0, bytes: 0 };

  test('one account: thrown away, built again and told', async () => {
    const built = await server.json<Row>(['index', 'rebuild', alice]);
    assert.deepEqual(
      [built.account, built.messages, built.indexed, built.waiting, built.building, built.segments],
      [alice, many, many, 0, false, 1],
    );
    assert.ok(built.bytes > 1_000);
    assert.ok(built.version >= 3);
    await server.logged(({ msg }) => msg === 'the search index is built again, as an administrator asks');
    assert.deepEqual(await server.json<Row>(['index', 'status', alice]), built);
    assert.equal(await found(server, 'alice'), many);
    const { stdout } = await server.rookery(['index', 'status', alice]);
    assert.match(stdout, /^indexed: +130\nwaiting: +0\nbuilding: +no\nsegments: +1\n/m);
  });

  test('all accounts, of the site and of a domain', async () => {
    const rows = await server.json<Row[]>(['index', 'rebuild', '--all']);
    assert.deepEqual(
      rows.map(({ account, indexed, waiting }) => [account, indexed, waiting]),
      [
        [alice, many, 0],
        [bob, 0, 3],
      ],
    );
    const { version: _version, ...second } = rows[1]!;
    assert.deepEqual(second, few);
    assert.deepEqual(await server.json<Row[]>(['index', 'status']), rows);
    assert.deepEqual(await server.json<Row[]>(['index', 'status', '--domain', 'other.test']), []);
    const { stdout } = await server.rookery(['index', 'status', '--domain', 'example.test']);
    assert.match(stdout, /^ACCOUNT +MESSAGES +INDEXED +WAITING +BUILDING +SEGMENTS +BYTES +VERSION$/m);
    assert.match(stdout, /^bob@example\.test +3 +0 +3 +no +0 +0 +\d+$/m);
    assert.equal(await found(server, 'bob'), 3);
  });

  test('what cannot be meant, and who is not there', async () => {
    const nobody = addressOf('nobody');
    for (const line of ['rebuild', `rebuild ${alice} --all`, `status ${alice} --domain example.test`])
      assert.equal((await server.rookery(['index', ...line.split(' ')])).code, exitCodes.usage, line);
    for (const verb of ['status', 'rebuild']) {
      const { code, stderr, stdout } = await server.rookery(['index', verb, nobody]);
      assert.deepEqual([code, stdout], [exitCodes.notFound, '']);
      assert.match(stderr, /no account nobody@example\.test/);
    }
  });
});

interface Answer {
  readonly status?: number;
  readonly body: object;
}

/** A server whose admin API says this; with what it was asked. */
async function against(
  answer: (line: string, times: number) => Answer,
  line: string,
  options: RunOptions = {},
): Promise<{ code: number | null; stdout: string; stderr: string; asked: readonly string[] }> {
  await using folder = await makeTemporaryFolder();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const text = `${request.method} ${decodeURIComponent(request.url!)}`;
    asked.push(text);
    const { status = 200, body } = answer(text, asked.filter((one) => one === text).length);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server.listen(folder.at(adminSocket));
  await once(server, 'listening');
  try {
    return { ...(await runRookery(['--data', folder.path, ...line.split(' ')], options)), asked };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const index = { messages: 9, indexed: 9, waiting: 0, building: false, segments: 1, bytes: 1, version: 3 };
const building = { ...index, indexed: 0, waiting: 9, building: true };
const away = { status: 503, body: { detail: 'the account is not hosted anywhere' } };
const gone = { status: 404, body: { detail: 'there is no account' } };
const list = { body: { items: ['a@x.test', 'b@x.test', 'c@x.test'].map((address) => ({ address })) } };

describe('the commands for the search index', () => {
  test('an account without a host for the moment is asked for again', async () => {
    const { code, stdout, asked } = await against((line, times) => {
      if (times === 1) return away;
      return { body: line.startsWith('POST') ? building : index };
    }, '--json index rebuild a@x.test');
    assert.equal(code, exitCodes.success);
    assert.deepEqual(JSON.parse(stdout), { account: 'a@x.test', ...index });
    const path = '/api/accounts/a@x.test/search-index';
    const [post, get] = [`POST ${path}/rebuild`, `GET ${path}`];
    assert.deepEqual(asked, [post, post, get, get]);
  });

  test('an account that went meanwhile is none of the failures, one that cannot be built is told at the end', async () => {
    const { code, stdout, stderr } = await against((line) => {
      if (line.includes('b@x.test')) return gone;
      if (line.includes('a@x.test')) return { status: 500, body: { detail: 'see the server log' } };
      return line.includes('search-index') ? { body: index } : list;
    }, 'index rebuild --all');
    assert.equal(code, exitCodes.failure);
    assert.deepEqual(stdout.match(/\S+@x\.test/g), ['c@x.test']);
    assert.equal(stderr, 'rookery: 1 of 3 accounts could not be done:\na@x.test: see the server log\n');
  });

  test('Ctrl-C: the account that was begun is the last, and that is told', async () => {
    const isWaiting = Promise.withResolvers<void>();
    const { code, stdout, stderr, asked } = await against(
      (line, times) => {
        if (!line.includes('search-index')) return list;
        if (line.includes('a@x.test')) return { body: index };
        if (times === 2) isWaiting.resolve();
        return { body: building };
      },
      'index rebuild --domain x.test',
      { interrupted: isWaiting.promise },
    );
    assert.deepEqual([code, stdout], [exitCodes.failure, '']);
    const told =
      'interrupted: the server goes on with the index of b@x.test; `rookery index status b@x.test`';
    assert.equal(stderr, `rookery: ${told} tells how far it is\n1 of 3 accounts came before\n`);
    assert.equal(asked[0], 'GET /api/accounts?domain=x.test');
    assert.ok(!asked.some((line) => line.includes('c@x.test')));
  });
});
