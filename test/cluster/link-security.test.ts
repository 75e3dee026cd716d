// The ports between nodes speak to members only: what a stranger, a certificate of another authority and a removed node
// try at the link listeners of a real cluster. (PROMISES 71, 104.)

import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { accountServiceName } from '../../src/cluster/account-service.ts';
import { loadCredentials } from '../../src/cluster/authority/credential-files.ts';
import type { LinkCredentials } from '../../src/cluster/link-credentials.ts';
import { LinkFailure, NotHostedHere } from '../../src/cluster/links/link-failure.ts';
import { type LinkPlace, LinkPool } from '../../src/cluster/links/link-pool.ts';
import { clientTlsOptions } from '../../src/cluster/links/link-tls.ts';
import { makeTestAuthority } from '../../src/cluster/links/testing.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { exitCodes } from '../../src/operator/exit-codes.ts';
import { missingPostgres } from '../postgres-server.ts';
import { accountIdOf } from './admin-requests.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';

/** TLS's own record of a failed handshake; nothing else is ever answered to who is no member. */
const alertRecord = 0x15;
const answerMs = 10_000;

suite('the ports between nodes', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let host: NodeProcess;
  let accountId: string;
  let removedCredentials: LinkCredentials | undefined;

  before(async () => {
    cluster = await ClusterProcesses.start({ users: ['alice'] });
    host = cluster.nodes[0]!;
    await cluster.place(['alice'], host);
    accountId = await accountIdOf(cluster, 'alice');
  });
  after(async () => {
    await cluster?.stop();
    await cluster?.[Symbol.asyncDispose]();
  });

  const place = (node = host): LinkPlace => ({
    node: node.name as NodeId,
    address: { host: node.host, port: node.server.ports.link },
  });
  const poolOf = (credentials: LinkCredentials): LinkPool =>
    new LinkPool({
      credentials: () => credentials,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      linksMax: 1,
    });
  const askQuota = (pool: LinkPool, to = place()): Promise<unknown> =>
    pool.call(
      to,
      { service: accountServiceName, method: 'quota', grant: undefined, arguments: [accountId, []] },
      { timeoutMs: answerMs },
    );

  test('bytes without TLS are not answered', async () => {
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', 'rookery-link\r\n', Buffer.alloc(4096)]) {
      const { host: address, port } = place().address;
      const answer = await answerTo(connect({ host: address, port }), bytes);
      assert.ok(answer.length === 0 || answer[0] === alertRecord, answer.toString('latin1'));
    }
  });

  test('TLS without a certificate gets no byte of the protocol', async () => {
    const socket = connectTls({
      host: host.host,
      port: place().address.port,
      rejectUnauthorized: false,
      ALPNProtocols: ['rookery-link'],
    });
    assert.equal((await answerTo(socket, 'hello')).length, 0);
  });

  test("a certificate with a node's name by another authority gets no byte of the protocol", async () => {
    const stranger = await (await makeTestAuthority()).credentials('node2');
    const options = { ...clientTlsOptions(stranger, host.name as NodeId), rejectUnauthorized: false };
    const socket = connectTls({ ...options, host: host.host, port: place().address.port });
    assert.equal((await answerTo(socket, 'hello')).length, 0);
    // Nor does a member take a stranger for a member.
    const pool = poolOf(stranger);
    await assert.rejects(askQuota(pool));
    await pool.close();
  });

  test('a member that asks the wrong node for an account is refused', async () => {
    const credentials = await loadCredentials(cluster.nodes[2]!.server.data);
    assert.ok(credentials !== undefined);
    const pool = poolOf(credentials);
    assert.ok(await askQuota(pool));
    await assert.rejects(askQuota(pool, place(cluster.nodes[1]!)), NotHostedHere);
    await pool.close();
  });

  test("a removed node's certificate is refused, on new links and on those it has", async () => {
    const removed = cluster.nodes[2]!;
    const credentials = await loadCredentials(removed.server.data);
    assert.ok(credentials !== undefined);
    removedCredentials = credentials;
    const [before, after] = [poolOf(credentials), poolOf(credentials)];
    assert.ok(await askQuota(before));
    await cluster.admin(host).call({ method: 'DELETE', path: `/api/cluster/nodes/${removed.name}` });
    await cluster.until('its accounts are elsewhere', (status) => {
      const row = status.nodes.find(({ node }) => node === removed.name);
      return row?.state === 'removed' && row.shards === 0 && status.shards.unhosted === 0;
    });
    assert.equal((await removed.server.exited).code, exitCodes.configuration);
    await removed.end();
    for (const pool of [before, after])
      await assert.rejects(askQuota(pool), /node3 is no node of this cluster/);
    await before.close();
    await after.close();
  });

  test('while the database is away a member comes by a new link, a removed node does not', async () => {
    const member = await loadCredentials(cluster.nodes[1]!.server.data);
    assert.ok(member !== undefined && removedCredentials !== undefined);
    // Known at once to whom it called; to others within seconds.
    const earlier = poolOf(member);
    assert.ok(await askQuota(earlier));
    await earlier.close();
    await cluster.postgres.stop('SIGKILL');
    try {
      const [known, stranger] = [poolOf(member), poolOf(removedCredentials)];
      // Its lease runs out within seconds: then it answers that it hosts nothing. Either way it answers.
      const answer = await askQuota(known).catch((error: unknown) => error);
      assert.ok(!(answer instanceof Error) || answer instanceof NotHostedHere, String(answer));
      await assert.rejects(askQuota(stranger), LinkFailure);
      await known.close();
      await stranger.close();
    } finally {
      await cluster.postgres.restart();
    }
    await cluster.until('all is hosted again', ({ shards }) => shards.unhosted === 0);
  });

  test('a name that is admitted again is for who brings a token, not for the machine that was removed', async () => {
    assert.ok(removedCredentials !== undefined);
    const name = removedCredentials.node;
    await cluster.admin(host).call({ method: 'POST', path: `/api/cluster/nodes/${name}/admit` });
    await cluster.until('its name is free', ({ nodes }) =>
      nodes.some(({ node, state }) => node === name && state === 'left'),
    );
    const pool = poolOf(removedCredentials);
    await assert.rejects(askQuota(pool), LinkFailure);
    await pool.close();
    // It still has the way to the database: without links it would host accounts that nobody reaches.
    await assert.rejects(cluster.nodes[2]!.start(), /this machine is not node node3 of the cluster any more/);
  });

  test('what a node keeps of the cluster is for its owner only', async () => {
    const file = `${host.server.data}/cluster/credentials.json`;
    assert.match(await readFile(file, 'latin1'), /PRIVATE KEY/);
    assert.equal((await stat(file)).mode & 0o077, 0);
  });
});

/** All bytes until the other end closes. */
function answerTo(socket: ReturnType<typeof connect>, bytes: string | Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {}); // a refusal may be a reset
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.write(bytes);
  });
}
