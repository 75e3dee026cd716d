import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { connect as connectPlain, createServer as createPlain, type Server } from 'node:net';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { HandClock } from '../testing-cluster-members.ts';
import { certifiedNode, makeKey } from './certificates.ts';
import { joinCluster, renewCredentials } from './join-cluster.ts';
import { encodeFrame, joinAlpn, joinProtocolVersion } from './join-protocol.ts';
import { JoinServer, listenForJoin } from './join-server.ts';
import { parseJoinToken } from './join-token.ts';
import { dayMs, openSite, refused, type Site, storage, tokenOf } from './testing.ts';

const badToken = refused('authenticationFailed', /^the join token is not valid$/);
const notOurs = refused('authenticationFailed', /^this server is not of the token's cluster: /);

test('a node joins with a token: certificate, authorities, and how to reach the engine', async () => {
  await using site = await openSite();
  const token = await tokenOf(site);
  assert.match(token, /^[A-Za-z0-9._-]{100,150}$/);
  const joined = await joinCluster(token, site.at, { node: 'second', clock: site.clock });
  const { credentials, ...rest } = joined;
  assert.deepEqual(rest, {
    cluster: site.authority.cluster,
    roles: ['frontend', 'backend'],
    zone: 'inner',
    storage,
  });
  const certificate = new X509Certificate(credentials.certificate);
  assert.deepEqual(certifiedNode(certificate, credentials.authorities, site.clock.now()), {
    node: 'second',
    zone: 'inner',
  });
  assert.equal(certificate.subjectAltName, 'DNS:second');
  assert.equal(certificate.ca, false);
  assert.deepEqual(credentials.authorities, await site.authority.certificates());
  const lifeMs = certificate.validToDate.getTime() - site.clock.now();
  assert.ok(lifeMs > 89.9 * dayMs && lifeMs <= 90 * dayMs);
  assert.deepEqual(
    (await site.authority.enrolledNodes()).map(({ node, roles }) => [node, roles]),
    [
      ['first', ['mx']],
      ['second', ['frontend', 'backend']],
    ],
  );
});

test('two nodes that joined take each other for members over mutual TLS; a stranger is none', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 2 });
  const [one, two] = await Promise.all(
    ['one', 'two'].map((node) => joinCluster(token, site.at, { node, clock: site.clock })),
  );
  const names: (string | undefined)[] = [];
  const { certificate: cert, key, authorities: ca } = one!.credentials;
  const server = createServer({
    cert,
    key,
    ca: [...ca],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  server.on('secureConnection', (socket) => {
    names.push(socket.getPeerCertificate().subject.CN as string);
    socket.end('member');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  const say = (own: Pick<LinkCredentials, 'certificate' | 'key'>): Promise<string> =>
    new Promise((resolve) => {
      let said = '';
      const socket = connect({
        host: '127.0.0.1',
        port,
        cert: own.certificate,
        key: own.key,
        ca: [...ca],
        servername: 'one',
      });
      socket.on('data', (chunk) => {
        said += chunk.toString();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(said));
    });
  await using other = await openSite();
  assert.equal(await say(two!.credentials), 'member');
  assert.equal(await say(other.first), '');
  assert.deepEqual(names, ['two']);
  server.close();
});

test('a node of the outer zone gets no database settings, and cannot enrol others', async () => {
  await using site = await openSite();
  const joined = await joinCluster(await tokenOf(site, { zone: 'outer' }), site.at, {
    node: 'edge',
    clock: site.clock,
  });
  assert.equal(joined.zone, 'outer');
  assert.equal('storage' in joined, false);
  assert.equal(JSON.stringify(joined).includes('hunter2'), false);
  // The frontend is broken into, and its certificate is used to catch other nodes' tokens.
  const heard = await listenAsImpostor(joined.credentials, site);
  const token = await tokenOf(site);
  await assert.rejects(joinCluster(token, heard.at, { node: 'victim', clock: site.clock }), notOurs);
  assert.equal(heard.received(), 0);
  await heard.close();
  const asBackend = { roles: ['backend'], zone: 'outer', expiresMs: 1000, uses: 1 } as const;
  await assert.rejects(site.authority.createJoinToken(asBackend), refused('invalidArgument'));
});

/** Speaks the server's part with a certificate of its own choice, and counts what it is told. */
async function listenAsImpostor(own: Pick<LinkCredentials, 'certificate' | 'key'>, site: Site) {
  let received = 0;
  const authorities = await site.authority.certificates();
  const server = createServer({ cert: own.certificate, key: own.key, ALPNProtocols: [joinAlpn] });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
    socket.write(encodeFrame({ versions: [1], authorities }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    at: { host: '127.0.0.1', port: (server.address() as { port: number }).port },
    received: () => received,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
      }),
  };
}

test('a man in the middle with another authority gets nothing', async () => {
  await using site = await openSite();
  await using other = await openSite();
  const token = await tokenOf(site);
  await tokenOf(other);
  // A whole other cluster answers, with its own authority.
  await assert.rejects(joinCluster(token, other.at, { node: 'victim', clock: site.clock }), notOurs);
  // It names our authority, which anybody may know, with a certificate of its own.
  const impostor = await listenAsImpostor(other.first, site);
  await assert.rejects(joinCluster(token, impostor.at, { node: 'victim', clock: site.clock }), notOurs);
  assert.equal(impostor.received(), 0);
  await impostor.close();
  // The token is whole still.
  await joinCluster(token, site.at, { node: 'victim', clock: site.clock });
});

test('every bad token is the same refusal: unknown, wrong, used up, revoked, expired', async () => {
  await using site = await openSite();
  const join = (token: string, node = 'late') => joinCluster(token, site.at, { node, clock: site.clock });
  const used = await tokenOf(site);
  await join(used, 'early');
  await assert.rejects(join(used), badToken);
  await assert.rejects(join(used, 'no_name'), refused('invalidArgument'));
  const wrongSecret = `${used.slice(0, -4)}${used.endsWith('aaaa') ? 'bbbb' : 'aaaa'}`;
  await assert.rejects(join(wrongSecret), badToken);
  const { id } = parseJoinToken(used)!;
  await assert.rejects(join(used.replace(id, 'aaaaaaaaaa')), badToken);
  const revoked = await tokenOf(site);
  await site.authority.revokeJoinToken(parseJoinToken(revoked)!.id);
  await assert.rejects(join(revoked), badToken);
  // Also for a name that is taken: nobody without a token learns which there are.
  await assert.rejects(join(revoked, 'first'), badToken);
  await assert.rejects(join(used.slice(0, -1)), refused('invalidArgument', /no whole join token/));
  const expired = await tokenOf(site);
  site.clock.moveMs = 3_700_000;
  await tokenOf(site);
  await assert.rejects(join(expired), badToken);
  const names = (await site.authority.enrolledNodes()).map(({ node }) => node);
  assert.deepEqual(names, ['early', 'first']);
});

test('while no token is valid, strangers hear nothing, and members renew all the same', async () => {
  await using site = await openSite();
  const hear = async (): Promise<string> => {
    const socket = connect({ ...site.at, ALPNProtocols: [joinAlpn], rejectUnauthorized: false });
    socket.on('error', () => {});
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      socket.end();
    });
    await new Promise((resolve) => socket.once('close', resolve));
    return heard;
  };
  assert.equal(await hear(), '');
  const token = await tokenOf(site);
  assert.match(await hear(), /BEGIN CERTIFICATE/);
  const { credentials } = await joinCluster(token, site.at, { node: 'second', clock: site.clock });
  site.clock.moveMs = 3_700_000;
  assert.equal(await hear(), '');
  await assert.rejects(
    joinCluster(token, site.at, { node: 'third', clock: site.clock }),
    (error) => error instanceof Fault && /the join token still valid\?/.test(error.message),
  );
  await renewCredentials(credentials, site.at, site.clock);
});

