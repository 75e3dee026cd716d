// A server in the outer zone: listeners for mail and nothing behind them. It has no engine, no accounts and no directory of
// its own: nodes of the inner zone are asked, over links, and let it do what its sessions' grants allow.
// Invariant: what it keeps on disk is its certificate, the places of inner nodes, and the TLS key of its listeners.

import { join } from 'node:path';
import { type Clock, systemClock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import type { Logger } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { observeProcess } from './base/process-metrics.ts';
import { systemRandom } from './base/random.ts';
import { makeCertificateRequest, makeKey } from './cluster/authority/certificates.ts';
import { type JoinedSettings, loadNodePlaces, saveNodePlaces } from './cluster/authority/credential-files.ts';
import { CredentialKeeper } from './cluster/authority/credential-keeper.ts';
import {
  type ClusterAnswer,
  clusterMethods,
  clusterServiceName,
} from './cluster/frontend/cluster-protocol.ts';
import { GrantKeeper } from './cluster/frontend/grant-keeper.ts';
import { InnerNodes } from './cluster/frontend/inner-nodes.ts';
import { parseMethodAnswer } from './cluster/frontend/link-protocol.ts';
import { OuterMember } from './cluster/frontend/outer-member.ts';
import { RemoteDirectory, renewGrant } from './cluster/frontend/remote-directory.ts';
import type { LinkCredentials } from './cluster/link-credentials.ts';
import { linkVersions } from './cluster/links/hello.ts';
import { LinkPool } from './cluster/links/link-pool.ts';
import {
  administrationMethod,
  administrationProtocol,
  administrationServiceName,
} from './cluster/relayed-administration.ts';
import { RemoteAccounts } from './cluster/remote-accounts.ts';
import { withJoinedSettings } from './compose-join.ts';
import { certificateFiles } from './compose-surroundings.ts';
import type { Config } from './config/schema.ts';
import { takeOver } from './config/take-over.ts';
import type { Service } from './directory/directory.ts';
import { makeDataDirectory } from './operator/data-directory.ts';
import { adminSocket } from './operator/data-sockets.ts';
import { exitCodes } from './operator/exit-codes.ts';
import type { ReadConfig, Reloaded, RunningServer } from './operator/running-server.ts';
import { openOuterAdminServer } from './speakers/http/admin/outer-admin-server.ts';
import { TlsContexts } from './speakers/kit/tls-contexts.ts';
import { MailListeners } from './speakers/mail-listeners.ts';
import { lockDirectory } from './storage/directory-lock.ts';
import { version } from './version.ts';

const clock: Clock = systemClock;
const random = systemRandom;
/** A start in a site that is starting waits this long for the first inner node. */
const startWaitMs = 30_000;

export interface OuterNodeOptions {
  readonly readConfig: ReadConfig;
  readonly joined: JoinedSettings;
  readonly credentials: LinkCredentials;
  readonly log: Logger;
}

/** Rejects with Fault (no inner node answers, a port is taken) or ConfigError; nothing stays open then. */
export async function openOuterNode(options: OuterNodeOptions): Promise<RunningServer> {
  const { readConfig, credentials, log } = options;
  await using opened = new AsyncDisposableStack();
  const given = readConfig();
  if (given.storage.url !== undefined)
    throw new Fault('a node of the outer zone has no business with the database: remove storage.url', {
      temporary: false,
    });
  makeDataDirectory(given.data);
  const lock = lockDirectory(join(given.data, 'cluster'));
  opened.defer(() => lock.release());
  const { nodes, pool } = await openWayIn(options, given, opened);
  const configuration = new OuterConfiguration(options, nodes, await readOuter(options, nodes));
  const { config } = configuration;
  const metrics = new Metrics();
  opened.use(observeProcess(metrics, version));
  const member = new OuterMember({
    self: credentials.node,
    nodes,
    description: {
      roles: config.cluster.roles,
      weight: config.cluster.weight,
      host: advertisedHost(config),
      linkVersions: { min: linkVersions.lowest, max: linkVersions.highest },
      softwareVersion: version,
    },
    clock,
    random,
    log,
    configured: (newest) => configuration.heardOf(newest),
    onRemoved: () => {
      log.fatal('this node was removed from its cluster');
      process.exit(exitCodes.configuration);
    },
  });
  const grants = opened.use(new GrantKeeper({ renew: (grant) => renewGrant(nodes, grant), clock, log }));
  await member.start();
  opened.use(member);
  observeOuter(metrics, { member, grants, pool });
  const tls = await TlsContexts.open(await certificateFiles(config), {
    minVersion: config.tls.minimum_version,
  });
  const accounts = openAccounts('imap', { member, pool, grants, log }, opened);
  const listeners = await MailListeners.open({
    config,
    directory: new RemoteDirectory(nodes, grants),
    accounts,
    pop3Accounts: openAccounts('pop3', { member, pool, grants, log }, opened),
    deliveries: accounts,
    tls,
    clock,
    random,
    log,
    metrics,
    version,
  });
  configuration.takers = { tls, listeners };
  opened.defer(() => listeners.close(configuration.config.limits.drain));
  member.sessions = () => listeners.sessions;
  let isDraining = false;
  const unreadyReason = (): string | undefined => {
    if (isDraining || member.isDraining) return 'draining';
    return member.isConnected ? undefined : 'no node of the inner zone answers';
  };
  const admin = opened.use(await openAdmin(config, { nodes, metrics, unreadyReason, log }));
  const endpoints = [
    ...listeners.endpoints,
    ...admin.addresses.map((place) => ({ name: 'admin', ...place })),
  ];
  member.listeners = endpoints;
  log.info({ version, data: config.data, endpoints }, 'started');
  const stack = opened.move();
  return {
    log,
    endpoints,
    metricsText: () => metrics.expose(),
    reload: () => configuration.reload(),
    close: async () => {
      isDraining = true;
      log.info('stopping');
      await listeners.close(configuration.config.limits.drain);
      await stack.disposeAsync();
      log.info('stopped');
    },
  };
}

interface ReadOuterConfig {
  readonly config: Config;
  /** Of the cluster's part of it. */
  readonly version: number;
}

/** The node's own file over what the cluster says for it. */
async function readOuter(
  { readConfig, joined }: OuterNodeOptions,
  nodes: InnerNodes,
): Promise<ReadOuterConfig> {
  const { settings, version } = await askCluster(nodes, 'configuration', undefined);
  return { config: withJoinedSettings(readConfig(settings), joined), version };
}

/** The configuration of a running node: read anew when the cluster's changed, or when it is told to. */
class OuterConfiguration {
  config: Config;
  /** Set when they are open. */
  takers: { readonly tls: TlsContexts; readonly listeners: MailListeners } | undefined;
  readonly #options: OuterNodeOptions;
  readonly #nodes: InnerNodes;
  #version: number;
  #isReading = false;

  constructor(options: OuterNodeOptions, nodes: InnerNodes, { config, version }: ReadOuterConfig) {
    this.#options = options;
    this.#nodes = nodes;
    this.config = config;
    this.#version = version;
  }

  /** Heard every second: one that was not taken over is tried again. */
  heardOf(newest: number): void {
    if (newest <= this.#version || this.#isReading || this.takers === undefined) return;
    this.#isReading = true;
    this.reload()
      .catch((error: unknown) => {
        this.#options.log.warn({ err: error }, 'the cluster’s configuration was not taken over');
      })
      .finally(() => {
        this.#isReading = false;
      });
  }

  async reload(): Promise<Reloaded> {
    const { log } = this.#options;
    const { config: next, version: read } = await readOuter(this.#options, this.#nodes);
    const { config: taken, outcome } = takeOver(this.config, next);
    await this.takers?.tls.reload(await certificateFiles(taken));
    this.takers?.listeners.reload(taken);
    log.level = taken.log.level;
    this.config = taken;
    this.#version = read;
    log.info(outcome, 'configuration reloaded');
    return outcome;
  }
}

interface WayToAccounts {
  readonly member: OuterMember;
  readonly pool: LinkPool;
  readonly grants: GrantKeeper;
  readonly log: Logger;
}

/** Accounts for the sessions of one service, under the grants of their logins. */
function openAccounts(
  service: Service,
  { member, pool, grants, log }: WayToAccounts,
  opened: AsyncDisposableStack,
): RemoteAccounts {
  const accounts = new RemoteAccounts({
    locator: member,
    pool,
    hosted: undefined,
    clock,
    log,
    grantOf: (account) => grants.grantOf(account, service),
    watched: (account) => grants.watched(account, service),
  });
  opened.defer(() => accounts.close());
  return accounts;
}

interface AdminParts {
  readonly nodes: InnerNodes;
  readonly metrics: Metrics;
  readonly unreadyReason: () => string | undefined;
  readonly log: Logger;
}

function openAdmin(config: Config, { nodes, metrics, unreadyReason, log }: AdminParts) {
  return openOuterAdminServer({
    listen: config.listen.admin,
    socketPath: join(config.data, adminSocket),
    metricsText: async () => ({ contentType: metrics.contentType, body: await metrics.expose() }),
    unreadyReason,
    administer: async (request) => {
      const asked = { service: administrationServiceName, method: administrationMethod, arguments: request };
      return parseMethodAnswer(administrationProtocol, administrationMethod, await nodes.ask(asked));
    },
    random,
    log,
  });
}

/** Links to the nodes it knows of, with a certificate that is kept from ending. */
async function openWayIn(
  { joined, credentials, log }: OuterNodeOptions,
  given: Config,
  opened: AsyncDisposableStack,
): Promise<{ nodes: InnerNodes; pool: LinkPool }> {
  // Those of the day it joined come last: of use when all that came after them have moved.
  const places = [...(await loadNodePlaces(given.data)), ...(joined.nodes ?? [])];
  let keeper: CredentialKeeper | undefined;
  const pool = opened.use(
    new LinkPool({
      credentials: () => keeper?.credentials ?? credentials,
      clock,
      random,
      log,
      linksMax: given.cluster.links,
    }),
  );
  const keep = (next: Parameters<typeof saveNodePlaces>[1]) => saveNodePlaces(given.data, next);
  const nodes = new InnerNodes({ pool, places, keep, clock, log });
  keeper = opened.use(
    new CredentialKeeper({
      directory: given.data,
      credentials,
      renew: (present) => renewThrough(nodes, present),
      renewed: () => pool.renew(),
      clock,
      log,
    }),
  );
  return { nodes, pool };
}

async function renewThrough(nodes: InnerNodes, { node }: LinkCredentials): Promise<LinkCredentials> {
  const key = makeKey();
  const request = await makeCertificateRequest(node, key);
  const { certificate, authorities } = await askCluster(nodes, 'renewCertificate', { request });
  return { node, authorities, certificate, key };
}

async function askCluster<Method extends 'configuration' | 'renewCertificate'>(
  nodes: InnerNodes,
  method: Method,
  question: unknown,
): Promise<ClusterAnswer<Method>> {
  const request = { service: clusterServiceName, method, arguments: question };
  return parseMethodAnswer(clusterMethods, method, await nodes.ask(request, startWaitMs));
}

/** What the operator named, or the first address that clients reach. */
function advertisedHost({ cluster, listen }: Config): string {
  const named = cluster.address?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return named ?? Object.values(listen).flat()[0]?.address ?? '';
}

function observeOuter(
  metrics: Metrics,
  { member, grants, pool }: { member: OuterMember; grants: GrantKeeper; pool: LinkPool },
): void {
  metrics.observed(
    { name: 'rookery_frontend_grants', help: 'Session grants held in memory' },
    () => grants.size,
  );
  metrics.observed(
    { name: 'rookery_frontend_links', help: 'Links to nodes of the inner zone' },
    () => pool.links,
  );
  metrics.observed(
    { name: 'rookery_frontend_connected', help: 'Whether a node of the inner zone answered last time' },
    () => (member.isConnected ? 1 : 0),
  );
}
