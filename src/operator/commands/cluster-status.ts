// The state of a cluster as a person reads it: a few lines on the whole, a table of the nodes, and what is wrong with what
// to do about it. Pure.

import { formatTable } from '../output.ts';

export interface ClusterNodeBody {
  readonly node: string;
  readonly state: string;
  readonly drained: boolean;
  readonly removing: boolean;
  readonly roles: readonly string[];
  readonly zone: string;
  readonly weight: number;
  readonly shards: number;
  readonly silentMs: number;
  readonly load: {
    readonly openAccounts: number;
    readonly sessions: number;
    readonly commitsPerSecond: number;
    readonly lostCommitsAt?: number | undefined;
  };
  readonly softwareVersion: string;
  readonly address: { readonly host: string; readonly port: number };
}

interface StorageBody {
  readonly engine: string;
  readonly bytesOnDisk: number;
  readonly health: {
    readonly server: string;
    readonly version: string;
    readonly role: string;
    readonly maySeeStandbys: boolean;
    readonly standbys: readonly {
      readonly name: string;
      readonly state: string;
      readonly isSynchronous: boolean;
      readonly lagBytes: number | null;
    }[];
    readonly needsStandby: boolean;
  } | null;
}

/** What GET /api/cluster answers, as far as it is shown. */
export interface ClusterBody {
  readonly cluster: string;
  readonly cell: string;
  readonly node: string;
  readonly leaseLeftMs: number;
  readonly controller: { readonly node: string; readonly term: number } | null;
  readonly configurationVersion: number | null;
  readonly nodes: readonly ClusterNodeBody[];
  readonly shards: { readonly total: number; readonly unhosted: number; readonly moving: number };
  readonly damagedRows: number;
  readonly storage: StorageBody;
}

const columns = [
  'node',
  'state',
  'roles',
  'zone',
  'weight',
  'shards',
  'accounts',
  'sessions',
  'commits/s',
  'seen',
  'version',
  'address',
];
/** Twice the time between heartbeats, and a little. */
const silentMsMax = 2_500;

export function formatClusterStatus(status: ClusterBody): string {
  const problems = problemsOf(status).map((problem) => `! ${problem}`);
  const table = formatTable(status.nodes.map(nodeRow), columns);
  return [...summary(status), '', table, ...(problems.length === 0 ? [] : ['', ...problems])].join('\n');
}

function summary({ cluster, cell, node, controller, configurationVersion, shards, storage }: ClusterBody) {
  const who = controller === null ? 'none' : `${controller.node} (term ${controller.term})`;
  const version = configurationVersion === null ? 'not known' : `version ${configurationVersion}`;
  return [
    `cluster ${cluster}, cell ${cell}, as node ${node} sees it`,
    `controller ${who}; configuration ${version}`,
    `shards ${shards.total}: ${shards.unhosted} without a host, ${shards.moving} moving`,
    `storage ${storageLine(storage)}`,
  ];
}

function storageLine({ engine, bytesOnDisk, health }: StorageBody): string {
  const size = bytesOnDisk > 0 ? `, ${formatBytes(bytesOnDisk)}` : '';
  if (health === null) return `${engine}${size}`;
  const standbys = health.standbys.map(
    ({ name, state, isSynchronous, lagBytes }) =>
      `${name} (${isSynchronous ? 'synchronous' : 'asynchronous'}, ${state}, ${lagBytes === null ? 'lag not known' : `${formatBytes(lagBytes)} behind`})`,
  );
  const seen = standbys.length === 0 ? 'no standby' : `standby ${standbys.join(', ')}`;
  const copies = health.maySeeStandbys ? seen : `${standbys.length} standbys, nothing known of them`;
  return `${engine} ${health.version} at ${health.server}${size}; ${copies}`;
}

function nodeRow(node: ClusterNodeBody): Record<string, unknown> {
  const isUp = node.state === 'active' || node.state === 'draining';
  const { openAccounts, sessions, commitsPerSecond } = node.load;
  return {
    node: node.node,
    state: stateOf(node),
    roles: node.roles.length === 3 ? 'all' : node.roles.join(','),
    zone: node.zone,
    weight: node.weight,
    shards: node.shards,
    accounts: isUp ? openAccounts : null,
    sessions: isUp ? sessions : null,
    'commits/s': isUp ? Math.round(commitsPerSecond) : null,
    seen: isUp ? formatAge(node.silentMs) : null,
    version: node.softwareVersion,
    address: addressText(node.address),
  };
}

/** Of links. A worker's is a socket in the file system; a node of the outer zone takes no links and has no port. */
export function addressText({ host, port }: ClusterNodeBody['address']): string {
  if (host.startsWith('/') || port === 0) return host;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function stateOf({ state, drained, removing }: ClusterNodeBody): string {
  if (removing && state === 'draining') return 'removing';
  return drained && state !== 'draining' ? `${state}, drained` : state;
}

function problemsOf(status: ClusterBody): string[] {
  const { nodes, node, leaseLeftMs, shards, damagedRows, configurationVersion, storage } = status;
  const problems: string[] = [];
  if (configurationVersion === null) problems.push('the storage does not answer');
  if (leaseLeftMs < 0)
    problems.push(
      `${node} serves no accounts now: it cannot write to the storage; what it shows here may be old`,
    );
  const { health } = storage;
  const isAlone = health?.maySeeStandbys && !health.standbys.some((each) => each.isSynchronous);
  if (isAlone && health.needsStandby)
    problems.push(
      'PostgreSQL has no synchronous standby: with storage.postgres.durability = "standby" mail and changes are put off until one is attached',
    );
  if (shards.unhosted > 0)
    problems.push(`${shards.unhosted} shards have no host: their accounts wait until a node takes them`);
  for (const each of nodes) {
    const { lostCommitsAt } = each.load;
    if (lostCommitsAt !== undefined)
      problems.push(
        `at ${new Date(lostCommitsAt).toISOString()} the database lacked changes that ${each.node} had acknowledged, as after a failover without a synchronous standby: mail may be missing (shown until ${each.node} is restarted)`,
      );
    if (each.state === 'dead')
      problems.push(
        `${each.node} is dead: start it again, or take it out for good: rookery cluster remove ${each.node}`,
      );
    if (each.state === 'active' && leaseLeftMs >= 0 && each.silentMs > silentMsMax)
      problems.push(`${each.node} has not been heard of for ${formatAge(each.silentMs)}`);
  }
  if (storage.health?.maySeeStandbys === false)
    problems.push(
      `PostgreSQL does not show its standbys to the role ${storage.health.role}: as a superuser, GRANT pg_monitor TO ${storage.health.role}`,
    );
  if (damagedRows > 0)
    problems.push(`${damagedRows} rows of the cluster cannot be read: see the server's log`);
  return problems;
}

function formatAge(ms: number): string {
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
