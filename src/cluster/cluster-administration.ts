// What an operator can see and do of the cluster through this node: one object, which the admin API speaks for. A node
// that has the engine has it; what it changes are rows, so it matters not which node is asked.
//
// Invariant: everything it says was done is durable. What is asked of a node or shard that does not exist, or that would
// leave accounts without a host, is refused before anything changes.
// Refuses with noSuchAccount (no such node or shard; the API's word for "not found"), inUse, invalidArgument, conflict.

import { shardOf } from '../account/shard.ts';
import type { Clock } from '../base/clock.ts';
import type { AccountId, Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Engine, EngineStatistics } from '../storage/engine.ts';
import type { ClusterAuthority, JoinTokenInfo, JoinTokenOptions } from './authority/cluster-authority.ts';
import { type BalancedNodePlace, balancedNodes } from './balanced-nodes.ts';
import type { ClusterSettings } from './cluster-configuration.ts';
import type {
  ApplyOptions,
  ClusterConfiguration,
  ClusterConfigurationStore,
} from './cluster-configuration-store.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { PlannedMove } from './membership/assignment.ts';
import {
  admit,
  type ClusterRequest,
  drain,
  moveShard,
  performRequest,
  plannedRebalance,
  readClusterRows,
  rebalance,
  remove,
  undrain,
} from './membership/cluster-requests.ts';
import type { NodeAddress, NodeRow, NodeState } from './membership/cluster-rows.ts';
import type { ClusterStatus, ShardStatus } from './membership/cluster-status.ts';
import { ClusterView } from './membership/cluster-view.ts';

/** People wait for it. */
const storageAnswerMs = 2_000;

/** A copy of the store that another server keeps. */
export interface StandbyStatus {
  readonly name: string;
  /** As the database says it: "streaming", "catchup". */
  readonly state: string;
  readonly isSynchronous: boolean;
  readonly lagBytes: number;
}

/** What the engine's own server says, where there is one. */
export interface StorageHealth {
  /** Which server takes writes: "host:port". */
  readonly server: string;
  readonly version: string;
  readonly standbys: readonly StandbyStatus[];
}

export interface StorageReport extends EngineStatistics {
  readonly engine: string;
  /** Undefined: the engine is in this process, or its server could not be asked. */
  readonly health: StorageHealth | undefined;
}

export interface ClusterReport extends ClusterStatus {
  /** The cluster's id. */
  readonly cluster: string;
  readonly cell: string;
  /** Undefined: the engine does not answer. */
  readonly configurationVersion: number | undefined;
  readonly storage: StorageReport;
}

/** A node after something was asked of it. */
export interface NodeStanding {
  readonly node: NodeId;
  readonly state: NodeState;
  readonly drained: boolean;
  readonly removing: boolean;
  /** Shards that it still hosts. */
  readonly shards: number;
}

export interface AccountPlace {
  readonly cell: string;
  readonly shard: ShardId;
  /** Undefined with `epoch` and `address`: nobody hosts it at the moment. */
  readonly node: NodeId | undefined;
  readonly epoch: Epoch | undefined;
  readonly address: NodeAddress | undefined;
}

/** What a balancer needs to know of the site beside its nodes. */
export interface BalancedSite {
  readonly hostname: string;
  readonly idle: { readonly imapMs: number; readonly pop3Ms: number; readonly smtpMs: number };
}

export interface BalancerDescription extends BalancedSite {
  readonly nodes: readonly BalancedNodePlace[];
}

export interface ClusterAdministrationOptions {
  readonly member: ClusterMember;
  readonly engine: Engine;
  readonly authority: ClusterAuthority;
  readonly configuration: ClusterConfigurationStore;
  /** The name of this storage domain. */
  readonly cell: string;
  readonly site: () => BalancedSite;
  readonly clock: Clock;
  /** Asks the engine's server, where there is one; what it throws is told as "not known". */
  readonly storageHealth?: () => Promise<StorageHealth>;
}

