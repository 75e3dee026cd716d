// When this node last saw others live, by its own monotonic clock: the only failure detector there is.
//
// Invariant: what counts as silence was watched without a break. A node that could not read or renew for a while (its
// lease lapsed) has not watched, so it begins anew; otherwise an engine that comes back after an outage would be
// followed by everybody declaring everybody dead.

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
  readonly #nodes = new Map<NodeId, Seen>();
  readonly #moves = new Map<number, { revision: number; since: number }>();

  /** Takes note of what a read showed; `now` is after the read. */
  observe(view: ClusterView, now: number): void {
    for (const [name, { row }] of view.nodes) {
      const seen = this.#nodes.get(name);
      if (seen === undefined || seen.incarnation !== row.incarnation) {
        const { incarnation, beat } = row;
        this.#nodes.set(name, { incarnation, beat, changedAt: now, incarnationSince: now });
      } else if (seen.beat !== row.beat) {
        seen.beat = row.beat;
        seen.changedAt = now;
      }
    }
  }

  /** Forgets how long anything has lasted. */
  reset(now: number): void {
    for (const seen of this.#nodes.values()) {
      seen.changedAt = now;
      seen.incarnationSince = now;
    }
    this.#moves.clear();
  }

  /** How long the node's row has shown no new heartbeat; 0 for a node never seen. */
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
