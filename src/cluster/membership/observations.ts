// When this node last saw others live, by its own monotonic clock: the only failure detector there is.
//
// Invariant: what counts as silence was watched. Otherwise an engine that comes back after an outage would be followed by
// everybody declaring everybody dead, who could not have been heard meanwhile. So of the time between two reads no more
// counts than a heartbeat takes to come, and a node that could not read or renew for a while (its lease lapsed) begins anew:
// others may still be waiting for answers that the engine's absence cost them.

import type { NodeId } from '../../mail/ids.ts';
import type { ShardRow } from './cluster-rows.ts';
import type { ClusterView } from './cluster-view.ts';

interface Seen {
  incarnation: string;
  beat: number;
  changedAt: number;
  incarnationSince: number;
}

export class Observations {
  readonly #heartbeatMs: number;
  readonly #nodes = new Map<NodeId, Seen>();
  readonly #moves = new Map<number, { revision: number; since: number }>();

  #observedAt = Number.POSITIVE_INFINITY;

  constructor(heartbeatMs: number) {
    this.#heartbeatMs = heartbeatMs;
  }

  /** Takes note of what a read showed; `now` is after the read. */
  observe(view: ClusterView, now: number): void {
    const unwatchedMs = Math.max(0, now - this.#observedAt - this.#heartbeatMs);
    this.#observedAt = now;
    for (const [name, { row }] of view.nodes) {
      const seen = this.#nodes.get(name);
      if (seen === undefined || seen.incarnation !== row.incarnation) {
        const { incarnation, beat } = row;
        this.#nodes.set(name, { incarnation, beat, changedAt: now, incarnationSince: now });
      } else if (seen.beat !== row.beat) {
        seen.beat = row.beat;
        seen.changedAt = now;
      } else seen.changedAt += unwatchedMs;
    }
  }

  /** Forgets how long anybody has been silent. How long a row was seen to say something stays true, watched or not. */
  reset(now: number): void {
    for (const seen of this.#nodes.values()) seen.changedAt = now;
  }

  /** How long the node's row was seen to show no new heartbeat; 0 for a node never seen. */
  silentMs(node: NodeId, now: number): number {
    const seen = this.#nodes.get(node);
    return seen === undefined ? 0 : now - seen.changedAt;
  }

  /** How long the node has been known under its present incarnation: an earlier one is silent for at least as long. */
  incarnationMs(node: NodeId, now: number): number {
    const seen = this.#nodes.get(node);
    return seen === undefined ? 0 : now - seen.incarnationSince;
  }

  /** How long a planned move has been known to be wanted, in this very form. */
  movingMs(row: ShardRow, now: number): number {
    const known = this.#moves.get(row.shard);
    if (known?.revision === row.revision) return now - known.since;
    this.#moves.set(row.shard, { revision: row.revision, since: now });
    return 0;
  }
}
