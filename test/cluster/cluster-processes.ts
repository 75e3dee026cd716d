// A whole cluster of real processes on 127.0.0.1, 127.0.0.2, …: one PostgreSQL, nodes as an operator starts them
// (`cluster init`, `cluster token`, `serve --join`), accounts. What a test does to it, it does through here.
// Everything it started is ended with it, by process id.

import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/clock.ts';
import type { AdminClient } from '../../src/operator/admin-client.ts';
import { PostgresServer } from '../postgres-server.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../run-program.ts';
import { addressOf, domain, passwordOf, runRookery } from '../server-process.ts';
import { NodeProcess } from './node-process.ts';

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** User names: accounts of example.test. */
  readonly users: readonly string[];
  /** With relays before the link listeners, so that links can be cut. */
  readonly relayed?: boolean;
  readonly settings?: readonly string[];
  /** More of them, of one node: node1, node2, …. */
  readonly settingsOf?: (node: string, host: string) => readonly string[];
  /** "127.a.b" (test/loopback-network.ts): there nodes keep their ports over restarts. Default 127.0.0. */
  readonly network?: string;
  /** For the database: its rows lie there. */
  readonly databaseFolder?: string;
  /** A PostgreSQL that is there already, and how nodes reach their database. It is ended with the cluster. */
  readonly store?: { readonly postgres: PostgresServer; readonly url: string };
}

export interface ClusterStatus {
  readonly leaseLeftMs: number;
  readonly controller: { readonly node: string; readonly term: number } | null;
  readonly nodes: readonly {
    readonly node: string;
    readonly state: string;
    readonly drained: boolean;
    readonly roles: readonly string[];
    readonly shards: number;
    readonly silentMs: number;
    readonly load: { readonly openAccounts: number };
  }[];
  readonly shards: { readonly total: number; readonly unhosted: number; readonly moving: number };
}

/** What a node may say as an error when it was frozen, cut off from the store, or declared dead. */
export const lostLeaseErrors = [/this node was declared dead/, /a commit failed, the account is read again/];

/** Far above every time the cluster promises, on a loaded machine too; whoever waits so long has failed. */
const waitMsMax = 60_000;
const pollMs = 50;
const storeCuts = 5;
const betweenCutsMs = 200;
const tokenUses = 20;

