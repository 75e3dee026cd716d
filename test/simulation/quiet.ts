// A cluster that nothing happens to: it is in balance, decides nothing, and a short absence of the engine, or of a node
// that hosts nothing, moves no shard. What is not so throws Violation.

import { plannedRebalance } from '../../src/cluster/membership/cluster-requests.ts';
import type { NodeRow } from '../../src/cluster/membership/cluster-rows.ts';
import type { ClusterView } from '../../src/cluster/membership/cluster-view.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { Violation } from './checker.ts';
import type { World } from './world.ts';

/**
 * Once faults have stopped, shards are where they belong within this: hosted again (12 s, simulation.ts), accounts
 * counted (1 s), and a planned move that is stuck is forced after 5.3 s.
 */
const balancedWithinMs = 20_000;
const lookMs = 250;
const beatLookMs = 20;
const hangLookMs = 100;
/** Until a signal has led to a read and its answer is there. */
const readMs = 30;
/** After an absence: a lease, after which the silent are declared dead, and the reads around it. */
const watchMs = 6_000;
/** A database that comes back takes its clients back one after the other. */
const returnMsMax = 2_000;
/** As long as a node lives by what goes apart: until a commit is given up (2.5 s) and a lease after its last heartbeat. */
const hangMsMin = 2_000;
const hangMsMax = 4_500;
/** Until it is given up, a lease, until others notice, and when it was the controller, a lease of that. */
const takeOverMsMax = 14_000;
const hourMs = 3_600_000;
/** An account more moves one or two shards that have any, and as many empty ones in exchange. */
const movesPerAccountMax = 4;
/** A plan leaves as it is what would gain less than a tenth (assignment.ts). */
const gainMin = 0.1;

/** Returns how long it took from the end of the faults until all was in balance. */
export function checkQuiet(world: World): number {
  waitForBalance(world, world.faultsUntil + balancedWithinMs);
  const balancedMs = Math.max(0, world.rows.changedAt - world.faultsUntil);
  checkEven(world);
  const idle = idleController(world);
  if (idle !== undefined) restartController(world, idle);
  else world.pick([engineOutage, engineOutage, hangConnections, loseConnection])!(world);
  return Math.ceil(balancedMs);
}

/** An hour without a fault, in which accounts are made: few shards move, and in its second half none. Returns the moves. */
export function quietHour(world: World, accounts: number): number {
  waitForBalance(world, world.queue.now + balancedWithinMs);
  const before = world.rows.moves;
  for (let added = 0; added < accounts; added++) addAccount(world, hourMs / 2 / accounts);
  expectNothing(world, 'half an hour without a change', () =>
    world.queue.runUntil(world.queue.now + hourMs / 2),
  );
  return world.rows.moves - before;
}

function addAccount(world: World, takesMs: number): void {
  const until = world.queue.now + takesMs;
  const before = world.rows.moves;
  world.addAccounts(1);
  world.queue.runUntil(until);
  waitForBalance(world, until);
  checkEven(world);
  const moves = world.rows.moves - before;
  if (moves > movesPerAccountMax) throw new Violation(`an account more: ${moves} shards moved`);
}

function expectNothing(world: World, what: string, happen: () => void, deathsMax = 0): void {
  const { gives, moves, deaths } = world.rows;
  happen();
  const died = world.rows.deaths - deaths;
  const moved = world.rows.gives - gives + world.rows.moves - moves;
  if (died > deathsMax || moved > 0) {
    throw new Violation(`${what}: ${died} nodes were declared dead and ${moved} shards were moved`);
  }
  const missing = world.unhosted();
  if (missing.length > 0) throw new Violation(`${what}: shards ${missing} are not served after it`);
}

/** Nodes wait for the engine, however long; and when all have lost their leases, for each other. */
function engineOutage(world: World): void {
  const { refused } = world.network;
  const { leaseMs, marginMs } = world.times;
  // Every second one is such as the controller's lease outlives, others' may not.
  const isShort = world.chance(0.5);
  const lengthMs = isShort ? world.between(leaseMs - 1_000, leaseMs - marginMs) : world.between(200, 8_000);
  if (isShort) refreshController(world);
  expectNothing(world, `an absence of the engine for ${lengthMs.toFixed(0)} ms`, () => {
    for (const { name } of world.nodes) refused.add(name);
    world.queue.runUntil(world.queue.now + lengthMs);
    for (const { name } of world.nodes) {
      const returnMs = lengthMs > leaseMs ? world.between(0, returnMsMax) : 0;
      world.queue.after(returnMs, () => refused.delete(name));
    }
    world.queue.runUntil(world.queue.now + watchMs);
  });
}

