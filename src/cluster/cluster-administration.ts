// What an operator can see and do of the cluster through this node: one object, which the admin API speaks for. A node
// that has the engine has it; what it changes are rows, so it matters not which node is asked.
//
// Invariant: everything it says was done is durable. The status comes from memory, also while the engine does not answer.
// Refuses as administered-rows.ts, the authority and the configuration store do.

import { shardOf } from '../account/shard.ts';
import type { Clock } from '../base/clock.ts';
import type { DirectoryAccount } from '../directory/directory.ts';
import type { AccountId, Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';
import type { Engine, EngineHealth, EngineStatistics } from '../storage/engine.ts';
import { AdministeredRows, type NodeStanding, nodeIn, requireRemoved } from './administered-rows.ts';
import {
  type ClusterAuthority,
  type JoinTokenInfo,
  type JoinTokenOptions,
  outerZone,
} from './authority/cluster-authority.ts';
import { type BalancedNodePlace, balancedNodes } from './balanced-nodes.ts';
import type { ClusterSettings } from './cluster-configuration.ts';
import type {
  ApplyOptions,
  ClusterConfiguration,
  ClusterConfigurationStore,
} from './cluster-configuration-store.ts';
import type { ClusterMember } from './cluster-member.ts';
import { parseMethodAnswer } from './frontend/link-protocol.ts';
import type { LinkPool } from './links/link-pool.ts';
import type { PlannedMove } from './membership/assignment.ts';
import { admit, remove, undrain } from './membership/cluster-requests.ts';
import { isPresent, type NodeAddress, type NodeListener, type NodeRow } from './membership/cluster-rows.ts';
import type { ClusterStatus, ShardStatus } from './membership/cluster-status.ts';
import {
  type AnswerAdministration,
  administrationMethod,
  administrationProtocol,
  administrationServiceName,
  type RelayedAnswer,
  type RelayedRequest,
} from './relayed-administration.ts';
import type { NodeSessions } from './session-census.ts';

/** People wait for it. */
const answerMsMax = 2_000;
/** Of a request that another node answers: a listing, or a reload. */
const administerMsMax = 30_000;

export interface StorageReport extends EngineStatistics {
  readonly engine: string;
  /** Undefined: the engine is in this process, or its server could not be asked. */
  readonly health: EngineHealth | undefined;
}

export interface ClusterReport extends ClusterStatus {
  /** The cluster's id. */
  readonly cluster: string;
  readonly cell: string;
  /** Undefined: the engine does not answer. */
  readonly configurationVersion: number | undefined;
  readonly storage: StorageReport;
}

export interface AccountPlace {
  readonly cell: string;
  /** Of its cell. */
  readonly shard: ShardId;
  /** Undefined with what follows: nobody hosts it at the moment, or the nodes of another cell know who does. */
  readonly node: NodeId | undefined;
  readonly epoch: Epoch | undefined;
  readonly address: NodeAddress | undefined;
  /** On all nodes together; undefined also when one that has some does not say how many. */
  readonly sessions: number | undefined;
  readonly openSessions: readonly NodeSessions[] | undefined;
}

/** What a balancer needs to know of the site beside its nodes. */
export interface BalancedSite {
  readonly hostname: string;
  readonly idle: { readonly imapMs: number; readonly pop3Ms: number; readonly smtpMs: number };
}

export interface BalancerDescription extends BalancedSite {
  readonly nodes: readonly BalancedNodePlace[];
}

export interface ClusterAdministrationOptions {
  readonly member: ClusterMember;
  readonly engine: Engine;
  readonly authority: ClusterAuthority;
  readonly configuration: ClusterConfigurationStore;
  /** This node's. */
  readonly cell: string;
  readonly site: () => BalancedSite;
  readonly clock: Clock;
  /** The way to other nodes. */
  readonly pool: Pick<LinkPool, 'call'>;
  /** This node's own admin API. */
  readonly answer: AnswerAdministration;
  /** The sessions of an account, wherever they are. */
  readonly openSessions: (account: AccountId) => Promise<readonly NodeSessions[]>;
}

export interface ClusterAdministration {
  status(): Promise<ClusterReport>;
  /** Whether this node takes no new clients: for /readyz. Costs nothing. */
  isDraining(): boolean;
  /** Says in this node's row where it takes clients, once that is known; nothing happens when it is said already. */
  announce(listeners: readonly NodeListener[]): Promise<void>;
  drain(node: string): Promise<NodeStanding>;
  undrain(node: string): Promise<NodeStanding>;
  /**
   * For good: its shards go to others, then it stops, and no link is open to its certificate. The name of one that joined and
   * never served is free at once (`left`).
   */
  remove(node: string): Promise<NodeStanding>;
  /** Frees the name of a node that was removed, for whoever joins with a token. */
  admit(node: string): Promise<NodeStanding>;
  /** Read anew: what was asked a moment ago is in it. */
  shards(): Promise<readonly ShardStatus[]>;
  /** `to` undefined: where balance puts it. */
  moveShard(shard: number, to: string | undefined): Promise<ShardStatus>;
  /** What `rebalance` would move now. */
  plannedRebalance(): Promise<readonly PlannedMove[]>;
  /** Ends every `moveShard` and lets balance decide; tells what will move. */
  rebalance(): Promise<readonly PlannedMove[]>;
  placeOf(account: Pick<DirectoryAccount, 'id' | 'cell'>): Promise<AccountPlace>;
  createJoinToken(options: JoinTokenOptions): Promise<JoinTokenInfo & { readonly token: string }>;
  /** Where new machines reach this node; without a port when it does not say. */
  joinPlace(): { readonly host: string; readonly port: number | undefined };
  joinTokens(): Promise<readonly JoinTokenInfo[]>;
  revokeJoinToken(id: string): Promise<void>;
  configuration(): Promise<ClusterConfiguration>;
  configurationVersion(version: number): Promise<ClusterConfiguration>;
  configurationHistory(): Promise<readonly ClusterConfiguration[]>;
  applyConfiguration(next: ClusterSettings, options: ApplyOptions): Promise<ClusterConfiguration>;
  rollbackConfiguration(to: number, options: ApplyOptions): Promise<ClusterConfiguration>;
  balancer(): BalancerDescription;
  /** The admin API of a node, this one or another. Refuses with noSuchAccount, notSupported (a node of the outer zone). */
  administer(node: string, request: RelayedRequest): Promise<RelayedAnswer>;
}

export function openClusterAdministration(options: ClusterAdministrationOptions): ClusterAdministration {
  const { member, authority, configuration, site } = options;
  const rows = new AdministeredRows(options.engine, member.view.shardCount);
  return {
    status: () => report(options),
    isDraining: () => isDraining(member.view.node(member.self)),
    announce: (listeners) => rows.announce(member.self, listeners),
    drain: (node) => rows.drain(node),
    undrain: (node) => rows.ofNode(node, undrain),
    remove: async (node) => {
      if (!(await rows.has(node)) && (await isEnrolled(authority, node))) {
        await authority.forget(node as NodeId);
        return { node: node as NodeId, state: 'left', drained: false, removing: false, shards: 0 };
      }
      const standing = await rows.ofNode(node, remove);
      // On its way out it needs its name: to be heard until it is gone, and should the removal be called off.
      if (standing.state === 'removed') await authority.forget(standing.node);
      return standing;
    },
    admit: async (node) => {
      requireRemoved(await rows.row(node));
      // First: a name that is admitted is for who brings a token, not for who was thrown out.
      await authority.forget(node as NodeId);
      return rows.ofNode(node, admit, requireRemoved);
    },
    shards: () => rows.shards(),
    moveShard: (shard, to) => rows.moveShard(shard, to),
    plannedRebalance: () => rows.plannedRebalance(),
    rebalance: () => rows.rebalance(),
    placeOf: (account) => placeOf(options, account),
    createJoinToken: async (wanted) => {
      requireStoreFor(wanted.zone, options.engine);
      return authority.createJoinToken(wanted);
    },
    joinPlace: () => joinPlaceOf(member.view.node(member.self)),
    joinTokens: () => authority.joinTokens(),
    revokeJoinToken: (id) => revokeJoinToken(authority, id),
    configuration: () => configuration.current(),
    configurationVersion: (version) => configuration.version(version),
    configurationHistory: () => configuration.history(),
    applyConfiguration: (next, by) => configuration.apply(next, by),
    rollbackConfiguration: (to, by) => configuration.rollback(to, by),
    administer: (node, request) => administer(options, node, request),
    balancer: () => ({ ...site(), nodes: balancedNodes(member.status().nodes) }),
  };
}

/** Without a row, a machine that joined and never served: all that it has is the name. */
async function isEnrolled(authority: ClusterAuthority, name: string): Promise<boolean> {
  return (await authority.enrolledNodes()).some(({ node }) => node === name);
}

/** A machine would join, find no store and have used up its token. */
function requireStoreFor(zone: string, { name }: Pick<Engine, 'name'>): void {
  if (name !== 'lmdb' || zone === outerZone) return;
  throw new MailError(
    'notSupported',
    'the store is in this machine (lmdb), where no other reaches it: nodes of the outer zone can join (--zone outer), others once it is in PostgreSQL; see docs/operations.md',
  );
}

async function report(options: ClusterAdministrationOptions): Promise<ClusterReport> {
  const { member, engine, authority, configuration, cell, clock } = options;
  const [current, health] = await Promise.all([
    ifSoon(clock, configuration.current()),
    engine.health === undefined ? undefined : ifSoon(clock, engine.health()),
  ]);
  return {
    ...member.status(),
    cluster: authority.cluster,
    cell,
    configurationVersion: current?.version,
    storage: { engine: engine.name, ...engine.statistics(), health },
  };
}

async function placeOf(
  { member, cell, clock, openSessions }: ClusterAdministrationOptions,
  account: Pick<DirectoryAccount, 'id' | 'cell'>,
): Promise<AccountPlace> {
  const shard = shardOf(account.id);
  const place = account.cell === cell ? member.placeOf(shard) : undefined;
  const found = place === undefined ? undefined : await ifSoon(clock, openSessions(account.id));
  const sessions = found?.reduce<number | undefined>(
    (sum, each) => (sum === undefined || each.sessions === undefined ? undefined : sum + each.sessions),
    0,
  );
  const { node, epoch, address } = place ?? {};
  return { cell: account.cell, shard, node, epoch, address, sessions, openSessions: found };
}

/** A status that fails or hangs because the database does would be of no use when it is needed most. */
function ifSoon<T>(clock: Clock, asked: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = clock.after(answerMsMax, () => resolve(undefined));
    const settle = (answer: T | undefined): void => {
      timer.cancel();
      resolve(answer);
    };
    asked.then(settle, () => settle(undefined));
  });
}