test('one use enrols one node, however many try at once', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 2 });
  const tries = ['n1', 'n2', 'n3', 'n4', 'n5'].map((node) =>
    joinCluster(token, site.at, { node, clock: site.clock }),
  );
  const outcomes = await Promise.allSettled(tries);
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 2);
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(badToken(outcome.reason));
  assert.equal((await site.authority.enrolledNodes()).length, 3);
});

test('asking again with the same key costs no use; a name belongs to its key', async () => {
  await using site = await openSite();
  const token = await tokenOf(site, { uses: 2 });
  const key = makeKey();
  const again = () => joinCluster(token, site.at, { node: 'steady', clock: site.clock, key });
  await again();
  await again();
  assert.equal((await site.authority.joinTokens())[0]!.usesLeft, 1);
  const other = () => joinCluster(token, site.at, { node: 'steady', clock: site.clock });
  await assert.rejects(other(), refused('conflict', /remove it first/));
  assert.equal((await site.authority.joinTokens())[0]!.usesLeft, 1);
  await site.authority.forget('steady' as NodeId);
  await other();
});

test('who guesses tokens is throttled and not told', async () => {
  await using site = await openSite();
  const token = await tokenOf(site);
  const { id } = parseJoinToken(token)!;
  const guess = (at: number) => token.replace(id, `guess${'abcdefghijklmnop'[at]}aaaa`);
  for (let at = 0; at < 10; at++) {
    await assert.rejects(joinCluster(guess(at), site.at, { node: 'late', clock: site.clock }), badToken);
  }
  await assert.rejects(joinCluster(token, site.at, { node: 'late', clock: site.clock }), badToken);
  assert.equal((await site.authority.joinTokens())[0]!.usesLeft, 1);
});

