// Puts the server together: the only place that chooses engines, back ends and listeners. Opens from the bottom of the
// ranks to the top and closes in the opposite order; a start that fails half-way closes what it opened.

import { join } from 'node:path';
import { type AccountHosts, openAccountHosts } from './account/account-hosts.ts';
import { checkStore } from './account/check/store-check.ts';
import { deliveriesThrough } from './account/delivery.ts';
import type { AccountPorts } from './account/port.ts';
import { prepareMessage } from './account/prepare.ts';
import { StoredMessages } from './account/reading/stored-messages.ts';
import { warmTables } from './account/table/warm-tables.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { type Logger, openLog } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { observeProcess } from './base/process-metrics.ts';
import { systemRandom } from './base/random.ts';
import { outerZone } from './cluster/authority/cluster-authority.ts';
import { loadCredentials, loadJoined } from './cluster/authority/credential-files.ts';
import { type ClusterSettings, noClusterSettings, nodeDefaults } from './cluster/cluster-configuration.ts';
import { ClusterConfigurationStore } from './cluster/cluster-configuration-store.ts';
import { directoryPeople } from './cluster/directory-people.ts';
import type { LinkCredentials } from './cluster/link-credentials.ts';
import type { LocalLinks } from './cluster/links/local-link.ts';
import { acquireAllShards, forgetWhenReverted } from './cluster/local-shards.ts';
import { LocatedAccounts } from './cluster/located-accounts.ts';
import type { AnswerAdministration } from './cluster/relayed-administration.ts';
import { withJoinedSettings } from './compose-join.ts';
import { type ClusterNode, isCaretaker, LoadMeter, NodeLeases, openClusterNode } from './compose-node.ts';
import { openOuterNode } from './compose-outer.ts';
import {
  maintainRegularly,
  observeBlobs,
  observeEngine,
  observeRoom,
  openStorage,
  openWorkerRows,
  openWorkersEngine,
} from './compose-storage.ts';
import { certificateFiles, isPretty } from './compose-surroundings.ts';
import { workerConfig } from './compose-worker.ts';
import type { Config } from './config/schema.ts';
import { maskedConfig } from './config/show-config.ts';
import { takeOver } from './config/take-over.ts';
import { endsSessions } from './directory/account-administration.ts';
import { storedCellOf } from './directory/account-cell.ts';
import { type InternalDirectory, openInternalDirectory } from './directory/internal-directory.ts';
import { cellDefault, type LoginLimits } from './directory/settings.ts';
import { listAllTokens, openApiTokens } from './directory/tokens.ts';
import type { AccountId, OperationId } from './mail/ids.ts';
import { isMailError, MailError } from './mail/mail-error.ts';
import { makeDataDirectory } from './operator/data-directory.ts';
import { adminSocket, workerSocket } from './operator/data-sockets.ts';
import type { ReadConfig, RunningServer, WorkerPlace } from './operator/running-server.ts';
import { type AdminServer, openAdminServer } from './speakers/http/admin/admin-server.ts';
import { TlsContexts } from './speakers/kit/tls-contexts.ts';
import { MailListeners } from './speakers/mail-listeners.ts';
import type { BlobStore } from './storage/blobs/blob-store.ts';
import type { Engine } from './storage/engine.ts';
import type { HeldRows } from './storage/lmdb/held-rows.ts';
import { version } from './version.ts';

const clock: Clock = systemClock;
const random = systemRandom;
/** Of this node. There is one yet; with several, the node's configuration names it (see cluster/location.ts). */
const cell = cellDefault;
/** What is closed in the opposite order of its opening. */
type Stack = AsyncDisposableStack;

/**
 * Starts a whole server, or one of several workers. Rejects with Fault (a port is taken, the store is in use), ConfigError or
 * CommandFailure (it is not a node any more); nothing stays open then.
 */
