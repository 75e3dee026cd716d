// Who hosts what without an operator: few accounts on all nodes, each account on one, a new node's share of the old and
// of the new, a user's sessions together wherever they are (PROMISES 18, 27, 28, 45, 97, 101).

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { LineSession } from '../faults/line-session.ts';
import { loopbackNetwork } from '../loopback-network.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, passwordOf } from '../server-process.ts';
import { deliver, makeMail, openInbox, openLmtp, subjectsOf } from './client-sessions.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import { NodeProcess } from './node-process.ts';

const users = Array.from({ length: 10 }, (_, index) => `user${index}`);
const domains = ['one.test', 'two.test', 'three.test'];
const newAccounts = domains.flatMap((name) => Array.from({ length: 6 }, (_, at) => `new${at}@${name}`));
const network = loopbackNetwork();
/** Of two service instances on one node, later on two. */
const [firstInstance, secondInstance] = [`${network}.40:1143`, `${network}.41:1143`];

interface Place {
  readonly node: string;
  readonly epoch: number;
  readonly sessions: number | null;
  readonly openSessions: readonly { node: string; service: string; sessions: number }[];
}

/** Far above what a hand-over takes, on a loaded machine too. */
const agreeMsMax = 30_000;

suite('accounts and sessions spread by themselves', { skip: missingPostgres() }, () => {
  let cluster: ClusterProcesses;
  let folder: TemporaryFolder;

  before(async () => {
    folder = await makeTemporaryFolder();
    cluster = await ClusterProcesses.start({ users, network });
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  async function whoAsked(through: NodeProcess, address: string): Promise<Place> {
    return through.server.admin.call<Place>({ path: `/api/cluster/who/${encodeURIComponent(address)}` });
  }

  /** Where each node says that an account is: node and epoch. While a shard moves some know it later than others. */
  async function homeOf(address: string): Promise<string> {
    const deadline = systemClock.monotonic() + agreeMsMax;
    for (;;) {
      const told = await Promise.all(cluster.up.map((node) => whoAsked(node, address)));
      const places = new Set(told.map(({ node, epoch }) => `${node} ${epoch}`));
      if (places.size === 1) return told[0]!.node;
      assert.ok(systemClock.monotonic() < deadline, `${address} is at ${[...places]}`);
      await systemClock.sleep(100);
    }
  }

  /** Accounts by the node that hosts them, as every node tells it: no account has two homes. */
  async function homes(addresses: readonly string[]): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for (const address of addresses) {
      const node = await homeOf(address);
      found.set(node, [...(found.get(node) ?? []), address]);
    }
    return found;
  }

  const told = (place: Place): string[] =>
    place.openSessions.map(({ node, service, sessions }) => `${node} ${service} ${sessions}`);

  /** Joins as `name`, with these IMAP listeners. */
  async function join(name: string, number: number, imap: readonly string[]): Promise<void> {
    const { host, server } = cluster.nodes[0]!;
    const request = { method: 'POST', path: '/api/cluster/tokens', body: { uses: 1 } } as const;
    const node = new NodeProcess({
      name,
      host: `${network}.${number}`,
      data: folder.at(name),
      settings: [`listen.imap=${JSON.stringify(imap)}`],
      join: async () =>
        `${(await server.admin.call<{ token: string }>(request)).token}@${host}:${server.ports.join}`,
    });
    cluster.nodes.push(node);
    await node.start();
  }

  test('one domain, ten users, three nodes: no node is idle', async () => {
    const found = await homes(users.map(addressOf));
    const numbers = [...found.values()].map(({ length }) => length).sort();
    assert.equal(found.size, 3, `hosts: ${[...found.keys()]}`);
    assert.ok(numbers[0]! >= 2 && numbers[2]! <= 5, `accounts on each node: ${numbers}`);
  });

  test('all connections of a user meet at one node, which tells where they are', async () => {
    const [one, two, three] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    await deliver(two, 'user0', [makeMail('hello')]);
    const sessions = await Promise.all([one, one, two].map((node) => openInbox(node, 'user0')));
    const pop = await LineSession.open(three.port('pop3'), three.host);
    await pop.line();
    await pop.command(`USER ${addressOf('user0')}`, '+OK');
    await pop.command(`PASS ${passwordOf('user0')}`, '+OK');
    const wanted = ['node1 imap 2', 'node2 imap 1', 'node3 pop3 1'];
    const address = addressOf('user0');
    const before = await whoAsked(one, address);
    for (const node of cluster.nodes) {
      const place = await whoAsked(node, address);
      assert.deepEqual([place.node, place.sessions, told(place)], [before.node, 4, wanted], node.name);
    }
    // What one does the others hear of at once: one and the same copy of the account serves them.
    for (const session of sessions.slice(1)) await session.command('i IDLE', '+');
    await sessions[0]!.command('f STORE 1 +FLAGS (met)', 'f OK');
    for (const session of sessions.slice(1)) await session.until('* 1 FETCH');
    // They stay together when the account moves.
    const other = cluster.nodes.find(({ name }) => name !== before.node)!;
    await cluster.place(['user0'], other);
    await sessions[0]!.command('g STORE 1 -FLAGS (met)', 'g OK');
    for (const session of sessions.slice(1)) await session.until('* 1 FETCH');
    assert.deepEqual(told(await whoAsked(three, address)), wanted);
    const { stdout } = await three.server.rookery(['cluster', 'who', address]);
    assert.match(stdout, new RegExp(`^node: +${other.name}$`, 'm'));
    assert.match(stdout, /^openSessions: +node1: 2 imap, node2: 1 imap, node3: 1 pop3$/m);
    for (const session of [...sessions, pop]) session.end();
    await cluster.rebalance();
  });

  test('a new node takes a share of the old accounts and of the new ones; domains spread by themselves', async () => {
    const before = await homes(users.map(addressOf));
    await join('node4', 40, [firstInstance, secondInstance]);
    for (const name of domains)
      await cluster.admin().call({ method: 'POST', path: '/api/domains', body: { name } });
    for (const [index, address] of newAccounts.entries()) {
      const through = cluster.nodes[index % cluster.nodes.length];
      await cluster.admin(through).call({ method: 'POST', path: '/api/accounts', body: { address } });
    }
    await cluster.untilBalanced();
    const all = [...users.map(addressOf), ...newAccounts];
    const found = await homes(all);
    const numbers = [...found.values()].map(({ length }) => length).sort((a, b) => a - b);
    assert.equal(found.size, 4);
    // Seven each, but for what would gain less than a tenth and for accounts that chance has put into one shard.
    assert.ok(numbers[0]! >= 5 && numbers[3]! <= 9, `accounts on each node: ${numbers}`);
    const onNew = found.get('node4')!;
    assert.ok(onNew.some((address) => newAccounts.includes(address)));
    assert.ok(onNew.some((address) => !newAccounts.includes(address)));
    // Nothing went to and fro: what left its node for the new one's sake is a quarter of all, by chance more of the old ones.
    const kept = [...before].map(([node, addresses]) =>
      addresses.filter((address) => found.get(node)!.includes(address)),
    );
    assert.ok(kept.flat().length >= users.length / 3, `of the old accounts few stayed: ${kept.join(' | ')}`);
    for (const domain of domains) {
      const hosts = [...found.values()].filter((addresses) => addresses.some((one) => one.endsWith(domain)));
      assert.ok(hosts.length >= 2, `${domain} is on one node`);
    }
  });

  test('an account is whole at one node: delivered through any, open once', async () => {
    const all = [...users.map(addressOf), ...newAccounts];
    const through = (index: number): NodeProcess => cluster.nodes[index % cluster.nodes.length]!;
    const before = await Promise.all(all.map((address, index) => messagesOf(through(index), address)));
    for (const [index, address] of all.entries()) await deliverTo(through(index + 1), address);
    const now = await Promise.all(all.map((address, index) => messagesOf(through(index + 2), address)));
    assert.deepEqual(
      now,
      before.map((count) => count + 1),
    );
    // Each has been used, so each is open at its host; one that were open at a second one would be counted twice.
    await cluster.until('each account is open at one node', ({ nodes }) => {
      return nodes.reduce((sum, { load }) => sum + load.openAccounts, 0) === all.length;
    });
    await homes(all);
  });

  test('two service instances on one node, then apart: the same accounts at the same addresses', async () => {
    await deliver(cluster.nodes[2]!, 'user1', [makeMail('for both')]);
    const readBoth = async (): Promise<void> => {
      for (const instance of [firstInstance, secondInstance]) {
        const [host, port] = instance!.split(':') as [string, string];
        const entrance = { name: instance!, host, port: () => Number(port) };
        assert.ok((await subjectsOf(entrance, 'user1')).includes('for both'), instance);
      }
    };
    await readBoth();
    await cluster.nodes.pop()!.terminate();
    await join('node4', 40, [firstInstance!]);
    await join('node5', 41, [secondInstance!]);
    await readBoth();
    await cluster.untilBalanced();
    assert.equal((await homes([...users.map(addressOf), ...newAccounts])).size, 5);
  });
});

async function deliverTo(node: NodeProcess, address: string): Promise<void> {
  const session = await openLmtp(node);
  assert.match(await session.reply('MAIL FROM:<a@example.org>'), /^250/);
  assert.match(await session.reply(`RCPT TO:<${address}>`), /^250/);
  assert.match(await session.reply('DATA'), /^354/);
  assert.match(await session.reply(`${makeMail('one more')}.`), /^250/);
  session.end();
}

async function messagesOf(node: NodeProcess, address: string): Promise<number> {
  const path = `/api/accounts/${encodeURIComponent(address)}/quota`;
  return (await node.server.admin.call<{ messagesUsed: number }>({ path })).messagesUsed;
}
