// What tests of accounts in a cluster need: nodes in one process over one engine, joined by links through relays, and a
// shard table that the test changes at will in place of membership.
// Not part of the program; a test may import it, nothing else does.

import { type AccountHosts, openAccountHosts } from '../account/account-hosts.ts';
import type { AccountLimits } from '../account/account-limits.ts';
import type { AccountEvent, AccountPort, Appended, WatchingSessions } from '../account/port.ts';
import { StoredMessages } from '../account/reading/stored-messages.ts';
import { shardOf } from '../account/shard.ts';
import type { People } from '../account/sharing/people.ts';
import {
  messageText,
  newMessage,
  newOperation,
  openMemoryBlobStore,
  testAccountId,
} from '../account/testing.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { BlobStore } from '../storage/blobs/blob-store.ts';
import type { Engine } from '../storage/engine.ts';
import { fenceKey, raiseEpoch } from '../storage/fence.ts';
import { openMemoryEngine } from '../storage/memory-engine.ts';
import { type AccountServiceOptions, accountServiceName, openAccountService } from './account-service.ts';
import { HostedAccounts } from './hosted-accounts.ts';
import type { LinkLimits } from './links/link-limits.ts';
import { LinkPool } from './links/link-pool.ts';
import { LinkServer } from './links/link-server.ts';
import type { LinkService } from './links/serving-link.ts';
import { makeTestAuthority, openRelay, type Relay, type TestAuthority } from './links/testing.ts';
import { isSamePlace, type ShardLocator, type ShardPlace } from './location.ts';
import { RemoteAccounts } from './remote-accounts.ts';
import type { SessionEpochs } from './session-epoch.ts';

export interface TestNodesOptions {
  readonly names: readonly string[];
  readonly limits?: Partial<LinkLimits>;
  readonly patienceMs?: number;
  readonly authorize?: AccountServiceOptions['authorize'];
  readonly grantOf?: () => Uint8Array | undefined;
  /** In place of the account service for nodes of the inner zone. */
  readonly service?: (node: TestNode) => LinkService;
  /** Closed by whoever opened it; in memory by default. */
  readonly storage?: NodesStorage;
  readonly accountLimits?: Partial<AccountLimits>;
  readonly people?: People;
  readonly sessionEpochs?: SessionEpochs;
  /** Nodes read messages themselves from what this makes of the hosts' store. */
  readonly readsStore?: (storage: NodesStorage) => NodesReads;
  /** Where the nodes get their certificates; one of their own by default. */
  readonly authority?: Promise<TestAuthority>;
}

interface NodesStorage {
  readonly engine: Engine;
  readonly blobs: BlobStore;
}

export type NodesReads = ConstructorParameters<typeof StoredMessages>[0];

type NodeAccounts = Pick<TestNodesOptions, 'accountLimits' | 'people' | 'sessionEpochs'>;

export class TestNode {
  readonly name: NodeId;
  readonly epochs = new Map<ShardId, Epoch>();
  readonly hosts: AccountHosts;
  readonly hosted: HostedAccounts;
  server!: LinkServer;
  relay!: Relay;
  pool!: LinkPool;
  accounts!: RemoteAccounts;
  hasLease = true;

  constructor(name: string, storage: NodesStorage, options: NodeAccounts) {
    const { accountLimits = {}, people, sessionEpochs } = options;
    this.name = name as NodeId;
    this.hosts = openAccountHosts({
      ...storage,
      shards: { epochOf: (shard) => this.#epochOf(shard) },
      clock: systemClock,
      log: silentLog,
      limits: accountLimits,
      ...(people && { people }),
    });
    this.hosted = new HostedAccounts({
      accounts: this.hosts,
      hosts: this.hosts,
      leases: { epochOf: (shard) => this.#epochOf(shard) },
      log: silentLog,
      ...(sessionEpochs && { sessionEpochs }),
    });
  }

  #epochOf(shard: ShardId): Epoch {
    const epoch = this.epochs.get(shard);
    if (epoch === undefined || !this.hasLease) throw new MailError('unavailable', 'not our shard');
    return epoch;
  }
}

export class TestNodes implements AsyncDisposable {
  readonly nodes = new Map<string, TestNode>();
  readonly engine: Engine;
  readonly #blobs: BlobStore;
  readonly #table = new Map<ShardId, { node: NodeId; epoch: Epoch }>();
  readonly #waiting = new Set<() => void>();

  constructor(storage: NodesStorage | undefined) {
    this.engine = storage?.engine ?? openMemoryEngine();
    this.#blobs = storage?.blobs ?? openMemoryBlobStore(this.engine);
  }

  static async open(options: TestNodesOptions): Promise<TestNodes> {
    const nodes = new TestNodes(options.storage);
    const authority = await (options.authority ?? makeTestAuthority());
    for (const name of options.names) await nodes.#add(name, authority, options);
    return nodes;
  }

  node(name: string): TestNode {
    return this.nodes.get(name)!;
  }

