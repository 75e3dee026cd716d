// A server as a node of its cluster: membership, links, and the way to accounts wherever they are hosted.
// Opened on a machine that `rookery cluster init` or `serve --join` made a node: it has credentials in its data directory.

import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { AccountHosts } from './account/account-hosts.ts';
import type { StoredMessages } from './account/reading/stored-messages.ts';
import { shardOf } from './account/shard.ts';
import type { Clock } from './base/clock.ts';
import { Fault } from './base/fault.ts';
import type { Logger } from './base/log.ts';
import type { Metrics } from './base/metrics.ts';
import { accountServiceName, openAccountService } from './cluster/account-service.ts';
import { type ClusterAuthority, openAuthority, outerZone } from './cluster/authority/cluster-authority.ts';
import { CredentialKeeper, renewLocally, showLocally } from './cluster/authority/credential-keeper.ts';
import type { NodePlace } from './cluster/authority/join-protocol.ts';
import { JoinServer, listenForJoin } from './cluster/authority/join-server.ts';
import { KnownMembers } from './cluster/authority/known-members.ts';
import { type ClusterAdministration, openClusterAdministration } from './cluster/cluster-administration.ts';
import { ClusterMember } from './cluster/cluster-member.ts';
import { observeCluster } from './cluster/cluster-metrics.ts';
import { innerNodePlaces } from './cluster/frontend/cluster-service.ts';
import { type FrontendServicesOptions, openFrontendServices } from './cluster/frontend/frontend-services.ts';
import { HostedAccounts } from './cluster/hosted-accounts.ts';
import type { LinkCredentials } from './cluster/link-credentials.ts';
import { linkVersions } from './cluster/links/hello.ts';
import { LinkPool } from './cluster/links/link-pool.ts';
import { LinkServer } from './cluster/links/link-server.ts';
import type { LocalLinks } from './cluster/links/local-link.ts';
import type { LocatedAccounts } from './cluster/located-accounts.ts';
import type { NodeAddress, NodeLoad } from './cluster/membership/cluster-rows.ts';
import { administrationServiceName, openAdministrationService } from './cluster/relayed-administration.ts';
import { RemoteAccounts } from './cluster/remote-accounts.ts';
import { OccupancyWatch } from './cluster/shard-occupancy.ts';
import type { Config } from './config/schema.ts';
import type { AccountId, NodeId, ShardId } from './mail/ids.ts';
import { MailError } from './mail/mail-error.ts';
import { CommandFailure, exitCodes } from './operator/exit-codes.ts';
import { lockDirectory } from './storage/directory-lock.ts';
import type { Engine } from './storage/engine.ts';
import type { HeldRows } from './storage/lmdb/held-rows.ts';
import { version } from './version.ts';

/** A new cluster's shards are taken within a second; after a crash of everything, when the old leases have run out. */
const hostedWaitMs = 15_000;
/** Commits are counted over at least this long. */
const loadIntervalMs = 5_000;

