// What the routes of /api/cluster act on, where there is one.

import type { ClusterAdministration } from '../../../../cluster/cluster-administration.ts';
import { MailError } from '../../../../mail/mail-error.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';

/** Refuses with conflict. */
export function findCluster({ cluster }: AdminDependencies): ClusterAdministration {
  if (cluster === undefined)
    throw new MailError(
      'conflict',
      'this server is not part of a cluster, or has no access to its storage: make it the first node with `rookery cluster init`, or ask a node of an inner zone (--server URL --token TOKEN)',
    );
  return cluster;
}
