// The rows of a cluster as an operator changes and reads them: through any node that has the engine.
//
// Invariant: every change is made on the rows as they are then, and what it answers was read after it. What names a node or
// shard that does not exist, or would leave accounts without a host, is refused before anything changes.
// Refuses with noSuchAccount (no such node or shard; the API's word for "not found"), inUse, invalidArgument, conflict.

import type { NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Engine } from '../storage/engine.ts';
import type { PlannedMove } from './membership/assignment.ts';
import { ClusterChange } from './membership/cluster-change.ts';
import {
  type ClusterRequest,
  drain,
  moveShard,
  performRequest,
  plannedRebalance,
  readClusterRows,
  rebalance,
} from './membership/cluster-requests.ts';
import { type NodeListener, type NodeRow, type NodeState, takesShards } from './membership/cluster-rows.ts';
import type { ShardStatus } from './membership/cluster-status.ts';
import { ClusterView } from './membership/cluster-view.ts';
import { readOccupancy } from './shard-occupancy.ts';

/** A node after something was asked of it. */
export interface NodeStanding {
  readonly node: NodeId;
  readonly state: NodeState;
  readonly drained: boolean;
  readonly removing: boolean;
  /** Shards that it still hosts. */
  readonly shards: number;
}

/** Changes of the rows, each on the rows as they are when it is made. */
export class AdministeredRows {
  readonly #engine: Engine;
  readonly #shardCount: number;

  constructor(engine: Engine, shardCount: number) {
    this.#engine = engine;
    this.#shardCount = shardCount;
  }

  async shards(): Promise<ShardStatus[]> {
    const view = await this.#view();
    return view.shards.flatMap((known) => (known === undefined ? [] : [shardIn(view, known.row.shard)]));
  }

  /** Refuses a drain that would move nothing. */
  drain(node: string): Promise<NodeStanding> {
    return this.ofNode(node, drain, requireHeir);
  }

  /** Whether it ever served; who joined and did not has a name alone. */
  async has(name: string): Promise<boolean> {
    return (await this.#view()).node(name as NodeId) !== undefined;
  }

  /** As it is now. */
  async row(name: string): Promise<NodeRow> {
    return nodeIn(await this.#view(), name as NodeId);
  }

  async ofNode(
    name: string,
    change: (node: NodeId) => ClusterRequest,
    check?: (row: NodeRow, view: ClusterView) => void,
  ): Promise<NodeStanding> {
    const node = name as NodeId;
    await performRequest(this.#engine, this.#shardCount, (view) => {
      const row = nodeIn(view, node);
      check?.(row, view);
      return change(node)(view);
    });
    return standingIn(await this.#view(), node);
  }

  async announce(node: NodeId, listeners: readonly NodeListener[]): Promise<void> {
    await performRequest(this.#engine, this.#shardCount, (view) => {
      const change = new ClusterChange(view, new Map());
      const row = view.node(node);
      const isSaid = JSON.stringify(row?.listeners) === JSON.stringify(listeners);
      if (row !== undefined && !isSaid) change.putNode({ ...row, listeners });
      return change;
    });
  }

  async moveShard(number: number, to: string | undefined): Promise<ShardStatus> {
    const shard = number as ShardId;
    await performRequest(this.#engine, this.#shardCount, (view) => {
      shardIn(view, shard);
      if (to !== undefined) nodeIn(view, to as NodeId);
      return moveShard(shard, to as NodeId | undefined)(view);
    });
    return shardIn(await this.#view(), shard);
  }

  async plannedRebalance(): Promise<PlannedMove[]> {
    const [view, occupancy] = await Promise.all([this.#view(), readOccupancy(this.#engine)]);
    return plannedRebalance(view, occupancy);
  }

  async rebalance(): Promise<PlannedMove[]> {
    const moves = await this.plannedRebalance();
    await performRequest(this.#engine, this.#shardCount, rebalance);
    return moves;
  }

  /** Read anew: what was asked through another node a moment ago is in it. */
  async #view(): Promise<ClusterView> {
    const view = new ClusterView(this.#shardCount);
    view.merge(await readClusterRows(this.#engine));
    return view;
  }
}

/** Refuses with noSuchAccount. */
export function nodeIn(view: ClusterView, node: NodeId): NodeRow {
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

/** What was not removed is let in by its certificate; to admit it would change nothing. */
export function requireRemoved({ node, state, leaving }: NodeRow): void {
  if (state === 'removed') return;
  const why = leaving === 'remove' ? 'is on its way out, and not removed yet' : `is ${state}, not removed`;
  throw new MailError('conflict', `${node} ${why}: only a name that was removed needs to be admitted again`);
}

/** A drain that moves nothing would only turn clients away. */
function requireHeir(row: NodeRow, view: ClusterView): void {
  if (row.state === 'removed') throw new MailError('conflict', `${row.node} was removed: it hosts nothing`);
  if (row.state !== 'active' || !row.roles.includes('backend')) return;
  for (const { row: other } of view.nodes.values()) {
    if (takesShards(other) && other.node !== row.node) return;
  }
  throw new MailError(
    'inUse',
    `no other node can take the shards of ${row.node}; add one (\`rookery cluster token\`) or undrain one first`,
  );
}