export interface NodeSurroundings
  extends Omit<FrontendServicesOptions, 'authority' | 'hosted' | 'view' | 'messageBytesMax'> {
  readonly config: Config;
  /** The name of the storage domain that `engine` is. */
  readonly cell: string;
  /** Where the node keeps its credentials: its data directory, or a worker's own. */
  readonly directory: string;
  readonly credentials: LinkCredentials;
  /** One of several workers of the machine: its links, instead of listen.link's. */
  readonly local: LocalLinks | undefined;
  /** The store is as near to one node as to the other: workers read the same files, nodes ask the same database. */
  readonly stored: StoredMessages;
  /** Given to one of several workers, which all read the same files. */
  readonly held: HeldRows | undefined;
  /** Somebody may not do any more what this node remembers that he may: the account, or, without one, anybody. */
  readonly forgetReads: (id?: AccountId) => void;
  /** The configuration in effect, after reloads too. */
  readonly current: () => Config;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface ClusterNode {
  readonly member: ClusterMember;
  readonly accounts: RemoteAccounts;
  readonly administration: ClusterAdministration;
  /** Whether this node hosts the account now. */
  hosts(account: AccountId): boolean;
  /** Where it listens for other nodes and for new ones. */
  readonly endpoints: readonly { readonly name: string; readonly address: string; readonly port: number }[];
}

/** What the node's accounts are when it hosts some. Made before the node, whose leases they ask. */
export interface NodeHosting {
  readonly hosts: AccountHosts;
  readonly located: LocatedAccounts;
}

/** How busy this node is, for people. */
export class LoadMeter {
  /** Set when there are listeners. */
  sessions: () => number = () => 0;
  readonly #hosts: AccountHosts;
  readonly #engine: Engine;
  readonly #clock: Clock;
  #commits = 0;
  #at: number;
  #perSecond = 0;

  constructor(hosts: AccountHosts, engine: Engine, clock: Clock) {
    this.#hosts = hosts;
    this.#engine = engine;
    this.#clock = clock;
    this.#at = clock.monotonic();
  }

  read(): NodeLoad {
    const now = this.#clock.monotonic();
    if (now - this.#at >= loadIntervalMs) {
      const { batches } = this.#engine.statistics();
      this.#perSecond = Math.round(((batches - this.#commits) / (now - this.#at)) * 1000);
      this.#commits = batches;
      this.#at = now;
    }
    return {
      openAccounts: this.#hosts.statistics().loaded,
      sessions: this.sessions(),
      commitsPerSecond: this.#perSecond,
    };
  }
}

/** The leases of a node that is still being opened. */
export class NodeLeases {
  #member: ClusterMember | undefined;

  set member(member: ClusterMember) {
    this.#member = member;
  }

  epochOf(shard: ShardId) {
    if (this.#member === undefined) throw new MailError('unavailable', 'the server is starting');
    return this.#member.epochOf(shard);
  }
}

/**
 * Its name may have been given free, or to another machine, and a store restored from a backup may not know it. Nobody would take
 * its links, so it would host accounts that no other node reaches.
 */
async function requireOwnName(
  authority: ClusterAuthority,
  credentials: LinkCredentials,
  directory: string,
): Promise<void> {
  if ((await showLocally(authority, credentials)) === 'itself') return;
  throw new CommandFailure(
    `this machine is not node ${credentials.node} of the cluster any more: the node was removed, or another machine has its name. ` +
      `To join again: a new token (rookery cluster token), and an empty data directory instead of ${directory}`,
    exitCodes.configuration,
  );
}

/** Work that one node does for all is the controller's. */
export function isCaretaker(node: ClusterNode | undefined): boolean {
  return node === undefined || node.member.status().controller?.node === node.member.self;
}

export async function openClusterNode(
  surroundings: NodeSurroundings,
  { hosting, leases, load }: { hosting: NodeHosting; leases: NodeLeases; load: LoadMeter },
  opened: AsyncDisposableStack,
): Promise<ClusterNode> {
  const { config, cell, directory, credentials, engine, clock, random, log, metrics } = surroundings;
  // Held until the process ends: no earlier one of this name runs, so nobody waits for its lease.
  const lock = lockDirectory(join(directory, 'cluster'));
  opened.defer(() => lock.release());
  const authority = await openAuthority({ engine, clock, random });
  if (authority === undefined)
    throw new Fault(
      `${directory} says that this is node ${credentials.node} of a cluster, but the store belongs to none: is storage.url right?`,
      { temporary: false },
    );
  await requireOwnName(authority, credentials, directory);
  let member: ClusterMember;
  const hosted = new HostedAccounts({
    accounts: hosting.located,
    hosts: {
      closeShard: (shard) => hosting.hosts.closeShard(shard),
      remove: (id) => hosting.hosts.remove(id),
      endSessions: (id) => {
        // Grants of the sessions that end are checked against what the directory says.
        surroundings.forgetReads(id);
        hosting.hosts.endSessions(id);
      },
    },
    leases,
    log,
    fenced: (shard, epoch) => member.reportFenced(shard, epoch),
    opened: () => surroundings.forgetReads(),
    held: surroundings.held,
    sessionEpochs: (...asked) => surroundings.accountDirectory().sessionEpoch(...asked),
  });
  const authorize = (_call: unknown, peer: NodeId): void => authorizePeer(member, peer);
  const { local, stored } = surroundings;
  const members = opened.use(
    new KnownMembers({
      authority,
      engine,
      isRemoved: (node) => member.view.node(node)?.state === 'removed',
      clock,
      log,
    }),
  );
  const links = await LinkServer.open({
    credentials,
    address: linkAddress(surroundings),
    local,
    services: new Map([
      [accountServiceName, openAccountService({ hosted, authorize, clock })],
      [
        administrationServiceName,
        openAdministrationService({
          answer: surroundings.answer,
          authorize: (peer) => authorizePeer(member, peer),
          isOuter: false,
        }),
      ],
    ]),
    isReplaced: ({ node, keyDigest }) => members.isReplaced({ node, publicKeyDigest: keyDigest }),
    servicesFor: openFrontendServices({
      ...surroundings,
      authority,
      hosted,
      view: () => member.view,
      messageBytesMax: () => surroundings.current().limits.message_size,
    }),
    clock,
    log,
  });
  opened.defer(() => links.close());
  const nodes = (): NodePlace[] => innerNodePlaces(member.view);
  const joining = await listenForNodes({ ...surroundings, authority, nodes });
  const keeper = opened.use(
    new CredentialKeeper({
      directory,
      credentials,
      renew: renewLocally(authority),
      renewed: (renewed) => {
        links.renew(renewed);
        joining?.renew(renewed);
        pool.renew();
        showLocally(authority, renewed).catch((error: unknown) => {
          log.warn({ err: error }, 'the new certificate could not be shown; the next link shows it');
        });
      },
      clock,
      log,
    }),
  );
  if (joining !== undefined) opened.use(joining);
  const linksMax = config.cluster.links;
  const pool = opened.use(
    new LinkPool({
      credentials: () => keeper.credentials,
      localSecret: local?.secret,
      clock,
      random,
      log,
      linksMax,
    }),
  );
  member = new ClusterMember({
    engine,
    clock,
    random,
    log,
    description: describe(surroundings, links.address),
    host: hosted,
    predecessorGone: true,
    load: () => load.read(),
    onRemoved: () => {
      log.fatal('this node was removed from its cluster');
      process.exit(exitCodes.configuration);
    },
  });
  leases.member = member;
  opened.use(
    new OccupancyWatch({
      engine,
      clock,
      log,
      isWanted: () => member.isController,
      changed: (occupancy) => {
        member.occupancy = occupancy;
      },
    }),
  );
  const accounts = new RemoteAccounts({ locator: member, pool, hosted, stored, clock, log });
  opened.defer(() => accounts.close());
  // First of all: others take this node's shards while everything below still runs.
  opened.use(member);
  await member.whenJoined();
  if (!(await member.whenHosted(hostedWaitMs)))
    log.warn('some accounts have no host yet: no node with the backend role may take them');
  opened.use(
    observeCluster(metrics, {
      member,
      clock,
      links: { calling: () => pool.links, serving: () => links.links },
      certificateEndsAt: () => Date.parse(new X509Certificate(keeper.credentials.certificate).validTo),
    }),
  );
  const administration = openClusterAdministration({
    member,
    engine,
    authority,
    configuration: surroundings.settings,
    cell,
    pool,
    answer: surroundings.answer,
    site: () => siteOf(surroundings.current()),
    clock,
    openSessions: (account) => accounts.sessionsOf(account),
  });
  const endpoints = [{ name: 'link', address: links.address.host, port: links.address.port }];
  if (joining !== undefined)
    endpoints.push({ name: 'join', address: config.listen.join[0]!.address, port: joining.port });
  return {
    member,
    accounts,
    administration,
    hosts: (account) => hosted.serves(shardOf(account)),
    endpoints,
  };
}

/** Of no use to a worker. */
function linkAddress({ config, local }: NodeSurroundings): NodeAddress {
  const listen = config.listen.link[0];
  if (listen !== undefined) return { host: listen.address, port: listen.port };
  if (local === undefined) throw new Fault('a node of a cluster needs listen.link', { temporary: false });
  return { host: local.path, port: 0 };
}

async function listenForNodes({
  config,
  credentials,
  authority,
  nodes,
  clock,
  log,
}: NodeSurroundings & { readonly authority: ClusterAuthority; readonly nodes: () => readonly NodePlace[] }) {
  const listen = config.listen.join[0];
  if (listen === undefined) return undefined;
  const { engine, url, postgres, blobs, blob_directory } = config.storage;
  const storage = { engine, url, postgres, blobs, blob_directory };
  const server = new JoinServer({ authority, storage: () => storage, nodes, clock, log });
  return listenForJoin(server, credentials, { host: listen.address, port: listen.port });
}

function siteOf({ hostname, limits }: Config) {
  return {
    hostname,
    idle: { imapMs: limits.imap_idle, pop3Ms: limits.pop3_idle, smtpMs: limits.smtp_idle },
  };
}

function describe({ config, credentials }: NodeSurroundings, listening: NodeAddress) {
  const { roles, weight, zone } = config.cluster;
  return {
    node: credentials.node,
    roles,
    weight,
    zone,
    address: advertised(config.cluster.address, listening),
    linkVersions: { min: linkVersions.lowest, max: linkVersions.highest },
    softwareVersion: version,
  };
}

/** What the operator named, with the port that is listened on when he named none. */
function advertised(named: string | undefined, listening: NodeAddress): NodeAddress {
  if (named === undefined) return listening;
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([^:]+))(?::(\d+))?$/.exec(named);
  if (match === null)
    throw new Fault(`cluster.address: expected "host" or "host:port", found "${named}"`, {
      temporary: false,
    });
  return { host: match[1] ?? match[2]!, port: match[3] === undefined ? listening.port : Number(match[3]) };
}

/** A certificate lasts for months: whether its node is a member still is told by its row. */
function authorizePeer(member: ClusterMember, peer: NodeId): void {
  const row = member.view.nodes.get(peer)?.row;
  if (row === undefined || row.state === 'removed')
    throw new MailError('permissionDenied', `${peer} is no node of this cluster`);
  if (row.zone === outerZone)
    throw new MailError('permissionDenied', `${peer} is in the outer zone: it needs a session's grant`);
}
