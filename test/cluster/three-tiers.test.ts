// Three tiers in networks of their own: outside, frontends between, backends with the database inside. The outside reaches the
// listeners that were asked for and nothing else, and mail works through them (PROMISES 9, 20, 103).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { enterOwnNetwork, OtherNetwork, openPorts, openSwitch } from '../network-namespace.ts';
import { missingPostgres } from '../postgres-server.ts';
import { makeTemporaryFolder, runWell, type TemporaryFolder } from '../run-program.ts';
import { addressOf, listenerNames, passwordOf } from '../server-process.ts';
import { deliver, makeMail } from './client-sessions.ts';
import { ClusterProcesses } from './cluster-processes.ts';
import type { NodeProcess } from './node-process.ts';
import { startOuterNode } from './outer-node.ts';
import type { OutsideOrders } from './outside-client.ts';

const missing = missingPostgres() || enterOwnNetwork();

const users = ['alice', 'bob', 'carol'];
const inside = '10.77.1';
const outsideAddress = '198.51.100.1';
const clientProgram = fileURLToPath(new URL('outside-client.ts', import.meta.url));

/** Every listener is off but these, and what tells this machine of the node's health. */
function only(...listeners: readonly string[]): string[] {
  const asked = ['admin=127.0.0.1:0', ...listeners];
  const names = asked.map((listener) => listener.split('=')[0]);
  const off = listenerNames.filter((name) => !names.includes(name)).map((name) => `${name}=off`);
  return [...asked, ...off].map((listener) => `listen.${listener}`);
}

/** A machine between the two networks, and the node on it. */
interface Between {
  readonly name: string;
  readonly roles: readonly string[];
  readonly outer: string;
  readonly inner: string;
  readonly listeners: readonly string[];
  /** That the outside is to see. */
  readonly ports: readonly number[];
}

const between: readonly Between[] = [
  ...['11', '12'].map((number) => ({
    name: `front${number}`,
    roles: ['frontend'],
    outer: `198.51.100.${number}`,
    inner: `${inside}.${number}`,
    listeners: [`imaps=198.51.100.${number}:993`, `submissions=198.51.100.${number}:465`],
    ports: [465, 993],
  })),
  {
    name: 'filter',
    roles: ['mx'],
    outer: '198.51.100.13',
    inner: `${inside}.13`,
    listeners: ['mx=198.51.100.13:25', `lmtp=${inside}.13:24`],
    ports: [25],
  },
];

