// What nodes of the outer zone ask of and tell the cluster, over links: shapes for both ends.
// Parsing fails with invalidArgument (questions) or a Fault (answers).

import { z } from 'zod';
import { Fault } from '../../base/fault.ts';
import { MailError } from '../../mail/mail-error.ts';
import { nodePlaceSchema } from '../authority/join-protocol.ts';

export const clusterServiceName = 'cluster';

const short = z.string().max(255);
const pem = z.string().max(8 * 1024);
const count = z.int().min(0);
const role = z.enum(['frontend', 'mx', 'backend']);
/** Every listener with a few addresses each. */
const listenersMax = 64;

export const clusterMethods = {
  /** A node that has no engine says that it lives: whoever is asked writes its row. */
  heartbeat: {
    question: z.object({
      incarnation: z.string().regex(/^[a-z2-7]{16}$/),
      roles: z.array(role).max(8),
      host: short,
      linkVersions: z.object({ min: count, max: count }),
      softwareVersion: short,
      listeners: z.array(z.object({ name: short, address: short, port: count })).max(listenersMax),
      sessions: count,
      /** It stops: the last one. */
      isLeaving: z.boolean(),
    }),
    answer: z.object({ isDraining: z.boolean(), isRemoved: z.boolean(), configurationVersion: count }),
  },
  /** Who hosts which shard, and where. `known`: the version that the caller has. */
  places: {
    question: z.object({ known: short.optional() }),
    answer: z.object({
      version: short,
      /** Undefined: as known. */
      table: z
        .object({
          nodes: z.array(nodePlaceSchema),
          /** In the order of the shards: index into `nodes`, -1: nobody hosts it. */
          owners: z.array(z.int().min(-1)),
          epochs: z.array(count),
        })
        .optional(),
    }),
  },
  /** What the cluster's configuration says of the caller. */
  configuration: {
    question: z.undefined(),
    answer: z.object({ version: count, settings: z.record(z.string(), z.unknown()) }),
  },
  /** A certificate for a new key; the caller has shown its present one in the handshake. */
  renewCertificate: {
    question: z.object({ request: pem }),
    answer: z.object({ certificate: pem, authorities: z.array(pem).min(1) }),
  },
} as const;

export type ClusterMethod = keyof typeof clusterMethods;
export type ClusterQuestion<Method extends ClusterMethod> = z.output<
  (typeof clusterMethods)[Method]['question']
>;
export type ClusterAnswer<Method extends ClusterMethod> = z.output<(typeof clusterMethods)[Method]['answer']>;

export function parseClusterQuestion<Method extends ClusterMethod>(
  method: Method,
  given: unknown,
): ClusterQuestion<Method> {
  const parsed = clusterMethods[method].question.safeParse(given);
  if (!parsed.success) throw new MailError('invalidArgument', `no question of ${method}`);
  return parsed.data as ClusterQuestion<Method>;
}

export function parseClusterAnswer<Method extends ClusterMethod>(
  method: Method,
  given: unknown,
): ClusterAnswer<Method> {
  const parsed = clusterMethods[method].answer.safeParse(given);
  if (parsed.success) return parsed.data as ClusterAnswer<Method>;
  const cause = parsed.error;
  throw new Fault(`a node answered ${method} with something else`, { temporary: false, cause });
}
