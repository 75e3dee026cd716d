// What whoever starts the nodes of one machine knows for certain: that a process of a node has ended, because it reaped it or
// because it holds the store that the process would need. Said in the node's row, the others need not wait for its lease:
// the controller, or who becomes it, gives its shards away at once.
//
// Invariant: as the controller's own word, it is a commit with a condition on the row as it was read. A node that has come
// back since then is another incarnation, has another row, and is not touched. Must not be said of a guess.

import type { NodeId } from '../../mail/ids.ts';
import { ClusterChange } from './cluster-change.ts';
import type { ClusterRequest } from './cluster-requests.ts';
import { endedRow, isPresent } from './cluster-rows.ts';

/** Of one node; without a name, of all: nobody but the caller has the store. */
export const declareEnded =
  (node?: NodeId): ClusterRequest =>
  (view) => {
    const change = new ClusterChange(view, new Map());
    for (const { row } of view.nodes.values()) {
      if (!isPresent(row) || (node !== undefined && row.node !== node)) continue;
      change.putNode(endedRow(row));
    }
    return change;
  };
