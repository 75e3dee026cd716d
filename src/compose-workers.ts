// `workers` above 1: this process has the embedded engine and serves it to worker processes, each of which is a whole server
// and a node of the machine's own cluster. They listen on the same ports; the system gives each connection to one of them, and
// accounts are reached over links between them. A worker that ends is started again while the others take its shards.
//
// Invariant: whoever has the engine knows that no worker of an earlier run can write: what the rows say of those is put
// right before the first one starts. When this process ends, however it does, the workers lose the store and end too.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { shardCount } from './account/shard.ts';
import { systemClock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import { openLog } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { observeProcess } from './base/process-metrics.ts';
import { systemRandom } from './base/random.ts';
import { makeCertificateRequest, makeKey } from './cluster/authority/certificates.ts';
import {
  type ClusterAuthority,
  createAuthority,
  openAuthority,
} from './cluster/authority/cluster-authority.ts';
import { loadJoined, saveCredentials } from './cluster/authority/credential-files.ts';
import { parseNodeName } from './cluster/authority/node-name.ts';
import { admit, performRequest, readClusterRows } from './cluster/membership/cluster-requests.ts';
import { ClusterView } from './cluster/membership/cluster-view.ts';
import { declareEnded } from './cluster/membership/node-ended.ts';
import { observeEngine, observeRoom, openEmbeddedEngine } from './compose-storage.ts';
import { certificateFiles, isPretty } from './compose-surroundings.ts';
import type { Config } from './config/schema.ts';
import type { NodeId } from './mail/ids.ts';
import { makeDataDirectory } from './operator/data-directory.ts';
import { engineSocketPath, linkSocketPath } from './operator/data-sockets.ts';
import type { ReadConfig, RunningProgram } from './operator/running-server.ts';
import { type ListenPorts, withHeldPorts } from './operator/workers/held-ports.ts';
import { Supervisor } from './operator/workers/supervisor.ts';
import { type WorkerOrders, workerName } from './operator/workers/worker-messages.ts';
import type { Engine } from './storage/engine.ts';
import { openEngineServer } from './storage/served/engine-server.ts';
import { version } from './version.ts';

const surroundings = { clock: systemClock, random: systemRandom };
/** Five bits of chance each. */
const linkSecretCharacters = 52;

export async function startWorkers(readConfig: ReadConfig, workers: number): Promise<RunningProgram> {
  await using opened = new AsyncDisposableStack();
  let config = readConfig();
  if (config.storage.engine !== 'lmdb')
    throw new Fault('`workers` are for the embedded store; with PostgreSQL start several nodes', {
      temporary: false,
    });
  if ((await loadJoined(config.data)) !== undefined)
    throw new Fault(
      '`workers` are for a machine of its own; this one has joined a cluster: set workers = 1',
      {
        temporary: false,
      },
    );
  const { clock } = surroundings;
  const log = openLog({
    level: config.log.level,
    pretty: isPretty(config),
  });
  makeDataDirectory(config.data);
  const engine = opened.use(await openEmbeddedEngine(config, { clock, log }));
  await performRequest(engine, shardCount, declareEnded());
  await certificateFiles(config); // made once, not by every worker
  const path = engineSocketPath(config.data);
  opened.use(await openEngineServer({ engine, path, clock, log }));
  const metrics = new Metrics();
  opened.use(observeProcess(metrics, version));
  observeEngine(metrics, engine);
  observeRoom(metrics, config);
  // Links are each worker's own, the admin API is one worker's, and no other node joins.
  const { link: _link, join: _join, admin: _admin, ...shared } = config.listen;
  const supervisor = await withHeldPorts(shared, async (ports) =>
    Supervisor.open({
      orders: await makeOrders(config, { engine, path, ports, workers }),
      metrics: () => metrics.expose(),
      ended: (name) => performRequest(engine, shardCount, declareEnded(name as NodeId)),
      drainMs: () => config.limits.drain,
      clock,
      log,
    }),
  );
  opened.defer(() => supervisor.close());
  const { endpoints } = supervisor;
  log.info({ version, data: config.data, endpoints }, 'started');
  const stack = opened.move();
  return {
    log,
    endpoints,
    reload: async () => {
      config = readConfig();
      log.level = config.log.level;
      return supervisor.reload();
    },
    close: async () => {
      log.info('stopping');
      await stack.disposeAsync();
      log.info('stopped');
    },
  };
}

interface OrderParts {
  readonly engine: Engine;
  /** Where it is served. */
  readonly path: string;
  readonly ports: ListenPorts;
  readonly workers: number;
}

/** Enrols every worker anew: what it had before may be of another store, or at its end. */
async function makeOrders(
  config: Config,
  { engine, path, ports, workers }: OrderParts,
): Promise<WorkerOrders[]> {
  const options = { ...surroundings, engine };
  const authority = (await openAuthority(options)) ?? (await createAuthority(options));
  const secret = systemRandom.identifier(linkSecretCharacters);
  const orders: WorkerOrders[] = [];
  for (let number = 1; number <= workers; number++) {
    const name = parseNodeName(workerName(number))!;
    const directory = join(config.data, 'workers', name);
    await enrol(authority, { engine, config, name, directory });
    const links = { path: linkSocketPath(config.data, name), secret };
    const own = { name, directory, links, hasAdmin: number === 1 };
    orders.push({ ...own, enginePath: path, ports, workers, isPretty: isPretty(config) });
  }
  return orders;
}

interface Enrolment {
  readonly engine: Engine;
  readonly config: Config;
  readonly name: NodeId;
  readonly directory: string;
}

async function enrol(authority: ClusterAuthority, { engine, config, name, directory }: Enrolment) {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const key = makeKey();
  const { roles, zone } = config.cluster;
  await authority.forget(name);
  const { certificate, authorities } = await authority.enroll(
    { roles, zone },
    name,
    await makeCertificateRequest(name, key),
  );
  await saveCredentials(directory, { node: name, authorities, certificate, key });
  // The configuration wants it, whatever an operator once did.
  const view = new ClusterView(shardCount);
  view.merge(await readClusterRows(engine));
  if (view.node(name) !== undefined) await performRequest(engine, shardCount, admit(name));
}
