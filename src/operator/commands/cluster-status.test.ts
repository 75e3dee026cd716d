import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClusterBody, type ClusterNodeBody, formatClusterStatus } from './cluster-status.ts';

function node(name: string, more: Partial<ClusterNodeBody> = {}): ClusterNodeBody {
  return {
    node: name,
    state: 'active',
    drained: false,
    removing: false,
    roles: ['frontend', 'mx', 'backend'],
    zone: 'inner',
    weight: 100,
    shards: 128,
    silentMs: 432,
    load: { openAccounts: 12, sessions: 34, commitsPerSecond: 56.7 },
    softwareVersion: '0.3.0',
    address: { host: '10.0.0.1', port: 2433 },
    ...more,
  };
}

const healthy: ClusterBody = {
  cluster: 'abcdefghijklmnop',
  cell: 'main',
  node: 'one',
  leaseLeftMs: 2_500,
  controller: { node: 'two', term: 3 },
  configurationVersion: 7,
  nodes: [node('one'), node('two', { address: { host: '2001:db8::2', port: 2433 } })],
  shards: { total: 256, unhosted: 0, moving: 1 },
  damagedRows: 0,
  storage: { engine: 'lmdb', bytesOnDisk: 3 * 1024 ** 2, health: null },
};

test('the status of a cluster in which all is well', () => {
  assert.equal(
    formatClusterStatus(healthy),
    `cluster abcdefghijklmnop, cell main, as node one sees it
controller two (term 3); configuration version 7
shards 256: 0 without a host, 1 moving
storage lmdb, 3.0 MiB

NODE  STATE   ROLES  ZONE   WEIGHT  SHARDS  ACCOUNTS  SESSIONS  COMMITS/S  SEEN   VERSION  ADDRESS
one   active  all    inner  100     128     12        34        57         0.4 s  0.3.0    10.0.0.1:2433
two   active  all    inner  100     128     12        34        57         0.4 s  0.3.0    [2001:db8::2]:2433`,
  );
});

test('a database that lost commits is shown, with when and what it means', () => {
  const load = { ...node('two').load, lostCommitsAt: Date.UTC(2026, 0, 2, 3, 4, 5) };
  const text = formatClusterStatus({ ...healthy, nodes: [node('one'), node('two', { load })] });
  assert.match(text, /^! at 2026-01-02T03:04:05.000Z the database lacked changes that two had acknowledged/m);
  assert.match(text, /mail may be missing/);
});

test('what is wrong stands below, with what to do', () => {
  const text = formatClusterStatus({
    ...healthy,
    leaseLeftMs: -1,
    controller: null,
    configurationVersion: null,
    shards: { total: 256, unhosted: 128, moving: 0 },
    damagedRows: 2,
    nodes: [
      node('one', { drained: true, state: 'draining' }),
      node('two', { state: 'dead', drained: true, silentMs: 200_000 }),
      node('three', { state: 'draining', removing: true, roles: ['mx', 'backend'] }),
    ],
  });
  assert.match(text, /^controller none; configuration not known$/m);
  assert.match(text, /^one +draining +all /m);
  assert.match(text, /^two +dead, drained +all +inner +100 +128 +- +- +- +- +0\.3\.0/m);
  assert.match(text, /^three +removing +mx,backend /m);
  assert.deepEqual(
    text.split('\n').filter((line) => line.startsWith('!')),
    [
      '! the storage does not answer',
      '! one serves no accounts now: it cannot write to the storage; what it shows here may be old',
      '! 128 shards have no host: their accounts wait until a node takes them',
      '! two is dead: start it again, or take it out for good: rookery cluster remove two',
      "! 2 rows of the cluster cannot be read: see the server's log",
    ],
  );
});

test('a node of the outer zone takes no links: it has an address and no port', () => {
  const edge = node('edge', { zone: 'outer', address: { host: '10.0.0.9', port: 0 } });
  assert.match(formatClusterStatus({ ...healthy, nodes: [edge] }), / 0\.3\.0 +10\.0\.0\.9$/m);
});

test('a node that is silent is told before it is declared dead', () => {
  const text = formatClusterStatus({ ...healthy, nodes: [node('one'), node('two', { silentMs: 2_800 })] });
  assert.match(text, /^! two has not been heard of for 2\.8 s$/m);
});

test('PostgreSQL is shown with its standbys', () => {
  const standby = { name: 'db2', state: 'streaming', isSynchronous: true, lagBytes: 0 };
  const late = { name: 'db3', state: 'catchup', isSynchronous: false, lagBytes: 5 * 1024 ** 3 };
  const rights = { role: 'mail', maySeeStandbys: true };
  const health = {
    server: 'db1:5432',
    version: '17.2',
    ...rights,
    standbys: [standby, late],
    needsStandby: true,
  };
  const line = (storage: ClusterBody['storage']) =>
    formatClusterStatus({ ...healthy, storage }).split('\n')[3];
  assert.equal(
    line({ engine: 'postgres', bytesOnDisk: 0, health }),
    'storage postgres 17.2 at db1:5432; standby db2 (synchronous, streaming, 0 B behind), db3 (asynchronous, catchup, 5.0 GiB behind)',
  );
  assert.equal(
    line({ engine: 'postgres', bytesOnDisk: 1, health: { ...health, standbys: [] } }),
    'storage postgres 17.2 at db1:5432, 1 B; no standby',
  );
  const alone = { engine: 'postgres', bytesOnDisk: 1, health: { ...health, standbys: [late] } };
  const withoutStandby = /^! PostgreSQL has no synchronous standby: .* until one is attached$/m;
  assert.match(formatClusterStatus({ ...healthy, storage: alone }), withoutStandby);
  const attached = { ...alone, health };
  assert.doesNotMatch(formatClusterStatus({ ...healthy, storage: attached }), withoutStandby);
  const allowed = { ...alone, health: { ...alone.health, needsStandby: false } };
  assert.doesNotMatch(formatClusterStatus({ ...healthy, storage: allowed }), withoutStandby);
  const unknown = { name: 'not known', state: 'not known', isSynchronous: false, lagBytes: null };
  const blind = { ...health, maySeeStandbys: false, standbys: [unknown] };
  const storage = { engine: 'postgres', bytesOnDisk: 0, health: blind };
  assert.equal(line(storage), 'storage postgres 17.2 at db1:5432; 1 standbys, nothing known of them');
  assert.match(formatClusterStatus({ ...healthy, storage }), /^! PostgreSQL .* GRANT pg_monitor TO mail$/m);
});