export interface ClusterAdministration {
  status(): Promise<ClusterReport>;
  /** Whether this node takes no new clients: for /readyz. Costs nothing. */
  isDraining(): boolean;
  drain(node: string): Promise<NodeStanding>;
  undrain(node: string): Promise<NodeStanding>;
  /** For good: its shards go to others, then it stops; its certificate is not renewed and its name is free. */
  remove(node: string): Promise<NodeStanding>;
  /** Lets a node that was removed join again. */
  admit(node: string): Promise<NodeStanding>;
  /** `to` undefined: where balance puts it. */
  moveShard(shard: number, to: string | undefined): Promise<ShardStatus>;
  /** What `rebalance` would move now. */
  plannedRebalance(): Promise<readonly PlannedMove[]>;
  /** Ends every `moveShard` and lets balance decide; tells what will move. */
  rebalance(): Promise<readonly PlannedMove[]>;
  placeOf(account: AccountId): AccountPlace;
  createJoinToken(options: JoinTokenOptions): Promise<JoinTokenInfo & { readonly token: string }>;
  /** Where new machines reach this node; without a port when it does not say. */
  joinPlace(): { readonly host: string; readonly port: number | undefined };
  joinTokens(): Promise<readonly JoinTokenInfo[]>;
  revokeJoinToken(id: string): Promise<void>;
  configuration(): Promise<ClusterConfiguration>;
  configurationVersion(version: number): Promise<ClusterConfiguration>;
  configurationHistory(): Promise<readonly ClusterConfiguration[]>;
  applyConfiguration(next: ClusterSettings, options: ApplyOptions): Promise<ClusterConfiguration>;
  rollbackConfiguration(to: number, options: ApplyOptions): Promise<ClusterConfiguration>;
  balancer(): BalancerDescription;
}

export function openClusterAdministration(options: ClusterAdministrationOptions): ClusterAdministration {
  const { member, authority, configuration, cell, site } = options;
  const requests = new Requests(options);
  return {
    status: () => report(options),
    isDraining: () => isDraining(member.view.node(member.self)),
    drain: (node) => requests.ofNode(node, drain, requireHeir),
    undrain: (node) => requests.ofNode(node, undrain),
    remove: async (node) => {
      const standing = await requests.ofNode(node, remove);
      await authority.forget(standing.node);
      return standing;
    },
    admit: (node) => requests.ofNode(node, admit),
    moveShard: (shard, to) => requests.moveShard(shard, to),
    plannedRebalance: async () => plannedRebalance(await requests.view()),
    rebalance: () => requests.rebalance(),
    placeOf: (account) => {
      const shard = shardOf(account);
      const { node, epoch, address } = member.placeOf(shard) ?? {};
      return { cell, shard, node, epoch, address };
    },
    createJoinToken: (wanted) => authority.createJoinToken(wanted),
    joinPlace: () => joinPlaceOf(member.view.node(member.self)),
    joinTokens: () => authority.joinTokens(),
    revokeJoinToken: (id) => revokeJoinToken(authority, id),
    configuration: () => configuration.current(),
    configurationVersion: (version) => configuration.version(version),
    configurationHistory: () => configuration.history(),
    applyConfiguration: (next, by) => configuration.apply(next, by),
    rollbackConfiguration: (to, by) => configuration.rollback(to, by),
    balancer: () => ({ ...site(), nodes: balancedNodes(member.status().nodes) }),
  };
}

/** Changes of the rows, each on the rows as they are when it is made. */
class Requests {
  readonly #engine: Engine;
  readonly #shardCount: number;

  constructor({ engine, member }: ClusterAdministrationOptions) {
    this.#engine = engine;
    this.#shardCount = member.view.shardCount;
  }