export class ClusterProcesses implements AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly nodes: NodeProcess[] = [];
  readonly users: readonly string[];
  readonly storeUrl: string;
  readonly #options: ClusterOptions;
  readonly #folder: TemporaryFolder;
  /** Accounts stay where a test wants them, whatever balance would do. */
  #isPlaced = false;

  private constructor(
    options: ClusterOptions,
    parts: { postgres: PostgresServer; folder: TemporaryFolder; storeUrl: string },
  ) {
    this.#options = options;
    this.users = options.users;
    this.postgres = parts.postgres;
    this.#folder = parts.folder;
    this.storeUrl = parts.storeUrl;
  }

  /** Resolves when all nodes host their share of the accounts. */
  static async start(options: ClusterOptions): Promise<ClusterProcesses> {
    const folder = await makeTemporaryFolder();
    const postgres = options.store?.postgres ?? (await PostgresServer.start());
    const cluster = new ClusterProcesses(options, {
      folder,
      postgres,
      storeUrl: options.store?.url ?? (await postgres.makeDatabase(options.databaseFolder)),
    });
    try {
      const store = cluster.#storeSettings.flatMap((setting) => ['--set', setting]);
      const init = await runRookery([
        'cluster',
        'init',
        '--node',
        'node1',
        '--data',
        folder.at('node1'),
        ...store,
      ]);
      assert.equal(init.code, 0, init.stderr);
      await cluster.addNode();
      const { nodes = 3 } = options;
      await Promise.all(Array.from({ length: nodes - 1 }, () => cluster.addNode()));
      await cluster.untilBalanced();
      await cluster.#addAccounts();
      await cluster.untilBalanced();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** One more node, which joins through one that is up. */
  async addNode(): Promise<NodeProcess> {
    const number = this.nodes.length + 1;
    const isFirst = number === 1;
    const { network, settings = [], settingsOf } = this.#options;
    const [name, host] = [`node${number}`, `${network ?? '127.0.0'}.${number}`];
    const node = new NodeProcess({
      name,
      host,
      data: this.#folder.at(name),
      settings: [...settings, ...(settingsOf?.(name, host) ?? []), ...(isFirst ? this.#storeSettings : [])],
      keepsPorts: network !== undefined,
      ...(isFirst ? {} : { join: () => this.#joinToken() }),
      ...(this.#options.relayed === true ? { callers: () => this.nodes } : {}),
    });
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** The nodes that take clients. */
  get up(): NodeProcess[] {
    return this.nodes.filter((node) => node.isUp);
  }

  /** To a node's admin API, over its socket; default: the first that is up. */
  admin(through: NodeProcess | undefined = this.up[0]): AdminClient {
    assert.ok(through !== undefined, 'no node is up');
    return through.server.admin;
  }

  status(through?: NodeProcess): Promise<ClusterStatus> {
    return this.admin(through).call<ClusterStatus>({ path: '/api/cluster' });
  }

  /** The node that hosts a user's account; undefined: none at the moment. */
  async hostOf(user: string, through?: NodeProcess): Promise<NodeProcess | undefined> {
    const { node } = await this.#placeOf(user, through);
    return this.nodes.find(({ name }) => name === node);
  }

  /** Moves the users' accounts to a node, where they stay while it is up. */
  async place(users: readonly string[], node: NodeProcess): Promise<void> {
    this.#isPlaced = true;
    for (const user of users) {
      const { shard } = await this.#placeOf(user);
      await this.admin().call({
        method: 'POST',
        path: `/api/cluster/shards/${shard}/move`,
        body: { to: node.name },
      });
    }
    for (const user of users) await this.untilHostedBy(user, node);
  }

  async shardOf(user: string): Promise<number> {
    return (await this.#placeOf(user)).shard;
  }

  async untilHostedBy(user: string, node: NodeProcess): Promise<void> {
    const deadline = systemClock.monotonic() + waitMsMax;
    while ((await this.hostOf(user)) !== node) {
      assert.ok(systemClock.monotonic() < deadline, `${node.name} does not host ${user}`);
      await systemClock.sleep(pollMs);
    }
  }

  async drain(node: NodeProcess): Promise<void> {
    await this.#ask(node, 'drain');
    await this.until(`${node.name} is drained`, (status) => shardsOf(status, node) === 0);
  }

  async undrain(node: NodeProcess): Promise<void> {
    await this.#ask(node, 'undrain');
  }

  /** Every shard has a host, nothing moves or is about to, and the running nodes have even shares. */
  async untilBalanced(): Promise<void> {
    const deadline = systemClock.monotonic() + waitMsMax;
    do {
      assert.ok(systemClock.monotonic() < deadline, 'shards move and move');
      await this.#untilEven();
    } while (!this.#isPlaced && (await this.#plannedMoves()) > 0);
  }

  async #untilEven(): Promise<void> {
    await this.until('the cluster is balanced', (status) => {
      const { total, unhosted, moving } = status.shards;
      const takers = this.nodes.filter(
        (node) => node.isRunning && hostsAccounts(status, node) && !isDrained(status, node),
      );
      // What would gain less than a tenth does not move.
      const share = Math.floor((0.9 * total) / takers.length);
      return unhosted === 0 && moving === 0 && takers.every((node) => shardsOf(status, node) >= share);
    });
  }

  /** Asks a node, by default the first that is up, until it is so. */
  async until(what: string, isSo: (status: ClusterStatus) => boolean, through?: NodeProcess): Promise<void> {
    const deadline = systemClock.monotonic() + waitMsMax;
    let status: ClusterStatus | undefined;
    while (systemClock.monotonic() < deadline) {
      status = await this.status(through).catch(() => undefined);
      if (status !== undefined && isSo(status)) return;
      await systemClock.sleep(pollMs);
    }
    throw new Error(`not so after ${waitMsMax} ms: ${what}\n${JSON.stringify(status)}`);
  }

  /** Those of all nodes to PostgreSQL, and again those that they make anew. */
  async cutStoreConnections(): Promise<void> {
    const cut =
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = ';
    const database = new URL(this.storeUrl).pathname.slice(1);
    for (let times = 0; times < storeCuts; times++) {
      await this.postgres.query(`${cut}'${database}'`);
      await systemClock.sleep(betweenCutsMs);
    }
  }

  cutLinks(one: NodeProcess, other: NodeProcess): void {
    one.relay.cut(other.server.pid);
    other.relay.cut(one.server.pid);
  }

  mendLinks(one: NodeProcess, other: NodeProcess): void {
    one.relay.mend(other.server.pid);
    other.relay.mend(one.server.pid);
  }

  /** SIGTERM to all, one after another; each ends without errors in its log but those that the test has provoked. */
  async stop(provoked: readonly RegExp[] = []): Promise<void> {
    for (const node of this.nodes.toReversed()) if (node.isRunning) await node.terminate(provoked);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.end()));
    await this.postgres[Symbol.asyncDispose]();
    await this.#folder.remove();
  }

  get #storeSettings(): string[] {
    return ['storage.engine=postgres', `storage.url=${this.storeUrl}`];
  }

  async #joinToken(): Promise<string> {
    const through = this.up[0];
    assert.ok(through !== undefined, 'no node is up');
    const body = { uses: tokenUses };
    const { token } = await this.admin(through).call<{ token: string }>({
      method: 'POST',
      path: '/api/cluster/tokens',
      body,
    });
    return `${token}@${through.host}:${through.server.ports.join}`;
  }

  /** Shards that were placed go where they are best again. */
  async rebalance(): Promise<void> {
    await this.admin().call({ method: 'POST', path: '/api/cluster/rebalance', body: {} });
    this.#isPlaced = false;
  }

  /** Because accounts were made, nodes came or went. */
  async #plannedMoves(): Promise<number> {
    const request = { method: 'POST', path: '/api/cluster/rebalance', body: { dryRun: true } } as const;
    return (await this.admin().call<{ moves: unknown[] }>(request)).moves.length;
  }

  async #addAccounts(): Promise<void> {
    await this.admin().call({ method: 'POST', path: '/api/domains', body: { name: domain } });
    for (const [index, user] of this.users.entries()) {
      const body = { address: addressOf(user), password: passwordOf(user) };
      const through = this.nodes[index % this.nodes.length];
      await this.admin(through).call({ method: 'POST', path: '/api/accounts', body });
    }
  }

  #placeOf(user: string, through?: NodeProcess) {
    const path = `/api/cluster/who/${encodeURIComponent(addressOf(user))}`;
    return this.admin(through).call<{ shard: number; node: string | null }>({ path });
  }

  async #ask(node: NodeProcess, what: 'drain' | 'undrain'): Promise<void> {
    const through = this.up.find((each) => each !== node);
    await this.admin(through).call({ method: 'POST', path: `/api/cluster/nodes/${node.name}/${what}` });
  }
}

function shardsOf(status: ClusterStatus, node: NodeProcess): number {
  return status.nodes.find((each) => each.node === node.name)?.shards ?? 0;
}

function hostsAccounts(status: ClusterStatus, node: NodeProcess): boolean {
  const row = status.nodes.find((each) => each.node === node.name);
  return row === undefined || row.roles.includes('backend');
}

function isDrained(status: ClusterStatus, node: NodeProcess): boolean {
  return status.nodes.find((each) => each.node === node.name)?.drained === true;
}