test('who got its answer and does not hang up is cut off', async () => {
  await using site = await openSite();
  const token = parseJoinToken(await tokenOf(site))!;
  const clock = new HandClock();
  const { authority } = site;
  const server = new JoinServer({ authority, storage: () => storage, clock, log: silentLog });
  await using listener = await listenForJoin(server, site.first, { host: '127.0.0.1', port: 0 });
  const at = { host: '127.0.0.1', port: listener.port, allowHalfOpen: true };
  const socket = connect({ ...at, ALPNProtocols: [joinAlpn], rejectUnauthorized: false });
  socket.on('error', () => {});
  let isCut = false;
  socket.once('close', () => {
    isCut = true;
  });
  const [version, node, request] = [joinProtocolVersion, 'late', 'none'];
  socket.write(encodeFrame({ type: 'join', version, token: token.id, secret: 'wrong', node, request }));
  socket.resume();
  await new Promise((resolve) => socket.once('end', resolve));
  assert.equal(isCut, false);
  await clock.advance(15_000);
  for (const until = systemClock.monotonic() + 10_000; !isCut && systemClock.monotonic() < until; ) {
    socket.write('x');
    await systemClock.sleep(10);
  }
  assert.equal(isCut, true);
});

test('a listener that cannot take a connection goes on', async () => {
  const servers: Server[] = [];
  const found = (message: unknown): void => void servers.push((message as { server: Server }).server);
  subscribe('tracing:net.server.listen:asyncEnd', found);
  await using site = await openSite();
  unsubscribe('tracing:net.server.listen:asyncEnd', found);
  assert.equal(servers.length, 1);
  for (let time = 0; time < 2; time++) servers[0]!.emit('error', new Error('accept EMFILE'));
  await joinCluster(await tokenOf(site), site.at, { node: 'second', clock: site.clock });
});

test('what is no join protocol, and a server that goes away, end the exchange', async () => {
  await using site = await openSite();
  const token = await tokenOf(site);
  const gone = createPlain((socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    gone.listen(0, '127.0.0.1', resolve);
  });
  const at = { host: '127.0.0.1', port: (gone.address() as { port: number }).port };
  await assert.rejects(
    joinCluster(token, at, { node: 'late', clock: site.clock }),
    (error) => error instanceof Fault && error.temporary,
  );
  gone.close();
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), encodeFrame({ type: 'join', token })]) {
    const socket = connect({ ...site.at, ALPNProtocols: [joinAlpn], rejectUnauthorized: false });
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  // In the clear nothing is said at all.
  const plain = connectPlain(site.at);
  plain.on('error', () => {});
  let said = '';
  plain.on('data', (chunk) => {
    said += chunk.toString('latin1');
  });
  plain.write('hello\r\n\r\n');
  await new Promise((resolve) => plain.once('close', resolve));
  assert.doesNotMatch(said, /CERTIFICATE|versions/);
});

test('what is at the address and lets nobody join is told in plain words', async () => {
  await using site = await openSite();
  const token = await tokenOf(site);
  const mail = createPlain((socket) => {
    socket.on('error', () => {});
    socket.end('220 mail.example.org ESMTP\r\n');
  });
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', resolve));
  const { port } = mail.address() as { port: number };
  await assert.rejects(
    joinCluster(token, { host: '127.0.0.1', port }, { node: 'late', clock: site.clock }),
    (error) =>
      error instanceof Fault &&
      error.message ===
        `cannot join at 127.0.0.1:${port}: what listens there does not let machines join; is that listen.join of a node of the inner zone, and the join token still valid?`,
  );
  mail.close();
});