suite('three tiers', { skip: missing }, () => {
  let folder: TemporaryFolder;
  let outside: OtherNetwork;
  const machines: OtherNetwork[] = [];
  let cluster: ClusterProcesses;
  let nodes: NodeProcess[] = [];

  before(async () => {
    folder = await makeTemporaryFolder();
    const backends = [1, 2].map((number) => `${inside}.${number}/24`);
    const innerSwitch = openSwitch('inner', backends);
    outside = await OtherNetwork.open();
    const outerSwitch = openSwitch('outer', [`${outsideAddress}/24`], outside);
    for (const { outer, inner } of between) {
      const machine = await OtherNetwork.open();
      machine.connect('out', `${outer}/24`, outerSwitch);
      machine.connect('in', `${inner}/24`, innerSwitch);
      machines.push(machine);
    }
    // The way that somebody outside would try.
    outside.configure(`route add ${inside}.0/24 via ${between[0]!.outer}`);
    cluster = await ClusterProcesses.start({
      users,
      nodes: 2,
      network: inside,
      settings: [...only(), 'cluster.roles=["backend"]'],
    });
    nodes = await Promise.all(
      between.map(({ name, roles, inner, listeners }, index) =>
        startOuterNode(cluster, {
          name,
          roles,
          host: inner,
          data: folder.at(name),
          settings: only(...listeners),
          within: machines[index]!.within,
        }),
      ),
    );
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.end()));
    await cluster?.[Symbol.asyncDispose]();
    await Promise.all([outside, ...machines].map((network) => network?.[Symbol.asyncDispose]()));
    await folder?.remove();
  });

  test('each node has its role, and only backends host accounts', async () => {
    await cluster.until('all are there', (status) => status.nodes.length === 5);
    const { nodes: rows } = await cluster.status();
    const told = rows.map(({ node, roles, shards }) => `${node} ${roles} ${shards}`).sort();
    assert.deepEqual(told, [
      'filter mx 0',
      'front11 frontend 0',
      'front12 frontend 0',
      'node1 backend 128',
      'node2 backend 128',
    ]);
  });

  test('of all ports the outside sees those of the listeners that were asked for', async () => {
    for (const { name, outer, ports } of between)
      assert.deepEqual(await openPorts(outside, outer), ports, name);
  });

  test('the outside gets no further: neither to the inner side of a frontend nor to a backend', async () => {
    assert.deepEqual(await openPorts(outside, between[0]!.inner), []);
    const [backend] = cluster.nodes;
    const { stdout } = await speak(outside, backend!.host, backend!.server.ports.link, 'plain');
    assert.match(stdout, /^no connection/);
  });

  test('from where the frontends are, backends have the ports for nodes and nothing else', async () => {
    const [first] = machines;
    for (const { name, host, server } of cluster.nodes) {
      const wanted = [server.ports.link, server.ports.join].sort((one, other) => one - other);
      assert.deepEqual(await openPorts(first!, host), wanted, name);
    }
    assert.deepEqual(await openPorts(first!, between[2]!.inner), [24]);
  });

  test('the ports for nodes say nothing to who has no certificate of the cluster', async () => {
    // Else the join port says which authorities a token is to be compared with.
    const path = '/api/cluster/tokens';
    const { items } = await cluster.admin().call<{ items: { id: string }[] }>({ path });
    for (const { id } of items) await cluster.admin().call({ method: 'DELETE', path: `${path}/${id}` });
    for (const { host, server } of cluster.nodes)
      for (const port of [server.ports.link, server.ports.join])
        for (const how of ['plain', 'tls'] as const) {
          const { stdout } = await speak(machines[0]!, host, port, how);
          assert.match(stdout, /^(refused|heard 0)/, `${port} ${how}`);
        }
  });

  test('mail works through all of it from outside: delivered, submitted, read', async () => {
    const [one, two, filter] = between as [Between, Between, Between];
    const orders: OutsideOrders = {
      mx: filter.outer,
      submissions: one.outer,
      imaps: two.outer,
      user: addressOf('alice'),
      password: passwordOf('alice'),
      to: addressOf('bob'),
    };
    await deliver(nodes[2]!, 'alice', [makeMail('by LMTP')]);
    const alice = await openOutside(outside, orders);
    assert.deepEqual(alice.subjects, ['by LMTP', 'from a stranger']);
    assert.deepEqual(await sessionsOf('alice'), { sessions: 1, openSessions: ['front12 imap 1'] });
    await alice.end();
    const bob = await openOutside(outside, {
      ...orders,
      user: addressOf('bob'),
      password: passwordOf('bob'),
    });
    assert.deepEqual(bob.subjects, ['from a stranger', 'from outside', 'from outside']);
    await bob.end();
  });

  async function sessionsOf(user: string) {
    const path = `/api/cluster/who/${encodeURIComponent(addressOf(user))}`;
    const { sessions, openSessions } = await cluster.admin().call<{
      sessions: number;
      openSessions: { node: string; service: string; sessions: number }[];
    }>({ path });
    const told = openSessions.map(({ node, service, sessions: count }) => `${node} ${service} ${count}`);
    return { sessions, openSessions: told };
  }
});

/** Says what came from a port within two seconds of having said something to it. */
const speaker = `
import socket, ssl, sys
host, port, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]
try:
    link = socket.create_connection((host, port), timeout=2)
except OSError as error:
    print('no connection', error)
    sys.exit(0)
heard = b''
try:
    if how == 'tls':
        context = ssl._create_unverified_context()
        link = context.wrap_socket(link)
    link.sendall(b'HELP\\r\\n' * 100)
    while True:
        piece = link.recv(4096)
        if not piece: break
        heard += piece
except TimeoutError:
    pass
except OSError as error:
    if not heard:
        print('refused', error)
        sys.exit(0)
print('heard', len(heard), heard[:100])
`;

function speak(from: OtherNetwork, host: string, port: number, how: 'plain' | 'tls') {
  const [command, ...args] = [...from.within, 'python3', '-c', speaker, host, String(port), how];
  return runWell(command!, args);
}

/** Logged in until `end`. */
async function openOutside(outside: OtherNetwork, orders: OutsideOrders) {
  const [command, ...args] = [...outside.within, process.execPath, clientProgram, JSON.stringify(orders)];
  const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])) as [Buffer];
  assert.ok(Buffer.isBuffer(line), 'the client ended');
  const end = async (): Promise<void> => {
    child.stdin.end();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  };
  return { subjects: JSON.parse(line.toString()) as string[], end };
}
