// What an operator is shown of the cluster, as one node sees it. Figures of other nodes are as old as their last
// heartbeat that this node read.

import type { Epoch, NodeId, ShardId } from '../../mail/ids.ts';
import type { Member, NodeDescription, NodeLoad, NodeState } from './cluster-rows.ts';
import type { MemberCore } from './member-core.ts';

export interface NodeStatus extends NodeDescription {
  readonly incarnation: string;
  readonly state: NodeState;
  readonly drained: boolean;
  readonly removing: boolean;
  /** Since this node last saw a new heartbeat of it. */
  readonly silentMs: number;
  readonly load: NodeLoad;
  readonly shards: number;
  readonly isController: boolean;
}

export interface ShardStatus {
  readonly shard: ShardId;
  readonly epoch: Epoch;
  readonly owner: Member | undefined;
  readonly movingTo: Member | undefined;
  readonly pinned: NodeId | undefined;
}

export interface ClusterStatus {
  readonly self: Member;
  /** Until when this node may serve its shards; below 0: not now. */
  readonly leaseLeftMs: number;
  readonly controller: { readonly node: NodeId; readonly term: number } | undefined;
  readonly nodes: readonly NodeStatus[];
  readonly shards: readonly ShardStatus[];
  readonly shardsUnhosted: number;
  readonly shardsMoving: number;
  readonly damagedRows: number;
}

export function clusterStatus(core: MemberCore, now: number): ClusterStatus {
  const { view, observations } = core;
  const holder = view.controller?.row.holder;
  const shards: ShardStatus[] = [];
  const counts = new Map<NodeId, number>();
  let shardsUnhosted = view.shardCount;
  for (const known of view.shards) {
    if (known === undefined) continue;
    const { shard, epoch, owner, movingTo, pinned } = known.row;
    shards.push({ shard, epoch, owner, movingTo, pinned });
    if (owner === undefined || !view.isUp(owner)) continue;
    shardsUnhosted--;
    counts.set(owner.node, (counts.get(owner.node) ?? 0) + 1);
  }
  const nodes = [...view.nodes.values()].map(({ row }): NodeStatus => {
    const { revision, beat, leaving, successorOf, drained, ...said } = row;
    return {
      ...said,
      drained: drained === true,
      removing: leaving === 'remove',
      silentMs: observations.silentMs(row.node, now),
      shards: counts.get(row.node) ?? 0,
      isController: holder?.node === row.node && view.isUp(holder),
    };
  });
  return {
    self: core.self,
    leaseLeftMs: Math.max(-1, core.leaseEndsAt() - now),
    controller:
      holder === undefined ? undefined : { node: holder.node, term: view.controller?.row.term ?? 0 },
    nodes: nodes.sort((a, b) => (a.node < b.node ? -1 : 1)),
    shards,
    shardsUnhosted,
    shardsMoving: shards.filter(({ movingTo }) => movingTo !== undefined).length,
    damagedRows: view.damagedRows,
  };
}