export async function startServer(readGiven: ReadConfig, place?: WorkerPlace): Promise<RunningServer> {
  await using opened = new AsyncDisposableStack();
  const orders = place?.orders;
  const readConfig: ReadConfig = (defaults) => {
    const config = readGiven(defaults);
    return orders === undefined ? config : workerConfig(config, orders);
  };
  const given = readConfig();
  const log = openLog({
    level: given.log.level,
    pretty: isPretty(given),
    ...(orders === undefined ? {} : { fields: { worker: orders.name } }),
  });
  makeDataDirectory(given.data);
  const joined = orders === undefined ? await loadJoined(given.data) : undefined;
  const nodeDirectory = orders?.directory ?? given.data;
  const credentials = await loadCredentials(nodeDirectory);
  if (joined?.zone === outerZone && credentials !== undefined)
    return openOuterNode({ readConfig, joined, credentials, log });
  const rows = orders === undefined ? undefined : openWorkerRows(given, log);
  const open =
    orders === undefined ? undefined : () => openWorkersEngine(orders.enginePath, rows, { clock, log });
  const storage = await openStorage(withJoinedSettings(given, joined), { clock, random, log, open }, opened);
  const { engine, blobs, maintain } = storage;
  // What the whole cluster is told lies in the store, below this node's own file.
  const clusterSettings =
    credentials === undefined ? undefined : new ClusterConfigurationStore(engine, clock);
  const effective = (settings: ClusterSettings): Config =>
    withJoinedSettings(
      readConfig(credentials === undefined ? undefined : nodeDefaults(settings, credentials.node)),
      joined,
    );
  const reread = async (): Promise<Config> =>
    effective((await clusterSettings?.current()) ?? noClusterSettings);
  const settings = await clusterSettings?.current();
  const config = settings === undefined ? withJoinedSettings(given, joined) : effective(settings);
  let current = config;
  let admin: AdminServer | undefined;
  const metrics = new Metrics();
  const { hosts, directory, accounts, node, load } = await openAccounts(
    config,
    {
      engine,
      blobs,
      nodeDirectory,
      credentials,
      local: orders?.links,
      held: rows?.held,
      clusterSettings,
      answer: async (...asked) => {
        if (admin === undefined) throw new MailError('unavailable', 'the server is starting');
        return admin.answer(...asked);
      },
      current: () => current,
      log,
      metrics,
    },
    opened,
  );
  if (maintain !== undefined)
    opened.use(maintainRegularly(maintain, { clock, log, isMine: () => isCaretaker(node) }));
  opened.use(observeProcess(metrics, version));
  // The engine's figures are those of the process that has it.
  if (orders === undefined) {
    observeEngine(metrics, engine);
    observeRoom(metrics, config);
  }
  observeBlobs(metrics, blobs);
  const tls = await TlsContexts.open(await certificateFiles(config), {
    minVersion: config.tls.minimum_version,
    clientAuthoritiesFile: config.tls.client_authorities,
  });
  const deliveries = node?.accounts.deliveries ?? deliveriesThrough(accounts);
  const parts = { directory, accounts, deliveries, tls, clock, random, log, metrics, version };
  // Alone, a server hosts all accounts, whatever its roles.
  if (node === undefined || config.cluster.roles.includes('backend')) await warmTables(clock);
  const listeners = await MailListeners.open({
    config,
    sharesPorts: orders !== undefined,
    administration: directory,
    ...parts,
  });
  load.sessions = () => listeners.sessions;
  const reload = async (next: Config) => {
    const { config: taken, outcome } = takeOver(current, next);
    await tls.reload(await certificateFiles(taken));
    listeners.reload(taken);
    directory.setLimits(loginLimits(taken));
    log.level = taken.log.level;
    current = taken;
    log.info(outcome, 'configuration reloaded');
    return outcome;
  };
  opened.defer(() => listeners.close(current.limits.drain));
  if (clusterSettings !== undefined)
    opened.use(
      clusterSettings.watch({
        seen: settings!.version,
        changed: async (next) => void (await reload(effective(next))),
        log,
      }),
    );
  let isDraining = false;
  const tokens = opened.use(openApiTokens({ engine, clock, random, log }));
  admin = await openAdminServer({
    listen: config.listen.admin,
    socketPath: join(config.data, orders?.hasAdmin === false ? workerSocket(orders.name) : adminSocket),
    dependencies: {
      directory,
      accounts,
      tokens: {
        verify: (token) => tokens.verify(token),
        create: (wanted) => tokens.create(wanted),
        list: () => listAllTokens(tokens),
        revoke: (id) => tokens.revoke(id),
      },
      engine,
      sessions: listeners.openSessions,
      prepareMessage: (bytes) => prepareMessage(bytes, { clock }),
      checkStore: (asked) =>
        checkStore({
          engine,
          blobs,
          hosts,
          directory,
          clock,
          log,
          ...asked,
          ...(node === undefined ? {} : { isHosted: (id: AccountId) => node.hosts(id) }),
        }),
      metricsText: async () => ({
        contentType: metrics.contentType,
        body: await (place?.site.metrics() ?? metrics.expose()),
      }),
      unreadyReason: () =>
        isDraining || node?.administration.isDraining() === true ? 'draining' : undefined,
      cluster: node?.administration,
      areasForOuterZone: () => current.administration.outer_frontends,
      effectiveConfig: () => maskedConfig(current),
      reload: () => orRefusal(async () => place?.site.reload() ?? reload(await reread())),
      version,
      messageBytesMax: config.limits.message_size,
      clock,
      random,
      log,
    },
  });
  opened.defer(admin.close);
  const endpoints = [
    ...listeners.endpoints,
    ...admin.addresses.map((place) => ({ name: 'admin', ...place })),
    ...(node?.endpoints ?? []),
  ];
  await node?.administration.announce(endpoints);
  log.info({ version, data: config.data, endpoints }, orders === undefined ? 'started' : 'worker started');
  const stack = opened.move();
  return {
    log,
    endpoints,
    metricsText: () => metrics.expose(),
    reload: async () => reload(await reread()),
    close: async () => {
      isDraining = true;
      log.info('stopping');
      // The admin API stays to the end of the drain: a balancer learns from /readyz where not to send anybody.
      await listeners.close(current.limits.drain);
      await stack.disposeAsync();
      log.info('stopped');
    },
  };
}

