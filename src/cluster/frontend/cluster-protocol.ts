// What nodes of the outer zone ask of and tell the cluster, over links: shapes for both ends (link-protocol.ts).

import { z } from 'zod';
import { nodePlaceSchema } from '../authority/join-protocol.ts';
import type { AnswerOf, MethodOf, QuestionOf } from './link-protocol.ts';

export const clusterServiceName = 'cluster';

const short = z.string().max(255);
/** A host's name or address: others print it, and put it into the configurations of balancers. */
const host = z.string().regex(/^[\w.:%-]{0,255}$/);
const word = z.string().regex(/^[\w.+-]{1,64}$/);
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
      host,
      linkVersions: z.object({ min: count, max: count }),
      softwareVersion: word,
      listeners: z.array(z.object({ name: word, address: host, port: count.max(65_535) })).max(listenersMax),
      sessions: count,
      /** Its share of the clients, beside the others'; a node of before has that of any. */
      weight: count.max(1000).default(100),
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

type ClusterProtocol = typeof clusterMethods;
export type ClusterMethod = MethodOf<ClusterProtocol>;
export type ClusterQuestion<Method extends ClusterMethod> = QuestionOf<ClusterProtocol, Method>;
export type ClusterAnswer<Method extends ClusterMethod> = AnswerOf<ClusterProtocol, Method>;
