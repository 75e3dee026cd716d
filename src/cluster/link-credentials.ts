// What proves that a node belongs to its cluster: a certificate of the cluster's own authority, whose subject's common
// name is the node's name.

import type { NodeId } from '../mail/ids.ts';

export interface LinkCredentials {
  readonly node: NodeId;
  /** The authority's certificates, PEM: more than one while it is being replaced. */
  readonly authorities: readonly string[];
  readonly certificate: string;
  readonly key: string;
}
