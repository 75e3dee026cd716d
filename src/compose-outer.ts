// A server in the outer zone: listeners for mail and nothing behind them. It has no engine, no accounts and no directory of
// its own: nodes of the inner zone are asked, over links, and let it do what its sessions' grants allow.
// Invariant: what it keeps on disk is its certificate, the places of inner nodes, and the TLS key of its listeners.

import { mkdirSync } from 'node:fs';
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
  clusterServiceName,
  parseClusterAnswer,
} from './cluster/frontend/cluster-protocol.ts';
import { GrantKeeper } from './cluster/frontend/grant-keeper.ts';
import { InnerNodes } from './cluster/frontend/inner-nodes.ts';
import { OuterMember } from './cluster/frontend/outer-member.ts';
import { RemoteDirectory, renewGrant } from './cluster/frontend/remote-directory.ts';
import type { LinkCredentials } from './cluster/link-credentials.ts';
import { linkVersions } from './cluster/links/hello.ts';
import { LinkPool } from './cluster/links/link-pool.ts';
import { RemoteAccounts } from './cluster/remote-accounts.ts';
import { withJoinedSettings } from './compose-join.ts';
import { certificateFiles } from './compose-surroundings.ts';
import { type Config, isReloadable } from './config/schema.ts';
import { changedKeys } from './config/show-config.ts';
import type { DirectoryAdministration, Service } from './directory/directory.ts';
import type { ReadConfig, RunningServer } from './operator/running-server.ts';
import { openHealthServer } from './speakers/http/admin/health-server.ts';
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
  const { readConfig, joined, log } = options;
  await using opened = new AsyncDisposableStack();
  const given = readConfig();
  if (given.storage.url !== undefined)
    throw new Fault('a node of the outer zone has no business with the database: remove storage.url', {
      temporary: false,
    });
  mkdirSync(given.data, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(join(given.data, 'cluster'));
  opened.defer(() => lock.release());
  const { nodes, pool } = await openWayIn(options, given, opened);
  const read = async (): Promise<{ config: Config; version: number }> => {
    const { settings, version } = await askCluster(nodes, 'configuration', undefined);
    return { config: withJoinedSettings(readConfig(settings), joined), version };
  };
  const { config, version: seen } = await read();
  const metrics = new Metrics();
  opened.use(observeProcess(metrics));
  const tls = await TlsContexts.open(await certificateFiles(config), config.tls.minimum_version);
  let current = config;
  let configurationSeen = seen;
  const takeOver = async (next: Config) => {
    const changed = changedKeys(current, next);
    await tls.reload(await certificateFiles(next));
    listeners.reload(next);
    log.level = next.log.level;
    current = next;
    const outcome = {
      reloaded: ['certificates', ...changed.filter(isReloadable)],
      needRestart: changed.filter((key) => !isReloadable(key)),
    };
    log.info(outcome, 'configuration reloaded');
    return outcome;
  };
  const reload = async () => {
    const { config: next, version } = await read();
    configurationSeen = version;
    return takeOver(next);
  };
  let isRereading = false;
  const member = new OuterMember({
    self: options.credentials.node,
    nodes,
    description: {
      roles: config.cluster.roles,
      host: advertisedHost(config),
      linkVersions: { min: linkVersions.lowest, max: linkVersions.highest },
      softwareVersion: version,
    },
    clock,
    random,
    log,
    configured: (version) => {
      if (version <= configurationSeen || isRereading) return;
      isRereading = true;
      reload()
        .catch((error: unknown) => log.warn({ err: error }, 'the cluster’s configuration was not taken over'))
        .finally(() => {
          isRereading = false;
        });
    },
    onRemoved: () => {
      log.fatal('this node was removed from its cluster');
      process.exit(1);
    },
  });
  const grants = opened.use(new GrantKeeper({ renew: (grant) => renewGrant(nodes, grant), clock, log }));
  const accountsOf = (service: Service): RemoteAccounts => {
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
  };
  await member.start();
  opened.use(member);
  observeOuter(metrics, { member, grants, pool });
  const accounts = accountsOf('imap');
  const listeners = await MailListeners.open({
    config,
    directory: new RemoteDirectory(nodes, grants),
    accounts,
    pop3Accounts: accountsOf('pop3'),
    deliveries: accounts,
    tls,
    clock,
    random,
    log,
    metrics,
    version,
  });
  opened.defer(() => listeners.close(current.limits.drain));
  member.sessions = () => listeners.sessions;
  let isDraining = false;
  const health = opened.use(
    await openHealthServer({
      listen: config.listen.admin,
      metricsText: async () => ({ contentType: metrics.contentType, body: await metrics.expose() }),
      unreadyReason: () => {
        if (isDraining || member.isDraining) return 'draining';
        return member.isConnected ? undefined : 'no node of the inner zone answers';
      },
      log,
    }),
  );
  const admin = health.addresses.map((place) => ({ name: 'admin', ...place }));
  const endpoints = [...listeners.endpoints, ...admin];
  member.listeners = endpoints;
  log.info({ version, data: config.data, endpoints }, 'started');
  const stack = opened.move();
  return {
    endpoints,
    get directory(): DirectoryAdministration {
      throw new Fault('a node of the outer zone administers nothing', { temporary: false });
    },
    metricsText: () => metrics.expose(),
    reload,
    close: async () => {
      isDraining = true;
      log.info('stopping');
      await listeners.close(current.limits.drain);
      await stack.disposeAsync();
      log.info('stopped');
    },
  };
}

/** Links to the nodes it knows of, with a certificate that is kept from ending. */
async function openWayIn(
  { joined, credentials, log }: OuterNodeOptions,
  given: Config,
  opened: AsyncDisposableStack,
): Promise<{ nodes: InnerNodes; pool: LinkPool }> {
  const kept = await loadNodePlaces(given.data);
  const places = kept.length > 0 ? kept : (joined.nodes ?? []);
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
      renewed: () => {},
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
  return parseClusterAnswer(method, await nodes.ask(request, startWaitMs));
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
