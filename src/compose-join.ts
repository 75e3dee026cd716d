// How a machine becomes a node: the first one makes the cluster, others join it. Both leave credentials in the data
// directory, which is what says that the server is a node.

import { systemClock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import { openLog } from './base/log.ts';
import { systemRandom } from './base/random.ts';
import { makeCertificateRequest, makeKey } from './cluster/authority/certificates.ts';
import {
  type ClusterAuthority,
  createAuthority,
  openAuthority,
} from './cluster/authority/cluster-authority.ts';
import {
  type JoinedSettings,
  loadCredentials,
  pendingKey,
  saveCredentials,
  saveJoined,
} from './cluster/authority/credential-files.ts';
import { joinCluster } from './cluster/authority/join-cluster.ts';
import { parseNodeName } from './cluster/authority/node-name.ts';
import { openEngine } from './compose-storage.ts';
import { type Config, configSchema } from './config/schema.ts';
import { makeDataDirectory } from './operator/data-directory.ts';
import type { JoinRequest } from './operator/running-server.ts';
import { isWorkerName } from './operator/workers/worker-messages.ts';

const surroundings = { clock: systemClock, random: systemRandom };

/** Refuses when this machine is a node, or the store belongs to a cluster already. */
export async function initCluster(
  config: Config,
  name: string,
): Promise<{ readonly cluster: string; readonly node: string }> {
  const node = parseNodeName(name);
  if (node === undefined)
    throw new Fault(`"${name}" cannot be a node's name: 1 to 63 characters of a-z, 0-9 and "-" (--node)`, {
      temporary: false,
    });
  const present = await loadCredentials(config.data);
  if (present !== undefined)
    throw new Fault(`${config.data} is that of node ${present.node} already`, { temporary: false });
  if (config.storage.engine === 'memory')
    throw new Fault(
      'a cluster needs a store that lasts: storage.engine "postgres", or "lmdb" for one machine',
      {
        temporary: false,
      },
    );
  makeDataDirectory(config.data);
  await using engine = await openEngine(config, {
    ...surroundings,
    log: openLog({ level: 'warn', pretty: true }),
  });
  // Made by an earlier try that ended before the node was enrolled, or by nobody yet.
  const options = { ...surroundings, engine };
  const known = await openAuthority(options);
  if (known !== undefined && config.storage.engine === 'lmdb') await forgetWorkers(known);
  if (known !== undefined && (await known.enrolledNodes()).length > 0)
    throw new Fault(
      'this store belongs to a cluster already: get a token there (rookery cluster token) and start with --join',
      { temporary: false },
    );
  const authority = known ?? (await createAuthority(options));
  const key = makeKey();
  const { roles, zone } = config.cluster;
  const { certificate, authorities } = await authority.enroll(
    { roles, zone },
    node,
    await makeCertificateRequest(node, key),
  );
  await saveCredentials(config.data, { node, authorities, certificate, key });
  return { cluster: authority.cluster, node };
}

/** Nobody else has the embedded store now: the workers that it once had are gone, and were no machines of a cluster. */
async function forgetWorkers(authority: ClusterAuthority): Promise<void> {
  for (const { node } of await authority.enrolledNodes())
    if (isWorkerName(node)) await authority.forget(node);
}

/** Joins with a token; does nothing when this machine is a node already, so that a service may always be started alike. */
export async function joinSite(config: Config, { token, host, port, node }: JoinRequest): Promise<void> {
  if ((await loadCredentials(config.data)) !== undefined) return;
  makeDataDirectory(config.data);
  const key = await pendingKey(config.data);
  await saveJoined(config.data, await joinCluster(token, { host, port }, { node, key, clock: systemClock }));
}

/**
 * What the cluster told this node when it joined: how the store is reached, unless its own configuration says so, and what
 * its token let it be, where the configuration leaves that open.
 */
export function withJoinedSettings(config: Config, joined: JoinedSettings | undefined): Config {
  if (joined === undefined) return config;
  const told = configSchema.shape.storage.safeParse(joined.storage);
  const storage =
    told.success && config.storage.url === undefined && config.storage.engine === 'lmdb'
      ? {
          ...config.storage,
          engine: told.data.engine,
          url: told.data.url,
          postgres: told.data.postgres,
          blobs: told.data.blobs,
          blob_directory: told.data.blob_directory,
        }
      : config.storage;
  const { roles } = config.cluster;
  const cluster = {
    ...config.cluster,
    roles: roles.filter((role) => joined.roles.includes(role)),
    zone: joined.zone,
  };
  return { ...config, storage, cluster };
}
