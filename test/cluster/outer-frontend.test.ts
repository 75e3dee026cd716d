// A frontend of the outer zone: it serves every protocol for accounts it knows nothing of, goes on when inner nodes die, and
// gives nothing away to whoever steals all that is on its disk (PROMISES 20, 65, 82, 103, 104).

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { createTransport } from 'nodemailer';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { certifiedNode, makeCertificateRequest, makeKey } from '../../src/cluster/authority/certificates.ts';
import { joinCluster } from '../../src/cluster/authority/join-cluster.ts';
import {
  answerSchema,
  helloSchema,
  JoinChannel,
  joinAlpn,
} from '../../src/cluster/authority/join-protocol.ts';
import { GrantKeys } from '../../src/cluster/frontend/grant-keys.ts';
import { openGrant, sealGrant } from '../../src/cluster/frontend/session-grant.ts';
import { decodeNode, nodeKey } from '../../src/cluster/membership/cluster-rows.ts';
import type { AccountId, NodeId } from '../../src/mail/ids.ts';
import { isMailError, type MailErrorKind } from '../../src/mail/mail-error.ts';
import { type BalancedCluster, nodesFor } from '../../src/operator/balancer/balanced-cluster.ts';
import { describeCluster } from '../../src/operator/balancer/describe-cluster.ts';
import { openPostgresEngine } from '../../src/storage/postgres-engine.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, ServerProcess } from '../server-process.ts';
import { administrationAttacks, askNode, carriedRequest, tokenWith } from './admin-requests.ts';
import { beginDelivery, openImap, openInbox, openLmtp } from './client-sessions.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';
import { imapLogin, marker, openWith, popCount, scramLogin, send, subjects } from './outer-clients.ts';
import { filesBelow, outerToken, startOuterNode, Thief } from './outer-node.ts';

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

  test('whoever has its disk reads nothing: the list of what was tried', async (t) => {
    await using thief = await Thief.of(folder.at('edge'));
    const host = (await cluster.hostOf('alice'))!;
    const bobsHost = (await cluster.hostOf('bob'))!;
    const [alice, bob] = [await idOf(cluster, 'alice'), await idOf(cluster, 'bob')];
    const context = { service: 'imap', remoteAddress: '192.0.2.1', traceId: 'thief' };
    const logIn = async (by: Thief, user: string, service = 'imap') => {
      const credentials = { user: addressOf(user), password: passwordOf(user), authorizationId: '' };
      const given = { ...credentials, context: { ...context, service } };
      const granted = await by.call(host, { service: 'directory', method: 'verifyPassword', given });
      return (granted as { grant: Uint8Array }).grant;
    };
    const denied = async (what: string, tried: Promise<unknown>, ...kinds: MailErrorKind[]) => {
      await t.test(what, () =>
        assert.rejects(
          tried,
          (error) => kinds.some((kind) => isMailError(error, kind)) || assert.fail(`${error}`),
        ),
      );
    };

    // What it was given: only so can the rest be worth trying.
    const grant = await logIn(thief, 'alice');
    await thief.account(host, alice, { method: 'listMailboxes', grant });

    await denied(
      'opening an account without a grant',
      thief.account(host, alice, { method: 'open' }),
      'authenticationFailed',
    );
    await denied(
      'reading an account without a grant',
      thief.account(host, alice, { method: 'listMailboxes' }),
      'authenticationFailed',
    );
    await denied(
      'with the grant of another account',
      thief.account(bobsHost, bob, { method: 'listMailboxes', grant }),
      'authenticationFailed',
    );
    await using engine = await openPostgresEngine({
      url: cluster.storeUrl,
      clock: systemClock,
      log: silentLog,
    });
    const keys = new GrantKeys({ engine, clock: systemClock, random: systemRandom });
    const key = await keys.newest();
    const claims = openGrant(grant, [key])!;
    await denied(
      'with a grant that has expired',
      thief.account(host, alice, {
        method: 'listMailboxes',
        grant: sealGrant({ ...claims, expiresAt: systemClock.now() - 1 }, key),
      }),
      'authenticationFailed',
    );
    await denied(
      'with a grant of its own making',
      thief.account(bobsHost, bob, {
        method: 'listMailboxes',
        grant: sealGrant({ ...claims, account: bob as AccountId }, systemRandom.bytes(32)),
      }),
      'authenticationFailed',
    );
    const through = { host: host.host, port: host.server.ports.join };
    const other = await joinCluster(await outerToken(cluster), through, { node: 'gate', clock: systemClock });
    await using gate = new Thief(other.credentials);
    const beat = heartbeat(['frontend']);
    for (const node of cluster.nodes) await gate.call(node, beat);
    await until(() =>
      logIn(gate, 'bob').then(
        () => true,
        () => false,
      ),
    );
    await denied(
      'with the grant of another node',
      thief.account(bobsHost, bob, { method: 'listMailboxes', grant: await logIn(gate, 'bob') }),
      'authenticationFailed',
    );
    for (const method of ['remove', 'endSessions', 'setQuota', 'lockMaildrop', 'constructor'])
      await denied(
        `${method} in a session of IMAP`,
        thief.account(host, alice, { method, grant }),
        'permissionDenied',
      );
    const popGrant = await logIn(thief, 'alice', 'pop3');
    for (const method of ['listMailboxes', 'createMailbox', 'append', 'search', 'copy', 'storeFlags'])
      await denied(
        `${method} in a session of POP3`,
        thief.account(host, alice, { method, grant: popGrant }),
        'permissionDenied',
      );
    const smtpGrant = await logIn(thief, 'alice', 'smtp');
    for (const method of ['open', 'listMailboxes', 'openMailbox', 'readMessages', 'watch'])
      await denied(
        `${method} in a session of SMTP`,
        thief.account(host, alice, { method, grant: smtpGrant }),
        'permissionDenied',
      );
    const asked = { accountId: bob, address: { localPart: 'bob', domain: 'example.test' } };
    await denied(
      'asking whose an address is without a session of theirs',
      thief.call(host, { service: 'directory', method: 'ownsAddress', given: asked, grant: smtpGrant }),
      'authenticationFailed',
    );
    const listing = ['accounts', 'domains', 'aliases', 'account', 'accountByAddress', 'appPasswords'];
    const changing = ['setPassword', 'addAccount', 'setAccount', 'addAppPassword', 'removeAccount', 'check'];
    for (const method of [...listing, ...changing])
      await denied(
        `${method} of the directory`,
        thief.call(host, { service: 'directory', method, given: { limit: 1000 }, grant }),
        'permissionDenied',
      );
    await denied(
      'SCRAM verifiers',
      thief.call(host, {
        service: 'directory',
        method: 'scramVerifier',
        given: { user: addressOf('bob'), context },
      }),
      'permissionDenied',
    );
    await t.test('a SCRAM challenge has no key in it', async () => {
      const given = { user: addressOf('bob'), context };
      const told = await thief.call(host, { service: 'directory', method: 'scramChallenge', given });
      assert.deepEqual(Object.keys(told as object).sort(), ['iterations', 'nonce', 'salt']);
    });
    await denied(
      'a SCRAM proof without the password',
      thief.call(host, {
        service: 'directory',
        method: 'proveScram',
        given: {
          user: addressOf('bob'),
          authorizationId: '',
          clientFirst: `n=${addressOf('bob')},r=x`,
          clientNonce: 'x',
          nonce: 'of its own making',
          withoutProof: 'c=biws,r=x',
          proof: Buffer.alloc(32),
          context,
        },
      }),
      'authenticationFailed',
    );
    const administrator = { address: addressOf('boss'), password: passwordOf('boss'), administrator: true };
    await cluster.admin().call({ method: 'POST', path: '/api/accounts', body: administrator });
    await logIn(thief, 'boss');
    const acting = {
      user: addressOf('boss'),
      password: passwordOf('boss'),
      authorizationId: addressOf('bob'),
    };
    await denied(
      'an administrator’s password for another account',
      thief.call(host, { service: 'directory', method: 'verifyPassword', given: { ...acting, context } }),
      'authenticationFailed',
    );
    for (const service of ['storage', 'engine', 'rows', 'sessions', 'membership', 'admin'])
      await denied(
        `rows by a service "${service}"`,
        thief.call(host, { service, method: 'get', given: ['cluster'], grant }),
        'notSupported',
      );
    const carried = carriedRequest('GET /api/accounts');
    await denied(
      'administration as the operator',
      thief.call(host, {
        service: 'administration',
        method: 'request',
        given: { ...carried, isOperator: true },
      }),
      'permissionDenied',
    );
    for (const method of ['inject', 'answer', 'constructor'])
      await denied(
        `${method} of administration`,
        thief.call(host, { service: 'administration', method, given: carried, grant }),
        'permissionDenied',
      );
    const token = await tokenWith(cluster, 'read', 'write:accounts', 'operate');
    const seen = { token, grant: Buffer.from(grant).toString('base64url'), address: addressOf('bob') };
    for (const { line, fields, body, status } of administrationAttacks(seen))
      await t.test(`${line} ${fields.authorization?.slice(0, 12) ?? ''}`, async () => {
        const given = carriedRequest(line, fields, body);
        const told = await thief.call(host, { service: 'administration', method: 'request', given, grant });
        assert.equal((told as { status: number }).status, status);
      });
    for (const method of ['rows', 'entries', 'createJoinToken', 'tokens', 'authority', 'apply', 'remove'])
      await denied(
        `${method} of the cluster`,
        thief.call(host, { service: 'cluster', method, given: {} }),
        'permissionDenied',
      );
    await t.test('its configuration says nothing of the store', async () => {
      const told = await thief.call(host, { service: 'cluster', method: 'configuration' });
      assert.ok(!JSON.stringify(told).includes('storage'));
    });
    await t.test('the places of shards name link addresses and nothing else', async () => {
      const told = (await thief.call(host, { service: 'cluster', method: 'places', given: {} })) as {
        table: { nodes: object[] };
      };
      for (const node of told.table.nodes) assert.deepEqual(Object.keys(node), ['node', 'host', 'port']);
      assert.ok(!JSON.stringify(told.table.nodes).includes('edge'));
    });
    await t.test('hosting accounts, by saying so', async () => {
      await gate.call(host, heartbeat(['backend', 'mx']));
      const row = decodeNode((await engine.get(nodeKey('gate' as NodeId)))!);
      assert.deepEqual([row.roles, row.zone], [['mx'], 'outer']);
      assert.equal((await cluster.status()).nodes.find(({ node }) => node === 'gate')?.shards, 0);
    });
    await t.test('a certificate is renewed for who asks, whoever the request names', async () => {
      const request = await makeCertificateRequest(host.name as NodeId, makeKey());
      const asked = { service: 'cluster', method: 'renewCertificate', given: { request } };
      const { certificate } = (await gate.call(host, asked)) as { certificate: string };
      const { authorities } = gate.credentials;
      const issued = certifiedNode(new X509Certificate(certificate), authorities, systemClock.now());
      assert.deepEqual(issued, { node: 'gate', zone: 'outer' });
    });
    await t.test('being another node', async () => {
      await using liar = new Thief({ ...thief.credentials, node: host.name as NodeId });
      await assert.rejects(liar.account(host, alice, { method: 'listMailboxes' }), (error) =>
        isMailError(error, 'authenticationFailed'),
      );
    });
    await t.test('joining as another node, and the database’s settings', async () => {
      const request = await makeCertificateRequest(host.name as NodeId, makeKey());
      const renewed = await joinExchange(thief, through, { type: 'renew', version: 1, request });
      assert.equal(renewed.type, 'certified');
      assert.ok(renewed.type === 'certified' && renewed.zone === 'outer');
      assert.ok(!JSON.stringify(renewed).includes(new URL(cluster.storeUrl).pathname.slice(1)));
      assert.ok(renewed.type === 'certified' && renewed.storage === undefined);
      await using again = new Thief({ ...thief.credentials, node: host.name as NodeId });
      await assert.rejects(again.call(host, { service: 'storage', method: 'get' }));
      const token = { type: 'join', version: 1, token: 'a', secret: 'b', node: 'node1', request };
      const joined = await joinExchange(thief, through, token);
      assert.equal(joined.type, 'refused');
    });
    await setPassword(cluster, 'alice', 'changed after the theft');
    await denied(
      'the grant it had, once the password is changed',
      thief.account(host, alice, { method: 'listMailboxes', grant }),
      'authenticationFailed',
    );
    await denied(
      'renewing that grant',
      thief.call(host, { service: 'directory', method: 'renewGrant', grant }),
      'authenticationFailed',
    );
    await setPassword(cluster, 'alice', passwordOf('alice'));
  });

  test('removed, it ends, and its certificate opens nothing', async () => {
    await using thief = await Thief.of(folder.at('edge'));
    const host = cluster.nodes[0]!;
    const exited = edge.server.exited;
    await cluster.admin().call({ method: 'DELETE', path: '/api/cluster/nodes/edge' });
    assert.equal((await exited).code, 1);
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

function heartbeat(roles: readonly string[]) {
  const given = {
    incarnation: systemRandom.identifier(16),
    roles,
    host: '127.0.0.9',
    linkVersions: { min: 1, max: 1 },
    softwareVersion: 'stolen',
    listeners: [],
    sessions: 0,
    isLeaving: false,
  };
  return { service: 'cluster', method: 'heartbeat', given };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = systemClock.monotonic() + 30_000;
  while (!(await isSo())) {
    assert.ok(systemClock.monotonic() < deadline, 'not so after 30 s');
    await systemClock.sleep(50);
  }
}

async function joinExchange(thief: Thief, at: { host: string; port: number }, ask: object) {
  const { certificate, key } = thief.credentials;
  const socket: TLSSocket = connect({
    ...at,
    ALPNProtocols: [joinAlpn],
    rejectUnauthorized: false,
    cert: certificate,
    key,
  });
  await once(socket, 'secureConnect');
  const channel = new JoinChannel(socket);
  await channel.receive(helloSchema);
  channel.send(ask);
  const answer = await channel.receive(answerSchema);
  socket.destroy();
  return answer;
}

async function idOf(cluster: ClusterProcesses, user: string): Promise<string> {
  const path = `/api/accounts/${encodeURIComponent(addressOf(user))}`;
  return (await cluster.admin().call<{ id: string }>({ path })).id;
}

async function setPassword(cluster: ClusterProcesses, user: string, password: string): Promise<void> {
  const path = `/api/accounts/${encodeURIComponent(addressOf(user))}/password`;
  await cluster.admin().call({ method: 'PUT', path, body: { password } });
}
