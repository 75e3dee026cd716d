// What an operator watches of a cluster, as one node sees it. What to be woken for:
//
//   rookery_cluster_shards_unhosted > 0 for more than 10 s      accounts cannot be reached
//   rookery_cluster_lease_left_seconds < 0 for more than 10 s   this node serves nothing: it cannot reach the engine
//   rookery_cluster_nodes{state="dead"} > 0                     a machine is gone; its load is on the others
//   rookery_cluster_damaged_rows > 0                            the engine gave back what was not written
//   rate(rookery_cluster_shard_moves_total[10m]) that stays up  shards go to and fro: a node that comes and goes
//
// Figures are asked for when the metrics are read; only moves are counted as they happen. Nothing here fails.

import type { Clock } from '../base/clock.ts';
import type { Metrics } from '../base/metrics.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { NodeState } from './membership/cluster-rows.ts';
import type { ClusterStatus } from './membership/cluster-status.ts';

export interface ClusterMetricsOptions {
  readonly member: ClusterMember;
  readonly clock: Clock;
  /** Links this node made to others, and others to it. */
  readonly links: { readonly calling: () => number; readonly serving: () => number };
  /** Wall clock, milliseconds: when this node's certificate ends. */
  readonly certificateEndsAt: () => number;
}

/** All gauges of one scrape are of one status. */
const statusAgeMsMax = 500;
const nodeStates: readonly NodeState[] = ['active', 'draining', 'left', 'dead', 'removed'];

/** Ends with the disposal; the metrics themselves stay. */
export function observeCluster(metrics: Metrics, options: ClusterMetricsOptions): Disposable {
  const { member, clock, links, certificateEndsAt } = options;
  const status = recentStatus(options);
  const observe = (name: string, help: string, read: () => number): void =>
    metrics.observed({ name: `rookery_cluster_${name}`, help }, read);
  observe('lease_left_seconds', 'How long this node may serve its shards; below 0: not now', () =>
    inSeconds(status().leaseLeftMs),
  );
  observe('shards_held', 'Shards that this node hosts', () => ownNode(status())?.shards ?? 0);
  observe('shards_unhosted', 'Shards that nobody hosts', () => status().shardsUnhosted);
  observe('shards_moving', 'Shards on a planned move', () => status().shardsMoving);
  observe('is_controller', '1: this node assigns the shards', () =>
    ownNode(status())?.isController === true ? 1 : 0,
  );
  observe('controller_term', 'How often the controller changed', () => status().controller?.term ?? 0);
  observe('damaged_rows', 'Rows of the cluster that could not be read', () => status().damagedRows);
  observe('links_calling', 'Links that this node made to others', links.calling);
  observe('links_serving', 'Links that others made to this node', links.serving);
  observe('certificate_left_seconds', "How long this node's certificate is valid; renewed in time", () =>
    inSeconds(certificateEndsAt() - clock.now()),
  );
  observeNodes(metrics, status);
  return { [Symbol.dispose]: countMoves(metrics, member) };
}

function observeNodes(metrics: Metrics, status: () => ClusterStatus): void {
  metrics.observedSeries<'state'>(
    { name: 'rookery_cluster_nodes', help: 'Nodes by state', labels: ['state'] },
    () =>
      nodeStates.map((state) => [{ state }, status().nodes.filter((node) => node.state === state).length]),
  );
  const help = 'Since a new heartbeat of the node was seen; of nodes that are up';
  metrics.observedSeries<'node'>(
    { name: 'rookery_cluster_node_silent_seconds', help, labels: ['node'] },
    () =>
      status()
        .nodes.filter(({ state }) => state === 'active' || state === 'draining')
        .map(({ node, silentMs }) => [{ node }, inSeconds(silentMs)]),
  );
}

/** Returns the function that ends the counting. */
function countMoves(metrics: Metrics, member: ClusterMember): () => void {
  const help = 'Shards that got another host or epoch';
  const moves = metrics.counter({ name: 'rookery_cluster_shard_moves_total', help }).with({});
  return member.table.onMoved((_shard, place) => {
    if (place !== undefined) moves.add();
  });
}

function recentStatus({ member, clock }: ClusterMetricsOptions): () => ClusterStatus {
  let recent: { readonly status: ClusterStatus; readonly at: number } | undefined;
  return () => {
    const now = clock.monotonic();
    if (recent === undefined || now - recent.at > statusAgeMsMax)
      recent = { status: member.status(), at: now };
    return recent.status;
  };
}

function ownNode({ self, nodes }: ClusterStatus) {
  return nodes.find(({ node }) => node === self.node);
}

const inSeconds = (ms: number): number => ms / 1000;
