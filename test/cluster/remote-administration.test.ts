// Nodes administered through other nodes: their log levels, configurations and metrics from any of them, and everything
// through a node that only faces clients (PROMISES 75, 84); and how many connections that takes between them (68).

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { storeMessage } from '../account-content.ts';
import { LineSession } from '../faults/line-session.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf, runRookery } from '../server-process.ts';
import { askNode, tokenWith } from './admin-requests.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { NodeProcess } from './node-process.ts';
import { until } from './outer-node.ts';

const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
/** `cluster.links` of this site: less than there are other nodes. */
const linksMax = 2;
const sessionsPerNode = 20;

suite('administration from node to node', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let folder: TemporaryFolder;
  let front: NodeProcess;

  before(async () => {
    folder = await makeTemporaryFolder();
    cluster = await ClusterProcesses.start({ users, settings: [`cluster.links=${linksMax}`] });
    front = new NodeProcess({
      name: 'front',
      host: '127.0.0.9',
      data: folder.at('front'),
      settings: ['cluster.roles=["frontend"]', `cluster.links=${linksMax}`],
      join: async () => {
        const { host, server } = cluster.up[0]!;
        const request = { method: 'POST', path: '/api/cluster/tokens', body: { uses: 1 } } as const;
        const { token } = await cluster.admin().call<{ token: string }>(request);
        return `${token}@${host}:${server.ports.join}`;
      },
    });
    await front.start();
  });
  after(async () => {
    await front?.end();
    await cluster?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  const rookery = async (node: NodeProcess, ...line: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runRookery(['--data', node.server.data, ...line]);
    assert.equal(code, 0, `${line.join(' ')}\n${stdout}${stderr}`);
    return stdout;
  };

  test('the log level of one node is changed through another, without a restart', async () => {
    const [one, two] = cluster.nodes as [NodeProcess, NodeProcess];
    const { pid } = two.server;
    const changed = await rookery(one, 'cluster', 'config', 'set', 'log.level', 'debug', '--node', 'node2');
    assert.match(changed, /^\+ nodes\.node2\.log\.level = "debug"$/m);
    await until(async () =>
      /^level = "debug"$/m.test(await rookery(one, '--on', 'node2', 'config', 'show', '--running')),
    );
    const session = await LineSession.open(two.port('imap'), two.host);
    await session.line();
    await session.command('i ID ("name" "a client that says who it is")', 'i OK');
    session.end();
    // Only at that level.
    await two.server.logged(({ level, msg }) => level === 20 && msg === 'client identified itself');
    assert.match(await rookery(two, '--on', 'node1', 'config', 'show', '--running'), /^level = "info"$/m);
    assert.match(await rookery(front, '--on', 'node2', 'reload'), /needRestart/);
    await rookery(one, 'cluster', 'config', 'unset', 'log.level', '--node', 'node2');
    await until(async () =>
      /^level = "info"$/m.test(await rookery(one, '--on', 'node2', 'config', 'show', '--running')),
    );
    assert.equal(two.server.pid, pid);
    const { code, stderr } = await runRookery(['--data', one.server.data, '--on', 'node9', 'reload']);
    assert.equal(code, 4, stderr);
  });

  const ask = (line: string, token: string | undefined, body?: object) =>
    askNode(front, line, { token, body });

  test('backends are administered through the URL of a frontend, by those who may', async () => {
    assert.equal((await cluster.status()).nodes.find(({ node }) => node === 'front')?.shards, 0);
    const address = addressOf('grace');
    const account = { address, password: passwordOf('grace') };
    const token = await tokenWith(cluster, 'read', 'write:directory', 'operate');
    for (const [line, body] of [
      ['GET /api/accounts', undefined],
      ['POST /api/accounts', account],
      ['GET /api/nodes/node1/config', undefined],
      ['POST /api/nodes/node1/reload', {}],
      ['GET /api/nodes/node1/metrics', undefined],
    ] as const) {
      assert.equal((await ask(line, undefined, body)).status, 401, line);
      assert.equal((await ask(line, 'guessed', body)).status, 401, line);
    }
    const weak = await tokenWith(cluster, 'metrics');
    assert.equal((await ask('POST /api/nodes/node1/reload', weak, {})).status, 403);
    assert.equal((await ask('POST /api/accounts', weak, account)).status, 403);
    assert.match(
      (await ask('GET /api/nodes/node1/metrics', weak)).body,
      /^rookery_cluster_shards_held 8[56]$/m,
    );

    assert.equal((await ask('POST /api/accounts', token, account)).status, 201);
    const who = JSON.parse((await ask(`GET /api/cluster/who/${address}`, token)).body) as { node: string };
    assert.match(who.node, /^node[123]$/);
    assert.equal((await ask(`GET /api/accounts/${address}/mailboxes`, token)).status, 200);
    const shown = JSON.parse((await ask(`GET /api/nodes/${who.node}/config`, token)).body);
    assert.deepEqual(shown.cluster.roles, ['frontend', 'mx', 'backend']);
    assert.equal((await ask(`POST /api/nodes/${who.node}/reload`, token, {})).status, 200);
    assert.equal((await ask(`GET /api/nodes/node9/config`, token)).status, 404);
    assert.equal((await ask(`DELETE /api/nodes/${who.node}/accounts/${address}`, token)).status, 204);
    assert.equal((await ask(`GET /api/accounts/${address}`, token)).status, 404);
  });

  test('a search index is built again from any node, also one that hosts nothing, and its state is told by all', async () => {
    const address = addressOf('carol');
    // More than wait until more come.
    const count = 130;
    for (let index = 0; index < count; index++)
      await storeMessage(cluster.admin(), 'carol', {
        bytes: `Subject: s${index}\r\n\r\nneedle ${index}\r\n`,
      });
    const host = await cluster.hostOf('carol');
    const other = cluster.nodes.find((node) => node !== host)!;
    for (const node of [other, front]) {
      const built = JSON.parse(await rookery(node, '--json', 'index', 'rebuild', address));
      assert.deepEqual(
        [built.messages, built.indexed, built.building, built.segments],
        [count, count, false, 1],
      );
      const path = `/api/accounts/${address}/search-index`;
      for (const asked of [...cluster.nodes, front])
        assert.deepEqual(
          { account: address, ...(await cluster.admin(asked).call<object>({ path })) },
          built,
          asked.name,
        );
    }
    const told = ({ msg }: { msg: string }): boolean =>
      msg === 'the search index is built again, as an administrator asks';
    await host!.server.logged(told);
    const missing = ['--data', other.server.data, 'index', 'rebuild', addressOf('nobody')];
    assert.equal((await runRookery(missing)).code, 4);
    const token = await tokenWith(cluster, 'read');
    assert.equal((await ask(`POST /api/accounts/${address}/search-index/rebuild`, token)).status, 403);
    assert.equal((await ask(`GET /api/accounts/${address}/search-index`, token)).status, 200);
  });

  test('many sessions on all nodes share few connections between them', async (t) => {
    const nodes = [...cluster.nodes, front];
    const sessions: LineSession[] = [];
    for (const node of nodes)
      for (let index = 0; index < sessionsPerNode; index++) {
        const user = users[index % users.length]!;
        const session = await LineSession.open(node.port('imap'), node.host);
        sessions.push(session);
        await session.line();
        await session.command(`l LOGIN ${addressOf(user)} "${passwordOf(user)}"`, 'l OK');
        await session.command('s SELECT INBOX', 's OK');
        session.write('i IDLE\r\n');
        await session.until('+');
      }
    for (const node of nodes) {
      const calling = await gauge(node, 'rookery_cluster_links_calling');
      const serving = await gauge(node, 'rookery_cluster_links_serving');
      t.diagnostic(`${node.name}: ${calling} links to other nodes, ${serving} from them`);
      // All sessions watch, so every link is in use and none is pushed out: one a node that hosts, however many sessions.
      assert.ok(calling <= 3, `${node.name} has ${calling} links`);
      assert.ok(serving <= nodes.length - 1, `${node.name} serves ${serving} links`);
    }
    assert.equal(await gauge(front, 'rookery_cluster_links_calling'), 3);
    for (const session of sessions) session.end();
    // What is not in use any more is more than the cache may have, when the next link is made.
    const database = new URL(cluster.storeUrl).pathname.slice(1);
    const counted = `SELECT count(*) FROM pg_stat_activity WHERE datname = '${database}'`;
    const connections = Number((await cluster.postgres.query(counted))[0]!.count);
    t.diagnostic(`${connections} connections to PostgreSQL of ${nodes.length} nodes`);
    assert.ok(connections <= 25 * nodes.length);
  });
});

async function gauge(node: NodeProcess, name: string): Promise<number> {
  const answer = await fetch(`http://${node.host}:${node.port('admin')}/metrics`);
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(await answer.text())?.[1];
  assert.ok(value !== undefined, name);
  return Number(value);
}
