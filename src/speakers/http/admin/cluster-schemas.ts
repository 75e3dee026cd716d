// The shapes of /api/cluster, as zod schemas.

import { z } from 'zod';

const roles = ['frontend', 'mx', 'backend'] as const;
const states = ['active', 'draining', 'left', 'dead', 'removed'] as const;
const seconds = z.number().describe('Seconds since 1970 UTC.');
const role = z.enum(roles);

export const clusterNodeSchema = z.object({
  node: z.string(),
  state: z.enum(states),
  drained: z.boolean().describe('The operator drained it; it stays so until undrained.'),
  removing: z.boolean(),
  roles: z.array(role),
  zone: z.string(),
  weight: z.number(),
  shards: z.number().describe('Shards that it hosts.'),
  isController: z.boolean(),
  silentMs: z.number().describe('Since the node that was asked last saw a new heartbeat of it.'),
  load: z.object({
    openAccounts: z.number(),
    sessions: z.number(),
    commitsPerSecond: z.number(),
    lostCommitsAt: z
      .number()
      .optional()
      .describe(
        'Milliseconds since 1970: when the database was last found to lack what the node had committed, since the node started.',
      ),
  }),
  softwareVersion: z.string(),
  linkVersions: z.object({ min: z.number(), max: z.number() }),
  address: z.object({ host: z.string(), port: z.number() }).describe('Where its links listen.'),
  incarnation: z.string().describe('Another one each time it starts.'),
});

const standbySchema = z.object({
  name: z.string(),
  state: z.string(),
  isSynchronous: z.boolean(),
  lagBytes: z.number().nullable(),
});

export const clusterSchema = z.object({
  cluster: z.string(),
  cell: z.string().describe('That of the node that was asked.'),
  node: z.string().describe('The node that was asked; the figures are as it sees them.'),
  leaseLeftMs: z.number().describe('How long it may serve its shards without a heartbeat; below 0: not now.'),
  controller: z.object({ node: z.string(), term: z.number() }).nullable(),
  configurationVersion: z.number().nullable().describe('Null: the storage engine does not answer.'),
  nodes: z.array(clusterNodeSchema),
  shards: z.object({
    total: z.number(),
    unhosted: z.number().describe('Nobody serves their accounts at the moment.'),
    moving: z.number(),
  }),
  damagedRows: z.number(),
  storage: z.object({
    engine: z.string(),
    commits: z.number(),
    batches: z.number(),
    bytesWritten: z.number(),
    bytesOnDisk: z.number(),
    health: z
      .object({
        server: z.string(),
        version: z.string(),
        role: z.string(),
        maySeeStandbys: z.boolean().describe('False: the role lacks pg_monitor.'),
        standbys: z.array(standbySchema),
        needsStandby: z.boolean().describe('Mail is put off while no synchronous one is attached.'),
      })
      .nullable()
      .describe("What the engine's own server says."),
  }),
});

export const shardSchema = z.object({
  shard: z.number(),
  epoch: z.number(),
  owner: z.string().nullable(),
  movingTo: z.string().nullable(),
  pinned: z.string().nullable().describe('Where the operator wants it while that node is up.'),
});
export const shardMoveSchema = z.strictObject({
  to: z.string().nullable().default(null).describe('Null: where balance puts it.'),
});

/** A node after something was asked of it. */
export const nodeStandingSchema = clusterNodeSchema.pick({
  node: true,
  state: true,
  drained: true,
  removing: true,
  shards: true,
});

export const rebalanceSchema = z.strictObject({ dryRun: z.boolean().default(false) });
export const plannedMovesSchema = z.object({
  moves: z.array(z.object({ shard: z.number(), from: z.string().nullable(), to: z.string() })),
});

export const accountPlaceSchema = z.object({
  account: z.string(),
  address: z.string(),
  cell: z.string().describe('Where its mail is, as the directory says.'),
  shard: z.number().describe('Of that cell.'),
  node: z
    .string()
    .nullable()
    .describe('Null: nobody hosts it at the moment, or its cell is another than the asked node’s.'),
  epoch: z.number().nullable(),
  sessions: z.number().nullable().describe('Open sessions, on whichever nodes; null: not known.'),
  openSessions: z
    .array(z.object({ node: z.string(), service: z.string(), sessions: z.number().nullable() }))
    .nullable()
    .describe('The same by node and service; null: its host did not say.'),
  link: z.object({ host: z.string(), port: z.number() }).nullable(),
});

export const joinTokenSchema = z.object({
  id: z.string(),
  roles: z.array(role),
  zone: z.string(),
  createdAt: seconds,
  expiresAt: seconds,
  usesLeft: z.number(),
});
export const newJoinTokenSchema = z.strictObject({
  roles: z
    .array(role)
    .min(1)
    .default([...roles]),
  zone: z.string().default('inner'),
  expiresInSeconds: z.int().min(1).default(3600),
  uses: z.int().min(1).default(1),
});

const settingsTree = z.record(z.string(), z.unknown());
export const configurationChangeSchema = z.strictObject({
  version: z.int().nonnegative().describe('The version that the change was made from; 0: the first one.'),
  settings: settingsTree.describe('For all nodes: the keys of the configuration file.'),
  overrides: z.record(z.string(), settingsTree).default({}).describe('By node, stronger than `settings`.'),
  comment: z.string().default(''),
});
export const configurationEntrySchema = z.object({
  version: z.number(),
  changedAt: seconds,
  changedBy: z.string(),
  comment: z.string(),
});
export const clusterConfigurationSchema = configurationEntrySchema.extend({
  settings: settingsTree,
  overrides: z.record(z.string(), settingsTree),
});
export const rollbackSchema = z.strictObject({
  to: z.int().nonnegative().describe('0: as before anything was applied.'),
  version: z.int().nonnegative().describe('The version that holds now.'),
  comment: z.string().optional(),
});

export const balancerSchema = z.object({
  hostname: z.string(),
  domains: z.array(z.string()),
  nodes: z.array(
    z.object({
      name: z.string(),
      address: z.string(),
      zone: z.string(),
      roles: z.array(role),
      listeners: z.record(z.string(), z.number()).describe('Ports, by the key of `listen`.'),
      weight: z.number(),
      isDraining: z.boolean(),
    }),
  ),
  idle: z.object({ imapMs: z.number(), pop3Ms: z.number(), smtpMs: z.number() }),
});
