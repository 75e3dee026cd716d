// /api/cluster: nodes, shards, where an account is, what a balancer has to know.

import { z } from 'zod';
import type { ClusterReport } from '../../../../cluster/cluster-administration.ts';
import type { NodeStatus, ShardStatus } from '../../../../cluster/membership/cluster-status.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import { nullsForUndefined, pageLimitMax } from '../admin-schemas.ts';
import type { AdminApp } from '../admin-server.ts';
import {
  accountPlaceSchema,
  balancerSchema,
  clusterSchema,
  nodeStandingSchema,
  plannedMovesSchema,
  rebalanceSchema,
  shardMoveSchema,
  shardSchema,
} from '../cluster-schemas.ts';
import { findAccount } from './find-account.ts';
import { findCluster } from './find-cluster.ts';

const read = { config: { scope: 'read' as const } };
const operate = { config: { scope: 'operate' as const } };

export function clusterRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  app.get('/api/cluster', { ...read, schema: { response: { 200: clusterSchema } } }, async () =>
    clusterBody(await findCluster(dependencies).status()),
  );
  nodeRoutes(app, dependencies);
  shardRoutes(app, dependencies);
  app.get(
    '/api/cluster/who/:account',
    {
      ...read,
      schema: { params: z.object({ account: z.string() }), response: { 200: accountPlaceSchema } },
    },
    async (request) => {
      const cluster = findCluster(dependencies);
      const account = await findAccount(dependencies.directory, request.params.account);
      const { address: link, openSessions, ...place } = await cluster.placeOf(account);
      return nullsForUndefined({
        account: account.id,
        address: account.address,
        ...place,
        openSessions: openSessions?.map(nullsForUndefined),
        link,
      });
    },
  );
  const description = 'What `rookery balancer` writes configurations from.';
  app.get(
    '/api/cluster/balancer',
    { ...read, schema: { description, response: { 200: balancerSchema } } },
    async () => {
      const { nodes, ...site } = findCluster(dependencies).balancer();
      const domains = await domainNames(dependencies);
      return { ...site, domains, nodes: nodes.map((node) => ({ ...node, roles: [...node.roles] })) };
    },
  );
}

function nodeRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const params = z.object({ node: z.string() });
  const schema = { params, response: { 200: nodeStandingSchema } };
  for (const action of ['drain', 'undrain', 'admit'] as const)
    app.post(`/api/cluster/nodes/:node/${action}`, { ...operate, schema }, async (request) =>
      findCluster(dependencies)[action](request.params.node),
    );
  app.delete('/api/cluster/nodes/:node', { ...operate, schema }, async (request) =>
    findCluster(dependencies).remove(request.params.node),
  );
}

function shardRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const list = z.object({ items: z.array(shardSchema) });
  app.get('/api/cluster/shards', { ...read, schema: { response: { 200: list } } }, async () => ({
    items: (await findCluster(dependencies).shards()).map(shardBody),
  }));
  const params = z.object({ shard: z.coerce.number().int().nonnegative() });
  app.post(
    '/api/cluster/shards/:shard/move',
    { ...operate, schema: { params, body: shardMoveSchema, response: { 200: shardSchema } } },
    async (request) => {
      const to = request.body.to ?? undefined;
      return shardBody(await findCluster(dependencies).moveShard(request.params.shard, to));
    },
  );
  app.post(
    '/api/cluster/rebalance',
    { ...operate, schema: { body: rebalanceSchema, response: { 200: plannedMovesSchema } } },
    async (request) => {
      const cluster = findCluster(dependencies);
      const moves = await (request.body.dryRun ? cluster.plannedRebalance() : cluster.rebalance());
      return { moves: moves.map(nullsForUndefined) };
    },
  );
}

function clusterBody({ self, shards, shardsUnhosted, shardsMoving, ...report }: ClusterReport) {
  return {
    ...nullsForUndefined(report),
    node: self.node,
    nodes: report.nodes.map(nodeBody),
    shards: { total: shards.length, unhosted: shardsUnhosted, moving: shardsMoving },
    storage: { ...report.storage, health: healthBody(report.storage) },
  };
}

function nodeBody(node: NodeStatus) {
  return { ...node, roles: [...node.roles] };
}

function healthBody({ health }: ClusterReport['storage']) {
  return health === undefined ? null : { ...health, standbys: [...health.standbys] };
}

function shardBody({ shard, epoch, owner, movingTo, pinned }: ShardStatus) {
  return nullsForUndefined({ shard, epoch, owner: owner?.node, movingTo: movingTo?.node, pinned });
}

async function domainNames({ directory }: AdminDependencies): Promise<string[]> {
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await directory.domains({ after, limit: pageLimitMax });
    for (const { name, enabled } of page.items) if (enabled) names.push(name);
    after = page.next;
  } while (after !== undefined);
  return names;
}
