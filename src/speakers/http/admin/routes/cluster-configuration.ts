// /api/cluster/configuration: what all nodes run with. A change names the version it was made from and is refused
// (conflict) when that is not the newest any more.

import { z } from 'zod';
import type { ClusterConfiguration } from '../../../../cluster/cluster-configuration-store.ts';
import type { AdminDependencies } from '../admin-dependencies.ts';
import type { AdminApp } from '../admin-server.ts';
import {
  clusterConfigurationSchema,
  configurationChangeSchema,
  configurationEntrySchema,
  rollbackSchema,
} from '../cluster-schemas.ts';
import { findCluster } from './find-cluster.ts';

export function clusterConfigurationRoutes(app: AdminApp, dependencies: AdminDependencies): void {
  const read = { config: { scope: 'read' as const } };
  const operate = { config: { scope: 'operate' as const } };
  const response = { 200: clusterConfigurationSchema };
  const place = '/api/cluster/configuration';

  app.get(place, { ...read, schema: { response } }, async () =>
    whole(await findCluster(dependencies).configuration()),
  );
  app.put(
    place,
    { ...operate, schema: { body: configurationChangeSchema, response } },
    async ({ body, caller }) => {
      const { settings, overrides, version, comment } = body;
      const by = { version, comment, changedBy: caller };
      return whole(await findCluster(dependencies).applyConfiguration({ settings, overrides }, by));
    },
  );
  const history = z.object({ items: z.array(configurationEntrySchema) });
  app.get(`${place}/history`, { ...read, schema: { response: { 200: history } } }, async () => ({
    items: (await findCluster(dependencies).configurationHistory()).map(entry),
  }));
  const params = z.object({ version: z.coerce.number().int().nonnegative() });
  app.get(`${place}/history/:version`, { ...read, schema: { params, response } }, async (request) =>
    whole(await findCluster(dependencies).configurationVersion(request.params.version)),
  );
  app.post(
    `${place}/rollback`,
    { ...operate, schema: { body: rollbackSchema, response } },
    async ({ body, caller }) => {
      const { to, version, comment } = body;
      const by = { version, changedBy: caller, ...(comment === undefined ? {} : { comment }) };
      return whole(await findCluster(dependencies).rollbackConfiguration(to, by));
    },
  );
}

function entry({ version, changedAt, changedBy, comment }: ClusterConfiguration) {
  return { version, changedAt: Math.floor(changedAt / 1000), changedBy, comment };
}

function whole(configuration: ClusterConfiguration) {
  const { settings, overrides } = configuration;
  return { ...entry(configuration), settings: { ...settings }, overrides: { ...overrides } };
}