/** A connection of some nodes hangs, the one for their commits or one that reads: they serve on. */
function hangConnections(world: World): void {
  const way = world.chance(0.5) ? 'commits' : 'reads';
  const lengthMs = world.between(hangMsMin, hangMsMax);
  const what = `connections for ${way} that hang for ${lengthMs.toFixed(0)} ms`;
  expectNothing(world, what, () => {
    for (const { name } of world.nodes) if (world.chance(0.5)) world.network.hang(name, way, lengthMs);
    const until = world.queue.now + lengthMs + watchMs;
    while (world.queue.now < until) {
      world.queue.runUntil(world.queue.now + hangLookMs);
      const missing = world.unhosted();
      if (missing.length > 0) throw new Violation(`${what}: shards ${missing} are not served meanwhile`);
    }
  });
}

/** A host can do everything but commit in line, or but read, and that does not end: others have its shards. */
function loseConnection(world: World): void {
  const hosts = world.nodes.filter((node) => node.isRunning && world.serves(node));
  if (hosts.length < 2) return;
  const node = world.pick(hosts)!;
  const isReads = world.chance(0.5);
  if (isReads) node.losesReads = true;
  else world.network.hang(node.name, 'commits', takeOverMsMax + watchMs);
  world.queue.runUntil(world.queue.now + takeOverMsMax);
  if (world.serves(node)) throw new Violation(`${node.name} serves without a way to the engine`);
  const missing = world.unhosted();
  if (missing.length > 0) {
    const lost = isReads ? 'read' : 'commit';
    throw new Violation(
      `${node.name} cannot ${lost}: shards ${missing} are not served after ${takeOverMsMax} ms`,
    );
  }
  node.losesReads = false;
  world.queue.runUntil(world.queue.now + watchMs);
}

/** The controller's lease is as long as can be: it has just written and read. */
function refreshController(world: World): void {
  const controller = (): NodeRow | undefined => {
    const view = world.view();
    const holder = view.controller?.row.holder;
    return holder === undefined ? undefined : view.node(holder.node);
  };
  const before = controller()?.beat;
  while (controller()?.beat === before) world.queue.runUntil(world.queue.now + beatLookMs);
  for (const node of world.nodes) if (node.name === controller()?.node) node.signal();
  world.queue.runUntil(world.queue.now + readMs);
}

/** The name of the controller, if it hosts nothing. */
function idleController(world: World): NodeId | undefined {
  const view = world.view();
  const name = view.controller?.row.holder?.node;
  return name === undefined || view.node(name)?.roles.includes('backend') ? undefined : name;
}

/** Another node becomes controller, which has yet to count the accounts. */
function restartController(world: World, name: NodeId): void {
  const node = world.nodes.find((each) => each.name === name && each.isRunning)!;
  const restart = (): void => {
    node.kill();
    world.queue.runUntil(world.queue.now + watchMs);
    node.start({ predecessorGone: false });
    world.queue.runUntil(world.queue.now + watchMs);
  };
  expectNothing(world, 'the loss of a controller that hosts nothing', restart, 1);
}

function waitForBalance(world: World, until: number): void {
  const occupancy = world.countAccounts();
  for (;;) {
    const view = world.view();
    const isMoving = view.shards.some((known) => known?.row.movingTo !== undefined);
    const plan = plannedRebalance(view, occupancy);
    if (!isMoving && plan.length === 0) return;
    if (world.queue.now >= until) throw new Violation(`${plan.length} shards are not where they belong`);
    world.queue.runUntil(world.queue.now + lookMs);
  }
}

/** Nodes have what their weights give them, but for what a plan leaves: of accounts, when they are counted, or of shards. */
function checkEven(world: World): void {
  const view = world.view();
  const occupancy = world.countAccounts();
  const shares = backendShares(view);
  if (typeof occupancy === 'string') checkShares(view, shares, 'shards', () => 1);
  else checkShares(view, shares, 'accounts', (shard) => occupancy[shard]!);
}

/** Node → its part of everything. */
function backendShares(view: ClusterView): Map<NodeId, number> {
  const weights = new Map<NodeId, number>();
  for (const { row } of view.nodes.values()) {
    if (row.state === 'active' && row.roles.includes('backend')) weights.set(row.node, row.weight);
  }
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0);
  return new Map([...weights].map(([node, weight]) => [node, weight / sum]));
}

function checkShares(
  view: ClusterView,
  shares: ReadonlyMap<NodeId, number>,
  what: string,
  loadOf: (shard: number) => number,
): void {
  const loads = new Map<NodeId, number>();
  let total = 0;
  let heaviest = 0;
  for (const known of view.shards) {
    const { shard, owner } = known!.row;
    const load = loadOf(shard);
    loads.set(owner!.node, (loads.get(owner!.node) ?? 0) + load);
    total += load;
    heaviest = Math.max(heaviest, load);
  }
  const [smallest, ...others] = [...shares.values()].sort((a, b) => a - b);
  for (const [node, share] of shares) {
    const load = loads.get(node) ?? 0;
    // The least loaded is below its share by a shard at the most; what the fullest could give it would make it no less full.
    const most =
      (share * total + (share / smallest!) * heaviest + (others.length + 1) * share * heaviest) /
      (1 - gainMin);
    if (load > most) throw new Violation(`${node} has ${load} of ${total} ${what}, its share is ${share}`);
  }
}