  /** Read anew: what was asked through another node a moment ago is in it. */
  async view(): Promise<ClusterView> {
    const view = new ClusterView(this.#shardCount);
    view.merge(await readClusterRows(this.#engine));
    return view;
  }

  async ofNode(
    name: string,
    change: (node: NodeId) => ClusterRequest,
    check?: (row: NodeRow, view: ClusterView) => void,
  ): Promise<NodeStanding> {
    const node = name as NodeId;
    await performRequest(this.#engine, this.#shardCount, (view) => {
      check?.(nodeIn(view, node), view);
      nodeIn(view, node);
      return change(node)(view);
    });
    return standingIn(await this.view(), node);
  }

  async moveShard(number: number, to: string | undefined): Promise<ShardStatus> {
    const shard = number as ShardId;
    await performRequest(this.#engine, this.#shardCount, (view) => {
      shardIn(view, shard);
      if (to !== undefined) nodeIn(view, to as NodeId);
      return moveShard(shard, to as NodeId | undefined)(view);
    });
    return shardIn(await this.view(), shard);
  }

  async rebalance(): Promise<PlannedMove[]> {
    const moves = plannedRebalance(await this.view());
    await performRequest(this.#engine, this.#shardCount, rebalance);
    return moves;
  }
}

async function report(options: ClusterAdministrationOptions): Promise<ClusterReport> {
  const { member, engine, authority, configuration, cell, clock, storageHealth } = options;
  const [current, health] = await Promise.all([
    ifSoon(clock, configuration.current()),
    storageHealth === undefined ? undefined : ifSoon(clock, storageHealth()),
  ]);
  return {
    ...member.status(),
    cluster: authority.cluster,
    cell,
    configurationVersion: current?.version,
    storage: { engine: engine.name, ...engine.statistics(), health },
  };
}

/** A status that fails or hangs because the database does would be of no use when it is needed most. */
function ifSoon<T>(clock: Clock, asked: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(storageAnswerMs, () => resolve(undefined));
    const settle = (answer: T | undefined): void => {
      timer.cancel();
      resolve(answer);
    };
    asked.then(settle, () => settle(undefined));
  });
}

/** Refuses a revocation of what is not there: a mistyped id would leave the token valid. */
async function revokeJoinToken(authority: ClusterAuthority, id: string): Promise<void> {
  const known = await authority.joinTokens();
  if (!known.some((token) => token.id === id))
    throw new MailError(
      'noSuchAccount',
      `there is no join token ${id}; \`rookery cluster token list\` shows those there are`,
    );
  await authority.revokeJoinToken(id);
}

function nodeIn(view: ClusterView, node: NodeId): NodeRow {
  const row = view.node(node);
  if (row === undefined)
    throw new MailError(
      'noSuchAccount',
      `there is no node ${node}; \`rookery cluster status\` shows those there are`,
    );
  return row;
}

function shardIn(view: ClusterView, shard: ShardId): ShardStatus {
  const row = view.shard(shard);
  if (row === undefined)
    throw new MailError(
      'noSuchAccount',
      `there is no shard ${shard}; they are numbered 0 to ${view.shardCount - 1}`,
    );
  const { epoch, owner, movingTo, pinned } = row;
  return { shard, epoch, owner, movingTo, pinned };
}

function standingIn(view: ClusterView, node: NodeId): NodeStanding {
  const row = nodeIn(view, node);
  let shards = 0;
  for (const known of view.shards) if (known?.row.owner?.node === node) shards++;
  return {
    node,
    state: row.state,
    drained: row.drained === true,
    removing: row.leaving === 'remove',
    shards,
  };
}

function joinPlaceOf(row: NodeRow | undefined): ReturnType<ClusterAdministration['joinPlace']> {
  const listener = row?.listeners?.find(({ name }) => name === 'join');
  return { host: row?.address.host ?? 'HOST', port: listener?.port };
}

function isDraining(row: NodeRow | undefined): boolean {
  return row !== undefined && (row.drained === true || row.state === 'draining');
}

/** A drain that moves nothing would only turn clients away. */
function requireHeir(row: NodeRow, view: ClusterView): void {
  if (row.state !== 'active' || !row.roles.includes('backend')) return;
  for (const { row: other } of view.nodes.values()) {
    const takes = other.state === 'active' && other.roles.includes('backend') && other.weight > 0;
    if (takes && other.node !== row.node) return;
  }
  throw new MailError(
    'inUse',
    `no other node can take the shards of ${row.node}; add one (\`rookery cluster token\`) or undrain one first`,
  );
}
