// A frontend of the outer zone: it serves every protocol for accounts it knows nothing of, goes on when inner nodes die, and
// gives nothing away to whoever steals all that is on its disk (PROMISES 20, 65, 82, 103, 104).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { after, before, suite, test } from 'node:test';
import { createTransport } from 'nodemailer';
import { systemClock } from '../../src/base/clock.ts';
import { isMailError } from '../../src/mail/mail-error.ts';
import { type BalancedCluster, nodesFor } from '../../src/operator/balancer/balanced-cluster.ts';
import { describeCluster } from '../../src/operator/balancer/describe-cluster.ts';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { askNode, setPassword, tokenWith } from './admin-requests.ts';
import { beginDelivery, openImap, openInbox, openLmtp } from './client-sessions.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { actAsHostileNode } from './hostile-node.ts';
import type { NodeProcess } from './node-process.ts';
import { imapLogin, marker, openWith, popCount, scramLogin, send, subjects } from './outer-clients.ts';
import { filesBelow, startOuterNode, Thief, until } from './outer-node.ts';
import { tryWithStolenDisk } from './stolen-disk.ts';

const users = ['alice', 'bob', 'carol'];

suite('a frontend of the outer zone', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let folder: TemporaryFolder;
  let edge: NodeProcess;

  before(async () => {
    folder = await makeTemporaryFolder();
    cluster = await ClusterProcesses.start({ users, nodes: 3 });
    const settings = ['cluster.weight=30'];
    const data = folder.at('edge');
    edge = await startOuterNode(cluster, { name: 'edge', host: '127.0.0.9', data, settings });
  });
  after(async () => {
    await edge?.end();
    await cluster?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  test('the cluster knows it as a node that hosts nothing', async () => {
    await cluster.until('edge is a node', ({ nodes }) => nodes.some(({ node }) => node === 'edge'));
    const { nodes } = await cluster.status();
    const row = nodes.find(({ node }) => node === 'edge') as Record<string, unknown> | undefined;
    assert.deepEqual(
      [row?.state, row?.shards, row?.zone, row?.roles],
      ['active', 0, 'outer', ['frontend', 'mx']],
    );
  });

  test('a balancer sends clients to it, and to no inner node', async () => {
    const described = (): Promise<BalancedCluster> => describeCluster(cluster.admin());
    const listens = async (): Promise<boolean> =>
      (await described()).nodes.some(
        ({ name, listeners }) => name === 'edge' && listeners.imaps !== undefined,
      );
    // Its next heartbeat says so.
    const deadline = systemClock.monotonic() + 60_000;
    while (!(await listens())) {
      assert.ok(systemClock.monotonic() < deadline, 'edge does not say where it listens');
      await systemClock.sleep(100);
    }
    const taking = nodesFor(await described(), 'imaps').map(({ name, weight }) => [name, weight]);
    assert.deepEqual(taking, [['edge', 30]]);
  });

  test('SMTP, submission and LMTP deliver through it; IMAP and POP3 read through it', async () => {
    for (const user of users) {
      await send(edge, 'mx', user, `mx ${user}`);
      await send(edge, 'submission', user, `submission ${user}`);
      const lmtp = await openLmtp(edge);
      await beginDelivery(lmtp, [user]);
      assert.match(await lmtp.reply(`Subject: lmtp ${user}\r\n\r\n${marker}\r\n.`), /^250/);
      lmtp.end();
    }
    for (const user of users) {
      const wanted = [`lmtp ${user}`, `mx ${user}`, `submission ${user}`];
      assert.deepEqual(await subjects(edge, user), wanted);
      assert.deepEqual(await subjects(cluster.nodes[0]!, user), wanted);
      assert.equal(await popCount(edge, user), 3);
    }
  });

  test('logins that are wrong are refused, with every mechanism; nobody sends as somebody else', async () => {
    const wrong = { user: addressOf('alice'), pass: 'guessed' };
    for (const method of ['AUTH=PLAIN', 'AUTH=LOGIN', 'LOGIN'])
      await assert.rejects(imapLogin(edge, { ...wrong, loginMethod: method }));
    await assert.rejects(popCount(edge, 'alice', 'guessed'));
    const transport = createTransport({
      host: edge.host,
      port: edge.port('submission'),
      tls: { rejectUnauthorized: false },
      auth: { user: addressOf('alice'), pass: passwordOf('alice') },
    });
    const [from, to] = [addressOf('bob'), addressOf('bob')];
    await assert.rejects(transport.sendMail({ from, to, subject: 'forged', text: 'x' }));
    transport.close();
  });

  test('SCRAM through it: the proof is checked inside', async () => {
    await scramLogin(edge, 'alice', passwordOf('alice'));
    await assert.rejects(scramLogin(edge, 'alice', 'guessed'), /AUTHENTICATIONFAILED|NO/);
    await assert.rejects(scramLogin(edge, 'nobody', 'guessed'), /AUTHENTICATIONFAILED|NO/);
  });

  test('sessions go on when inner nodes die, one after another', async () => {
    const session = await openInbox(edge, 'bob');
    const flagged = await openInbox(edge, 'bob');
    for (let round = 0; round < 2; round++) {
      const host = (await cluster.hostOf('bob'))!;
      session.write('i IDLE\r\n');
      await session.until('+');
      await host.kill();
      await send(edge, 'mx', 'bob', `after death ${round}`);
      await session.until(`* ${4 + round} EXISTS`);
      session.write('DONE\r\n');
      await session.until('i OK');
      assert.match(await flagged.command(`f STORE 1 +FLAGS (round${round})`, 'f '), /^f OK/);
      assert.equal(await popCount(edge, 'bob'), 4 + round);
      await host.start();
      await cluster.untilBalanced();
    }
    session.end();
    flagged.end();
  });

  test('it starts again without the node that it joined through', async () => {
    const [first] = cluster.nodes;
    await edge.terminate();
    await first!.kill();
    const url = `storage.url=${cluster.storeUrl}`;
    const withStore = ServerProcess.start({ data: folder.at('edge'), settings: [url] });
    await assert.rejects(withStore, /no business with the database/);
    await edge.start();
    await openWith(edge, 'alice', passwordOf('alice'));
    await first!.start();
    await cluster.untilBalanced();
  });

  test('a changed password ends sessions on it and is the only one', async () => {
    const session = await openImap(edge, 'carol');
    session.write('i IDLE\r\n');
    await session.until('+');
    await setPassword(cluster, 'carol', 'another one');
    await session.until('* BYE');
    session.end();
    await assert.rejects(openWith(edge, 'carol', passwordOf('carol')));
    await openWith(edge, 'carol', 'another one');
    await setPassword(cluster, 'carol', passwordOf('carol'));
  });

  const askEdge = (line: string, body?: object, token?: string) => askNode(edge, line, { body, token });

  test('its admin listener tells how it is, and nothing else to whoever shows no token', async () => {
    assert.equal((await askEdge('GET /healthz')).status, 200);
    assert.equal((await askEdge('GET /readyz')).status, 200);
    assert.match((await askEdge('GET /metrics')).body, /^rookery_frontend_connected 1$/m);
    for (const line of ['GET /api/accounts', 'GET /api/domains', 'POST /api/accounts', 'GET /api/token'])
      assert.equal((await askEdge(line, line.startsWith('POST') ? {} : undefined)).status, 401, line);
    for (const line of ['GET /api/cluster', 'GET /api/config', 'GET /api/openapi.json', 'GET /api/tokens'])
      assert.equal((await askEdge(line)).status, 403, line);
    assert.equal((await askEdge('GET /')).status, 404);
  });

  test('the socket in its data directory says that it runs, and where the cluster is administered', async () => {
    const path = `${edge.server.data}/admin.sock`;
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const statusOf = async (line: string): Promise<number | undefined> => {
      const request = get({ socketPath: path, path: line });
      const [answer] = (await once(request, 'response')) as [IncomingMessage];
      answer.resume();
      return answer.statusCode;
    };
    assert.deepEqual(
      await Promise.all(['/healthz', '/readyz', '/metrics', '/api/accounts'].map(statusOf)),
      [200, 200, 200, 401],
    );
    const told = await edge.server.rookery(['cluster', 'status']);
    assert.equal(told.code, exitCodes.failure);
    assert.match(told.stderr, /not done through a node of the outer zone .*: ask one of the inner zone/);
  });

  test('domains and accounts are administered through it, by whoever has a token; the cluster is not', async () => {
    const token = await tokenWith(cluster, 'read', 'write:directory', 'operate', 'metrics');
    const dora = addressOf('dora');
    const added = { address: dora, password: 'the first one' };
    assert.equal((await askEdge('POST /api/accounts', added, token)).status, 201);
    assert.equal((await askEdge('POST /api/accounts', added, token)).status, 409);
    assert.equal((await askEdge('POST /api/accounts', {}, token)).status, 400);
    assert.equal((await askEdge('POST /api/domains', { name: 'other.test' }, token)).status, 201);
    const quota = await askEdge(`PUT /api/accounts/${dora}/quota`, { messagesMax: 7 }, token);
    assert.equal(JSON.parse(quota.body).messagesMax, 7);
    await openWith(edge, 'dora', 'the first one');
    for (const line of [
      'GET /api/cluster',
      'POST /api/cluster/nodes/node1/drain',
      'GET /api/nodes/node1/config',
    ])
      assert.equal((await askEdge(line, line.startsWith('POST') ? {} : undefined, token)).status, 403, line);
    const long = { address: dora, fullName: 'x'.repeat(2 * 1024 * 1024) };
    assert.equal((await askEdge('POST /api/accounts', long, token)).status, 413);
    const weak = await tokenWith(cluster, 'read');
    assert.equal((await askEdge(`DELETE /api/accounts/${dora}`, undefined, weak)).status, 403);
    await openWith(edge, 'dora', 'the first one');
  });

  test('users change their own passwords through it, proven by the old one', async () => {
    const change = async (current: string, password: string) =>
      (await askEdge('PUT /api/password', { address: addressOf('dora'), current, password })).status;
    assert.equal(await change('guessed', 'hers no more'), 401);
    assert.equal(await change('the first one', 'the second one'), 204);
    await assert.rejects(openWith(edge, 'dora', 'the first one'));
    await openWith(edge, 'dora', 'the second one');
    const token = await tokenWith(cluster, 'read', 'write:directory');
    const path = `/api/accounts/${addressOf('dora')}`;
    assert.equal((await askEdge(`DELETE ${path}`, undefined, token)).status, 204);
    assert.equal((await askEdge('DELETE /api/domains/other.test', undefined, token)).status, 204);
    await assert.rejects(openWith(edge, 'dora', 'the second one'));
  });

  test('the cluster’s configuration reaches it, and drain takes it out', async () => {
    await cluster.admin().call({
      method: 'PUT',
      path: '/api/cluster/configuration',
      body: { version: 0, settings: { limits: { imap_idle: '45 min' } }, overrides: {} },
    });
    await edge.server.logged(({ msg }) => msg === 'configuration reloaded');
    const token = await tokenWith(cluster, 'read');
    assert.equal((await askEdge('GET /api/cluster', undefined, token)).status, 403);
    await cluster.admin().call({
      method: 'PUT',
      path: '/api/cluster/configuration',
      body: { version: 1, settings: { administration: { outer_frontends: ['site'] } }, overrides: {} },
    });
    await until(async () => (await askEdge('GET /api/cluster', undefined, token)).status === 200);
    await until(async () => (await askEdge('GET /api/accounts', undefined, token)).status === 403);
    await cluster.admin().call({
      method: 'POST',
      path: '/api/cluster/configuration/rollback',
      body: { to: 1, version: 2 },
    });
    await until(async () => (await askEdge('GET /api/accounts', undefined, token)).status === 200);
    const ready = async () => (await fetch(`http://${edge.host}:${edge.port('admin')}/readyz`)).status;
    await cluster.admin().call({ method: 'POST', path: '/api/cluster/nodes/edge/drain' });
    await until(async () => (await ready()) === 503);
    await cluster.admin().call({ method: 'POST', path: '/api/cluster/nodes/edge/undrain' });
    await until(async () => (await ready()) === 200);
  });

  test('its disk holds no mail, no password and no way to the database, while sessions live', async () => {
    const session = await openInbox(edge, 'alice');
    await session.command('f FETCH 1:* BODY[]', 'f OK');
    const { username, password, port } = new URL(cluster.storeUrl);
    const secrets = [marker, cluster.storeUrl, 'postgres:', `:${port}/`, password || username];
    const words = [...secrets, ...users.flatMap((user) => [passwordOf(user), addressOf(user)])];
    const files = await filesBelow(folder.at('edge'));
    assert.deepEqual(
      files.map(({ path }) => path.slice(folder.at('edge').length + 1)).filter((path) => !known.test(path)),
      [],
    );
    for (const { path, bytes } of files)
      for (const word of words) if (word !== '') assert.ok(!bytes.includes(word), `${path} has "${word}"`);
    session.end();
  });

  test('whoever has its disk reads nothing: the list of what was tried', (t) =>
    tryWithStolenDisk(t, { cluster, data: folder.at('edge') }));

  test('one that was broken into holds up nobody: the list of what it tried', async (t) => {
    const serves = async (): Promise<void> => {
      await openWith(edge, 'alice', passwordOf('alice'));
      await openWith(cluster.nodes[0]!, 'bob', passwordOf('bob'));
    };
    await actAsHostileNode({ t, cluster, serves });
  });

  test('removed, it ends, and its certificate opens nothing', async () => {
    await using thief = await Thief.of(folder.at('edge'));
    const host = cluster.nodes[0]!;
    const exited = edge.server.exited;
    await cluster.admin().call({ method: 'DELETE', path: '/api/cluster/nodes/edge' });
    assert.equal((await exited).code, exitCodes.configuration);
    await cluster.until('edge is removed', ({ nodes }) =>
      nodes.some(({ node, state }) => node === 'edge' && state === 'removed'),
    );
    const given = { localPart: 'alice', domain: 'example.test' };
    const tried: [string, string, unknown][] = [
      ['directory', 'resolve', given],
      ['cluster', 'places', {}],
      ['cluster', 'configuration', undefined],
      ['cluster', 'renewCertificate', { request: 'x' }],
    ];
    for (const [service, method, question] of tried)
      await until(() =>
        thief.call(host, { service, method, given: question }).then(
          () => false,
          (error) => isMailError(error, 'permissionDenied'),
        ),
      );
  });
});

/** What may lie in its data directory. */
const known =
  /^(?:cluster\/(?:credentials\.json|joined\.json|nodes\.json|lock|owner)|tls\/self-signed\.(?:crt|key))$/;