/** Whoever asked is told what is wrong with the new configuration; the old one stays. */
async function orRefusal<T>(reload: () => Promise<T>): Promise<T> {
  try {
    return await reload();
  } catch (error) {
    throw new MailError('invalidArgument', `not reloaded: ${(error as Error).message}`);
  }
}

interface StorageParts {
  readonly engine: Engine;
  readonly blobs: BlobStore;
  /** Where the node's credentials lie. */
  readonly nodeDirectory: string;
  /** Undefined: the server is alone. */
  readonly credentials: LinkCredentials | undefined;
  readonly local: LocalLinks | undefined;
  readonly held: HeldRows | undefined;
  readonly clusterSettings: ClusterConfigurationStore | undefined;
  readonly answer: AnswerAdministration;
  readonly current: () => Config;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface AccountParts {
  readonly hosts: AccountHosts;
  readonly directory: InternalDirectory;
  /** Accounts of the whole site, wherever they are hosted. */
  readonly accounts: AccountPorts;
  /** Undefined on a server that is alone. */
  readonly node: ClusterNode | undefined;
  readonly load: LoadMeter;
}

async function openAccounts(
  config: Config,
  {
    engine,
    blobs,
    nodeDirectory,
    credentials,
    local,
    held,
    clusterSettings,
    answer,
    current,
    log,
    metrics,
  }: StorageParts,
  opened: Stack,
): Promise<AccountParts> {
  const leases = credentials === undefined ? await acquireAllShards(engine) : new NodeLeases();
  const limits = {
    memoryBytesMax: config.limits.account_memory,
    tombstonesMax: config.storage.tombstones,
    ...(credentials === undefined ? { operationLifeMs: 0 } : {}),
  };
  let directory: InternalDirectory | undefined;
  const accountDirectory = (): InternalDirectory => {
    if (directory === undefined) throw new MailError('unavailable', 'the server is starting');
    return directory;
  };
  const people = directoryPeople(accountDirectory);
  const hosts = opened.use(
    openAccountHosts({ engine, blobs, shards: leases, clock, log, limits, metrics, people }),
  );
  if (credentials === undefined) opened.use(forgetWhenReverted(engine, hosts, log));
  const located = new LocatedAccounts(hosts, {
    directory: { account: async (id) => accountDirectory().account(id) },
    // Other nodes' calls come before the directory is open.
    cells: { own: cell, cellOf: (id) => directory?.cellOf(id) ?? storedCellOf(engine, id) },
  });
  const load = new LoadMeter(hosts, engine, clock);
  let node: ClusterNode | undefined;
  if (credentials !== undefined) {
    const settings = clusterSettings!;
    const surroundings = {
      config,
      cell,
      directory: nodeDirectory,
      credentials,
      local,
      stored: new StoredMessages({ engine, blobs }),
      held,
      engine,
      settings,
      accountDirectory,
      answer,
      forgetReads: (id?: AccountId) => directory?.forgetReads(id),
      current,
      clock,
      random,
      log,
      metrics,
    };
    node = await openClusterNode(
      surroundings,
      { hosting: { hosts, located }, leases: leases as NodeLeases, load },
      opened,
    );
  }
  const site = node?.accounts ?? {
    open: (id: AccountId, actor?: AccountId) => located.open(id, actor),
    endSessions: async (id: AccountId) => hosts.endSessions(id),
    remove: (id: AccountId) => hosts.remove(id),
  };
  directory = opened.use(
    await openInternalDirectory({
      engine,
      clock,
      random,
      log,
      cell,
      metrics,
      settings: {
        subAddressSeparators: config.sub_address_separators,
        ...loginLimits(config),
        hooks: {
          // Storage is made at first use, by whoever hosts the account.
          onAccountAdded: async ({ id }) => void (await site.open(id)),
          onAccountChanged: async (account, before) => {
            // First: whatever becomes of the limits, who may do less does no more.
            if (endsSessions(account, before)) await site.endSessions(account.id);
            const port = await site.open(account.id);
            await port.setQuota({
              operation: random.identifier(24) as OperationId,
              bytesMax: account.quotaBytes,
              messagesMax: account.quotaMessages,
            });
          },
          onSessionsEnded: (id) => site.endSessions(id),
          // Removed already when the hook is told a second time.
          onAccountRemoved: (id) =>
            site.remove(id).catch((error: unknown) => {
              if (!isMailError(error, 'noSuchAccount')) throw error;
            }),
        },
      },
    }),
  );
  return { hosts, directory, accounts: site, node, load };
}

function loginLimits({ authentication }: Config): LoginLimits {
  return {
    failuresPerAddress: authentication.failures_per_address,
    failuresPerAccount: authentication.failures_per_account,
    failuresPerFrontend: authentication.failures_per_frontend,
    verifiedCacheMs: authentication.verified_cache,
  };
}
