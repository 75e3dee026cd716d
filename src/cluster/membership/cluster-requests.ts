// What an operator asks of a cluster: drain, undrain, remove, admit, move a shard. A request is a change of a row, made
// with a condition on what it was, so it may be made through any node that reaches the engine; the node concerned or
// the controller carries it out.
// Refuses with invalidArgument (no such node or shard), inUse (nobody else could take its shards), conflict (the row
// kept changing under the request).

import type { NodeId, ShardId } from '../../mail/ids.ts';
import { MailError } from '../../mail/mail-error.ts';
import type { Engine, Entry, Reader } from '../../storage/engine.ts';
import { type Occupancy, type PlannedMove, planPlacement } from './assignment.ts';
import { ClusterChange } from './cluster-change.ts';
import { clusterRange, isPresent, type NodeRow, type ShardRow, takesShards } from './cluster-rows.ts';
import { ClusterView } from './cluster-view.ts';

/** A node changes its row each second; a request meets that now and then, never so often. */
const attemptsMax = 20;
/** A cell's rows come in one page up to thousands of nodes. */
const pageLimits = { entriesMax: 8192, bytesMax: 16 * 1024 * 1024 };

export async function readClusterRows(reader: Reader): Promise<Entry[]> {
  const entries: Entry[] = [];
  let start = clusterRange.start;
  for (;;) {
    const page = await reader.page({ start, end: clusterRange.end }, pageLimits);
    entries.push(...page.entries);
    if (page.next === undefined) return entries;
    start = page.next;
  }
}

/** Decides on the rows as they are now what is to be changed. */
export type ClusterRequest = (view: ClusterView) => ClusterChange;

/** Makes the change, on the rows as they are when it is made. */
export async function performRequest(
  engine: Engine,
  shardCount: number,
  request: ClusterRequest,
): Promise<void> {
  for (let attempts = 0; attempts < attemptsMax; attempts++) {
    const view = new ClusterView(shardCount);
    view.merge(await readClusterRows(engine));
    const change = request(view);
    if (change.isEmpty) return;
    const result = await engine.commit(change.batch());
    if (result.outcome === 'committed') return;
  }
  throw new MailError('conflict', 'the cluster changes faster than this request could be made; try again');
}

/** Moves the node's shards to others and gives it no more, until undrained; over restarts of the node too. */
export const drain = (node: NodeId): ClusterRequest =>
  nodeRequest(node, (row) =>
    isPresent(row) ? { ...row, drained: true, state: 'draining' } : { ...row, drained: true },
  );

/** Ends a drain, and a removal that is not over yet. */
export const undrain = (node: NodeId): ClusterRequest =>
  nodeRequest(node, ({ drained, leaving, ...row }) => {
    if (leaving === 'close') return { ...row, leaving };
    return isPresent(row) ? { ...row, state: 'active' } : row;
  });

/** Takes a node out of the cluster for good: once its shards are with others, it stops and may not join again. */
export const remove = (node: NodeId): ClusterRequest =>
  nodeRequest(node, (row, view) => {
    if (!isPresent(row)) return { ...row, state: 'removed' };
    const others = [...view.nodes.values()].some(
      (known) => known.row.node !== node && takesShards(known.row),
    );
    if (!others && row.roles.includes('backend')) {
      throw new MailError('inUse', `no other node can take the shards of ${node}`);
    }
    return { ...row, state: 'draining', leaving: 'remove' };
  });

/** Lets a removed node join again. */
export const admit = (node: NodeId): ClusterRequest =>
  nodeRequest(node, (row) => {
    const { leaving, drained, ...kept } = row;
    return row.state === 'removed' ? { ...kept, state: 'left' } : row;
  });

/** Moves a shard to a node and keeps it there while that node is up; `to` undefined: where balance puts it. */
export const moveShard =
  (shard: ShardId, to: NodeId | undefined): ClusterRequest =>
  (view) => {
    const row = view.shard(shard);
    if (row === undefined) throw new MailError('invalidArgument', `no shard ${shard}`);
    if (to !== undefined && !takesShards(view.node(to))) {
      const why = whyNoShards(view.node(to));
      throw new MailError('invalidArgument', `${to} is no node that takes shards${why}`);
    }
    const change = new ClusterChange(view, new Map());
    change.markShard(shard, { ...unpinned(row), ...(to === undefined ? {} : { pinned: to }) });
    return change;
  };

function whyNoShards(row: NodeRow | undefined): string {
  if (row === undefined) return '';
  if (row.state !== 'active') return `: it is ${row.state}`;
  return row.roles.includes('backend') ? ': its weight is 0' : ': it has not the role backend';
}

/** Lets all shards go where balance puts them: ends every `moveShard`. */
export const rebalance: ClusterRequest = (view) => {
  const change = new ClusterChange(view, new Map());
  for (const known of view.shards) {
    if (known?.row.pinned !== undefined) change.markShard(known.row.shard, unpinned(known.row));
  }
  return change;
};

/** What `rebalance` would move. */
export function plannedRebalance(view: ClusterView, occupancy: Occupancy): PlannedMove[] {
  const nodes = [...view.nodes.values()].filter(({ row }) => takesShards(row));
  return planPlacement(
    nodes.map(({ row }) => ({ node: row.node, weight: row.weight })),
    view.shards.map((known) => ({ node: (known?.row.movingTo ?? known?.row.owner)?.node })),
    occupancy,
  );
}

function unpinned({ revision, shard, epoch, pinned, ...kept }: ShardRow) {
  return kept;
}

function nodeRequest(node: NodeId, changed: (row: NodeRow, view: ClusterView) => NodeRow): ClusterRequest {
  return (view) => {
    const row = view.node(node);
    if (row === undefined) throw new MailError('invalidArgument', `no node ${node}`);
    const change = new ClusterChange(view, new Map());
    change.putNode(changed(row, view));
    return change;
  };
}
