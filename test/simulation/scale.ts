// What the decisions of a very large cluster cost: time and memory of assigning shards and of finding accounts.

import { hash } from 'node:crypto';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { type PlacedShard, type PlannedMove, planMoves } from '../../src/cluster/membership/assignment.ts';
import { ClusterChange } from '../../src/cluster/membership/cluster-change.ts';
import { type NodeRow, nodeEntry, shardEntry } from '../../src/cluster/membership/cluster-rows.ts';
import { ClusterView } from '../../src/cluster/membership/cluster-view.ts';
import { decide } from '../../src/cluster/membership/controller-core.ts';
import { memberTimesDefault } from '../../src/cluster/membership/member-times.ts';
import { Observations } from '../../src/cluster/membership/observations.ts';
import { ShardTable } from '../../src/cluster/membership/shard-table.ts';
import type { Epoch, NodeId, ShardId } from '../../src/mail/ids.ts';
import type { Entry } from '../../src/storage/engine.ts';

const nodeCount = 1_000;
const accountCount = 10_000_000;
/** As many shards as a cell can be thought to have; those of ours have 256, and a cluster has many cells. */
const shardCount = 65_536;

const nodeWeight = (at: number): number => 1 + (at % 3);
const nodeName = (at: number): NodeId => `node-${at}` as NodeId;

export function measureScale(print: (line: string) => void): void {
  print(`${nodeCount} nodes, ${shardCount} shards, ${accountCount} accounts`);
  const nodes = Array.from({ length: nodeCount }, (_, at) => ({
    node: nodeName(at),
    weight: nodeWeight(at),
  }));
  let shards: PlacedShard[] = Array.from({ length: shardCount }, () => ({ node: undefined }));
  const plan = (what: string, list: typeof nodes): void => {
    const startedAt = systemClock.monotonic();
    const moves = planMoves(list, shards);
    const ms = systemClock.monotonic() - startedAt;
    shards = carryOut(shards, moves);
    print(`assignment, ${what}: ${moves.length} moves decided in ${ms.toFixed(0)} ms`);
  };
  plan('all shards to nodes', nodes);
  plan('nothing to do', nodes);
  plan('one node is lost', nodes.slice(1));
  plan('it comes back', nodes);
  const settled = shards;
  plan('a hundred nodes are drained', nodes.slice(100));
  measureDecisions(settled, print);
  measureLocation(settled, print);
}

function carryOut(shards: readonly PlacedShard[], moves: readonly PlannedMove[]): PlacedShard[] {
  const placed = [...shards];
  for (const { shard, to } of moves) placed[shard] = { node: to };
  return placed;
}

function rowsOf(shards: readonly PlacedShard[]): Entry[] {
  return [
    ...Array.from({ length: nodeCount }, (_, at) => nodeEntry(nodeRow(at))),
    ...shards.map(({ node }, shard) =>
      shardEntry({
        revision: 1,
        shard: shard as ShardId,
        owner: { node: node!, incarnation: 'first' },
        epoch: 1 as Epoch,
      }),
    ),
  ];
}

/** The controller's decisions as it makes them: from rows to commits, each of bounded size, until nothing is to be done. */
function measureDecisions(shards: readonly PlacedShard[], print: (line: string) => void): void {
  const view = new ClusterView(shardCount);
  view.merge(rowsOf(shards));
  const lost = { ...nodeRow(1), revision: 2 };
  decideAll('a node ends', view, [nodeEntry({ ...lost, state: 'dead' })], print);
  const drained = { ...nodeRow(2), revision: 2 };
  decideAll('a node is drained', view, [nodeEntry({ ...drained, state: 'draining' })], print);
  decideAll('a first start', new ClusterView(shardCount), rowsOf([]), print);
}

function decideAll(
  what: string,
  view: ClusterView,
  news: readonly Entry[],
  print: (line: string) => void,
): void {
  view.merge(news);
  const before = heapBytes();
  let [commits, rows, rowsMost, msMost] = [0, 0, 0, 0];
  for (;;) {
    const startedAt = systemClock.monotonic();
    const change = decideOnce(view);
    msMost = Math.max(msMost, systemClock.monotonic() - startedAt);
    if (change === undefined) break;
    commits++;
    rows += change.entries.length;
    rowsMost = Math.max(rowsMost, change.entries.length);
    view.merge(change.entries);
    view.merge(handovers(view));
  }
  const grown = Math.max(0, heapBytes() - before) / 2 ** 20;
  print(
    `decision, ${what}: ${rows} rows, commits: ${commits}, of ${rowsMost} rows at the most, each decided within ` +
      `${msMost.toFixed(0)} ms; ${grown.toFixed(0)} MiB more kept`,
  );
}

function decideOnce(view: ClusterView): ClusterChange | undefined {
  const self = { node: nodeName(0), incarnation: 'first' };
  const decision = decide({
    self,
    view,
    observations: new Observations(memberTimesDefault.heartbeatMs),
    fenceRows: new Map(),
    occupancy: 'many',
    times: memberTimesDefault,
    now: 0,
  });
  return decision?.change;
}

/** What the hosts do about planned moves. */
function handovers(view: ClusterView): Entry[] {
  const change = new ClusterChange(view, new Map());
  for (const known of view.shards) {
    if (known?.row.movingTo !== undefined) change.giveShard(known.row.shard, { owner: known.row.movingTo });
  }
  return change.entries;
}

function measureLocation(shards: readonly PlacedShard[], print: (line: string) => void): void {
  const entries = rowsOf(shards);
  const before = heapBytes();
  const startedAt = systemClock.monotonic();
  const view = new ClusterView(shardCount);
  view.merge(entries);
  const table = new ShardTable({ self: nodeName(0), clock: systemClock, refresh: () => undefined });
  table.update(view);
  const readMs = systemClock.monotonic() - startedAt;
  const bytes = heapBytes() - before;
  print(
    `location: all rows taken in in ${readMs.toFixed(0)} ms; the table takes ${(bytes / 2 ** 20).toFixed(0)} MiB`,
  );
  findAccounts(table, print);
}

/** Nothing is kept of an account: it is found by its id. */
function findAccounts(table: ShardTable, print: (line: string) => void): void {
  const random = seededRandom(1);
  const prefix = random.identifier(8);
  const before = heapBytes();
  const startedAt = systemClock.monotonic();
  let found = 0;
  for (let account = 0; account < accountCount; account++) {
    const digest = hash('sha256', `${prefix}${account}`, 'buffer');
    const place = table.placeOf((((digest[0]! << 8) | digest[1]!) % shardCount) as ShardId);
    if (place !== undefined) found++;
  }
  const ms = systemClock.monotonic() - startedAt;
  const grownBytes = Math.max(0, heapBytes() - before);
  print(
    `location: ${found} accounts found in ${(ms / 1000).toFixed(1)} s, ${((ms * 1e6) / accountCount).toFixed(0)} ns each; ` +
      `${(grownBytes / 2 ** 20).toFixed(0)} MiB kept for accounts`,
  );
}

/** After a collection where that can be asked for (node --expose-gc), so that garbage does not count. */
function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function nodeRow(at: number): NodeRow {
  return {
    revision: 1,
    node: nodeName(at),
    incarnation: 'first',
    beat: 1,
    state: 'active',
    roles: ['backend'],
    weight: nodeWeight(at),
    zone: 'inner',
    address: { host: '192.0.2.1', port: 4000 },
    linkVersions: { min: 1, max: 1 },
    softwareVersion: '0',
    load: { openAccounts: 0, sessions: 0, commitsPerSecond: 0 },
  };
}