/** Refuses a revocation of what is not there: a mistyped id would leave the token valid. */
async function revokeJoinToken(authority: ClusterAuthority, id: string): Promise<void> {
  const known = await authority.joinTokens();
  if (!known.some((token) => token.id === id))
    throw new MailError(
      'noSuchAccount',
      `there is no join token ${id}; \`rookery cluster token list\` shows those there are`,
    );
  await authority.revokeJoinToken(id);
}

async function administer(
  { member, pool, answer }: ClusterAdministrationOptions,
  name: string,
  request: RelayedRequest,
): Promise<RelayedAnswer> {
  const row = nodeIn(member.view, name as NodeId);
  const { node, address } = row;
  if (node === member.self) return answer(request, { peer: node, isOuter: false });
  if (row.zone === outerZone)
    throw new MailError('notSupported', `${node} is in the outer zone: it administers nothing`);
  if (!isPresent(row)) throw new MailError('unavailable', `${node} is ${row.state}`);
  const asked = { service: administrationServiceName, method: administrationMethod, arguments: request };
  const answered = await pool.call(
    { node, address },
    { ...asked, grant: undefined },
    { timeoutMs: administerMsMax },
  );
  return parseMethodAnswer(administrationProtocol, administrationMethod, answered);
}

function joinPlaceOf(row: NodeRow | undefined): ReturnType<ClusterAdministration['joinPlace']> {
  const listener = row?.listeners?.find(({ name }) => name === 'join');
  return { host: row?.address.host ?? 'HOST', port: listener?.port };
}

function isDraining(row: NodeRow | undefined): boolean {
  return row !== undefined && (row.drained === true || row.state === 'draining');
}