  /** Gives the shard to a node under a higher epoch, without asking the one that has it: what follows a death. */
  async give(shard: ShardId, name: string): Promise<void> {
    const before = await this.engine.get(fenceKey(shard));
    const epoch = ((this.#table.get(shard)?.epoch ?? 0) + 1) as Epoch;
    const { put, condition } = raiseEpoch(shard, before, epoch);
    await this.engine.commit({ puts: [put], conditions: [condition] });
    const node = this.node(name);
    node.epochs.set(shard, epoch);
    node.hosted.onShardOpened(shard, epoch);
    this.#table.set(shard, { node: node.name, epoch });
    for (const resolve of this.#waiting) resolve();
  }

  ownerOf(shard: ShardId): NodeId {
    return this.#table.get(shard)!.node;
  }

  /** A planned move. */
  async move(shard: ShardId, to: string): Promise<void> {
    const from = this.node(this.ownerOf(shard));
    await from.hosted.onShardReleasing(shard);
    from.epochs.delete(shard);
    await this.give(shard, to);
  }

  /** The owner is fenced, and hears of it only after others. */
  async take(shard: ShardId, to: string): Promise<void> {
    const from = this.node(this.ownerOf(shard));
    await this.give(shard, to);
    if (from.name === to) return;
    from.epochs.delete(shard);
    from.hosted.onShardDropped(shard);
  }

  /**
   * The node dies with all the shards it has: what it still does is heard by nobody, and when its lease has lapsed another
   * opens them. It is back, with nothing in memory, when this resolves.
   */
  async crash(name: string, to: string): Promise<void> {
    const dead = this.node(name);
    dead.relay.stopAnswers();
    dead.relay.cut();
    dead.hasLease = false;
    const shards = [...this.#table].filter(([, place]) => place.node === dead.name).map(([shard]) => shard);
    for (const shard of shards) await this.take(shard, to);
    dead.hasLease = true;
    dead.relay.thaw();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { accounts } of this.nodes.values()) accounts.close();
    for (const { pool, server, relay, hosts } of this.nodes.values()) {
      await pool.close();
      await relay[Symbol.asyncDispose]();
      await server.close();
      await hosts.close();
    }
  }

  async #add(name: string, authority: TestAuthority, options: TestNodesOptions): Promise<void> {
    const storage = { engine: this.engine, blobs: this.#blobs };
    const node = new TestNode(name, storage, options);
    this.nodes.set(name, node);
    const credentials = await authority.credentials(name);
    const clock = systemClock;
    const log = silentLog;
    const limits = options.limits ?? {};
    const authorize = options.authorize ?? (() => {});
    const service = options.service?.(node) ?? openAccountService({ hosted: node.hosted, authorize, clock });
    const services = new Map([[accountServiceName, service]]);
    const address = { host: '127.0.0.1', port: 0 };
    node.server = await LinkServer.open({ credentials, address, services, clock, log, limits });
    node.relay = await openRelay(node.server.port);
    const random = seededRandom(1);
    node.pool = new LinkPool({ credentials: () => credentials, clock, random, log, linksMax: 10, limits });
    node.accounts = new RemoteAccounts({
      locator: this.#locator(node.name),
      pool: node.pool,
      hosted: node.hosted,
      clock,
      log,
      ...(options.readsStore && { stored: new StoredMessages(options.readsStore(storage)) }),
      ...(options.grantOf && { grantOf: options.grantOf }),
      ...(options.patienceMs && { patienceMs: options.patienceMs }),
    });
  }

  #locator(self: NodeId): ShardLocator {
    return {
      self,
      placeOf: (shard) => this.#placeOf(shard),
      whenMoved: async (shard, seen, waitMs) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#waiting.add(resolve);
        const timer = systemClock.after(waitMs, resolve);
        if (isSamePlace(this.#placeOf(shard), seen)) await promise;
        timer.cancel();
        this.#waiting.delete(resolve);
      },
    };
  }

  #placeOf(shard: ShardId): ShardPlace | undefined {
    const row = this.#table.get(shard);
    if (row === undefined) return undefined;
    return { ...row, address: { host: '127.0.0.1', port: this.node(row.node).relay.port } };
  }
}

export const testShard = shardOf(testAccountId);
export const inbox = { role: 'inbox' } as const;

export function deliver(port: AccountPort, text = messageText(), flags: string[] = []): Promise<Appended> {
  return port.append({ operation: newOperation(), target: inbox, messages: [newMessage(text, flags)] });
}

/** Nodes a, b and the frontend f; a hosts the account. */
export async function openNodes(options: Partial<TestNodesOptions> = {}): Promise<TestNodes> {
  const nodes = await TestNodes.open({ names: ['a', 'b', 'f'], ...options });
  await nodes.give(testShard, 'a');
  await nodes.node('a').hosts.create(testAccountId);
  return nodes;
}

export const portAt = (nodes: TestNodes, name: string): Promise<AccountPort> =>
  nodes.node(name).accounts.open(testAccountId);

/** Events until one that fits, within the test's time limit. */
export function listen(port: AccountPort, sessions?: WatchingSessions) {
  const events: AccountEvent[] = [];
  let check = (): void => {};
  const stop = port.watch((event) => {
    events.push(event);
    check();
  }, sessions);
  const until = (fits: (event: AccountEvent) => boolean): Promise<void> =>
    new Promise((resolve) => {
      check = () => {
        if (events.some(fits)) resolve();
      };
      check();
    });
  return { events, until, stop };
}
