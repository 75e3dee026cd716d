// What the demonstration runs: PostgreSQL, three nodes and HAProxy, all on this machine's loopback addresses, with a
// domain and accounts. Everything it writes is in one folder, which is removed when it is closed.
// A start that fails half-way closes what it opened.

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { describeCluster } from '../src/operator/balancer/describe-cluster.ts';
import { formatHaproxy } from '../src/operator/balancer/haproxy.ts';
import type { ClusterBody } from '../src/operator/commands/cluster-status.ts';
import { randomPassword } from '../src/operator/read-password.ts';
import { freePort } from '../test/free-port.ts';
import { HaproxyProcess } from '../test/haproxy-process.ts';
import { PostgresServer } from '../test/postgres-server.ts';
import { DemoNode, nodePorts } from './demo-node.ts';

export const domain = 'example.test';
const users = ['alice', 'bob', 'probe'] as const;
const nodeNames = ['one', 'two', 'three'] as const;

/** A node that was frozen (SIGSTOP) is passed over. */
const answerMs = 1_000;

export type DemoUser = (typeof users)[number];

export interface DemoSiteOptions {
  /** The first three numbers of the addresses: "127.0.0" is 127.0.0.1 for HAProxy, 127.0.0.11 to .13 for the nodes. */
  readonly network: string;
  readonly tell: (text: string) => void;
}

export class DemoSite implements AsyncDisposable {
  readonly folder: string;
  readonly nodes: readonly DemoNode[];
  /** Where clients connect: HAProxy. */
  readonly address: string;
  readonly passwords: Readonly<Record<DemoUser, string>>;
  readonly #opened: AsyncDisposableStack;

  private constructor(place: Pick<DemoSite, 'folder' | 'nodes' | 'address'>, opened: AsyncDisposableStack) {
    this.folder = place.folder;
    this.nodes = place.nodes;
    this.address = place.address;
    this.#opened = opened;
    this.passwords = { alice: randomPassword(), bob: randomPassword(), probe: randomPassword() };
  }

  static async start({ network, tell }: DemoSiteOptions): Promise<DemoSite> {
    await requireFreePorts(`${network}.1`);
    await using opened = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'rookery-demo-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    tell('PostgreSQL …');
    const postgres = opened.use(await PostgresServer.start({ ownGroup: true }));
    const storageUrl = await postgres.makeDatabase();
    const nodes = nodeNames.map(
      (name, index) => new DemoNode({ name, address: `${network}.${11 + index}`, folder, storageUrl }),
    );
    opened.defer(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    const [first, ...others] = nodes as [DemoNode, ...DemoNode[]];
    tell(`node ${first.name} …`);
    await first.makeCluster();
    await first.start();
    const body = { uses: others.length };
    const { token } = await first.admin.call<{ token: string }>({
      method: 'POST',
      path: '/api/cluster/tokens',
      body,
    });
    for (const node of others) {
      tell(`node ${node.name} …`);
      await node.start(`${token}@${network}.11:${nodePorts.join}`);
    }
    tell('HAProxy …');
    const haproxy = await startHaproxy(first, { folder, address: `${network}.1` });
    opened.defer(() => haproxy.stop());
    const site = new DemoSite({ folder, nodes, address: `${network}.1` }, opened.move());
    await site.#addAccounts(first);
    return site;
  }

  /** As a node that answers sees it; undefined: none does. */
  async status(): Promise<ClusterBody | undefined> {
    for (const { pid, admin } of this.nodes) {
      if (pid === undefined) continue;
      try {
        const late = systemClock.sleep(answerMs).then(() => undefined);
        const status = await Promise.race([admin.call<ClusterBody>({ path: '/api/cluster' }), late]);
        if (status !== undefined) return status;
      } catch {
        // It ends just now: the next one.
      }
    }
    return undefined;
  }

  /** Starts the nodes that do not run. */
  async startMissing(): Promise<void> {
    await Promise.all(this.nodes.filter(({ pid }) => pid === undefined).map((node) => node.start()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }

  async #addAccounts({ admin }: DemoNode): Promise<void> {
    await admin.call({ method: 'POST', path: '/api/domains', body: { name: domain } });
    for (const user of users) {
      const body = { address: `${user}@${domain}`, password: this.passwords[user] };
      await admin.call({ method: 'POST', path: '/api/accounts', body });
    }
  }
}

/** With the configuration that `rookery balancer haproxy` prints, on ports that need no privilege. */
async function startHaproxy(
  { admin }: DemoNode,
  { folder, address }: { folder: string; address: string },
): Promise<HaproxyProcess> {
  const { link: _link, join: _join, ...ports } = nodePorts;
  const text = formatHaproxy(await describeCluster(admin), {
    bind: [address],
    privateBind: address,
    ports: { ...ports, health: await freePort() },
    statsSocket: join(folder, 'haproxy.sock'),
    log: 'stdout',
    connectionsMax: 1_000,
    user: null,
  });
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, text);
  const haproxy = new HaproxyProcess(file);
  await haproxy.logged(/Loading success/);
  return haproxy;
}

/** Said before anything is started: `npm start` has the same ports on 127.0.0.1, and HAProxy's own words are many. */
async function requireFreePorts(address: string): Promise<void> {
  for (const port of Object.values(nodePorts)) {
    const server = createServer().listen(port, address);
    try {
      await once(server, 'listening');
    } catch (cause) {
      const way = 'end what has it (perhaps `npm start`), or choose other addresses: --network 127.0.5';
      throw new Error(`port ${port} of ${address} cannot be had: ${way}`, { cause });
    }
    server.close();
    await once(server, 'close');
  }
}
