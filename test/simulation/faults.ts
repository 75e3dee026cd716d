// What goes wrong, and what operators do meanwhile: at random, a few things at a time, until the time for it is over;
// then everything is mended, nodes that were stopped run again, and the cluster must come to rest.

import {
  admit,
  type ClusterRequest,
  drain,
  moveShard,
  rebalance,
  remove,
  undrain,
} from '../../src/cluster/membership/cluster-requests.ts';
import type { ShardId } from '../../src/mail/ids.ts';
import { MailError } from '../../src/mail/mail-error.ts';
import { engineEndpoint } from './simulated-network.ts';
import type { SimulatedNode } from './simulated-node.ts';
import type { World } from './world.ts';

type Fault = (world: World) => void;

const running = (world: World): SimulatedNode | undefined =>
  world.pick(world.nodes.filter((node) => node.isRunning));

/** Faults of one kind, and how often they are drawn beside the others. */
const faults: readonly (readonly [weight: number, fault: Fault])[] = [
  [6, killAndRestart],
  [6, stopForAWhile],
  [3, stopAtSend],
  [3, stopAtRead],
  [2, sleep],
  [3, slowDown],
  [4, cutNodes],
  [5, cutFromEngine],
  [2, engineOutage],
  [2, storm],
  [3, stuckRequests],
  [3, lateAnswers],
  [3, hangConnection],
  [2, loseSignals],
  [3, drainForAWhile],
  [2, leaveAndReturn],
  [1, removeAndAdmit],
  [1, removeTheDying],
  [2, join],
  [2, operatorMoves],
  [1, killSeveral],
  [2, loseCommits],
  [2, loseReads],
  [2, slowReleases],
  [4, moveUnseen],
  [1, startTwin],
  [3, addAccounts],
];

export function scheduleFaults(world: World): void {
  // Some runs are of single faults, others never get a quiet moment.
  const pauseMs = world.between(200, 3_000);
  const next = (): void => {
    if (world.queue.now >= world.faultsUntil) return;
    let draw = world.random.integer(faults.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, fault] of faults) {
      draw -= weight;
      if (draw >= 0) continue;
      world.trace('world', fault.name);
      fault(world);
      break;
    }
    world.queue.after(world.between(0, 2 * pauseMs), next);
  };
  world.queue.after(world.between(1_000, 4_000), next);
}

/** Mends everything. At least one backend is up and takes shards afterwards. */
export function endFaults(world: World): void {
  world.trace('world', 'faults end');
  world.network.mendAll();
  world.engine.isUp = true;
  world.signalLoss = 0;
  const rows = world.view();
  for (const node of world.nodes) {
    node.slowMs = 0;
    node.losesCommits = false;
    node.losesReads = false;
    node.stopsAtSend = false;
    node.onRead = undefined;
    node.onRelease = undefined;
    node.releaseDelayMs = 0;
    node.resume();
    const row = rows.node(node.name);
    if (row?.drained === true || row?.leaving === 'remove') ask(world, undrain(node.name));
  }
  endTwins(world);
  ask(world, rebalance);
  // Its signal reaches everybody, so that nobody balances by an old count.
  world.addAccounts(1);
  // The first one takes shards: somebody must.
  const first = world.nodes[0]!;
  first.onEnded = () => {
    ask(world, admit(first.name));
    first.start({ predecessorGone: false });
  };
  for (const node of world.nodes) {
    if (node !== first && world.chance(0.4)) continue;
    ask(world, admit(node.name));
    node.start({ predecessorGone: world.chance(0.5) });
  }
}

/** Of two processes of one name the operator stops the one that is no member. */
function endTwins(world: World): void {
  for (const node of world.nodes) {
    const twins = world.nodes.filter(({ name }) => name === node.name);
    const kept = twins.find((twin) => twin.isMember) ?? twins.at(-1);
    if (node !== kept) node.end();
  }
}

/** An operator's request, made through a node with a good line. */
function ask(world: World, request: ClusterRequest): void {
  if (!world.engine.isUp) return;
  try {
    const change = request(world.view());
    if (!change.isEmpty) world.engine.commit(change.batch());
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
  }
}

/** Undone after a while; when the faults have ended in between, endFaults has undone it. */
function forAWhile(world: World, ms: number, undo: () => void): void {
  const { round } = world;
  world.queue.after(ms, () => {
    if (world.round === round && world.queue.now < world.faultsUntil) undo();
  });
}

function restartLater(world: World, node: SimulatedNode): void {
  if (world.chance(0.1)) return;
  const predecessorGone = world.chance(0.5);
  forAWhile(world, world.chance(0.5) ? world.between(50, 1_500) : world.between(1_000, 15_000), () =>
    node.start({ predecessorGone }),
  );
}

function killAndRestart(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.kill();
  restartLater(world, node);
}

function killSeveral(world: World): void {
  for (const node of world.nodes) {
    if (!node.isRunning || world.chance(0.5)) continue;
    node.kill();
    restartLater(world, node);
  }
}

function stopForAWhile(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.pause();
  forAWhile(world, world.chance(0.7) ? world.between(2_000, 12_000) : world.between(10, 2_000), () =>
    node.resume(),
  );
}

/** The worst moment for it: the epoch was looked up, the commit is not sent. */
function stopAtSend(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.stopsAtSend = true;
  forAWhile(world, world.between(4_000, 12_000), () => {
    node.stopsAtSend = false;
    node.resume();
  });
}

/** What it reads is what it acts on, much later. */
function stopAtRead(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.onRead = () => node.pause();
  forAWhile(world, world.between(1_000, 10_000), () => node.resume());
}

/** Its monotonic clock stands still; others' leases run. */
function sleep(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.sleep();
  forAWhile(world, world.between(1_000, 12_000), () => node.resume());
}

function slowDown(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.slowMs = world.between(5, 900);
  forAWhile(world, world.between(1_000, 10_000), () => {
    node.slowMs = 0;
  });
}

function loseCommits(world: World): void {
  const node = world.pick(world.nodes)!;
  node.losesCommits = true;
  if (world.chance(0.7)) ask(world, drain(node.name));
  forAWhile(world, world.between(2_000, 15_000), () => {
    node.losesCommits = false;
    ask(world, undrain(node.name));
  });
}

/** Its shards are moved away, which it does not see; what it writes arrives. */
function loseReads(world: World): void {
  const node = world.pick(world.nodes)!;
  node.losesReads = true;
  const rows = world.view();
  for (const known of rows.shards) {
    if (known?.row.owner?.node !== node.name || world.chance(0.5)) continue;
    ask(world, moveShard(known.row.shard, world.pick(world.nodes)!.name));
  }
  forAWhile(world, world.between(1_000, 15_000), () => {
    node.losesReads = false;
  });
}

/**
 * The longest a host can go on with a shard that moves: the move is written right after its last read for a while, it
 * hears of it shortly before the move is forced, and takes its time then.
 */
function moveUnseen(world: World): void {
  const view = world.view();
  const hosts = new Set(view.shards.map((known) => known?.row.owner?.node));
  const node = world.pick(
    world.nodes.filter(({ name, isRunning, isPaused }) => isRunning && !isPaused && hosts.has(name)),
  );
  const others = world.nodes.filter(({ name }) => name !== node?.name && hosts.has(name));
  const target = world.pick(others);
  if (node === undefined || target === undefined) return;
  node.onRead = () => {
    node.losesReads = true;
    node.releaseDelayMs = world.between(1_000, 5_000);
    // It stops shortly before it must let go, and goes on when it must have.
    if (world.chance(0.8)) stopInRelease(world, node);
    const owned = view.shards.filter((known) => known?.row.owner?.node === node.name);
    for (const known of owned.slice(0, 3)) ask(world, moveShard(known!.row.shard, target.name));
    // Before its lease ends, or after.
    forAWhile(world, world.between(2_000, world.chance(0.5) ? 2_600 : 6_000), () => {
      node.losesReads = false;
    });
  };
  forAWhile(world, 12_000, () => {
    node.releaseDelayMs = 0;
  });
}

function stopInRelease(world: World, node: SimulatedNode): void {
  node.onRelease = () => {
    node.onRelease = undefined;
    forAWhile(world, world.between(1_500, 2_000), () => {
      node.pause();
      forAWhile(world, world.between(1_000, 4_000), () => node.resume());
    });
  };
}

function slowReleases(world: World): void {
  const node = world.pick(world.nodes)!;
  node.releaseDelayMs = world.between(200, 5_000);
  forAWhile(world, world.between(2_000, 15_000), () => {
    node.releaseDelayMs = 0;
  });
}

/** A supervisor takes a stopped process for dead and starts another one; later the first one goes on. */
function startTwin(world: World): void {
  const node = world.pick(world.nodes.slice(1).filter((each) => each.hasRead));
  if (node === undefined || world.nodes.length >= world.options.nodes * 2) return;
  node.pause();
  world.addTwin(node).start({ predecessorGone: false });
  forAWhile(world, world.between(100, 8_000), () => node.resume());
}

function cut(world: World, from: string, to: string): void {
  world.network.cut(from, to);
  forAWhile(world, world.between(200, 12_000), () => world.network.mend(from, to));
}

function cutNodes(world: World): void {
  const one = world.pick(world.nodes)!;
  const other = world.pick(world.nodes)!;
  if (one === other) return;
  cut(world, one.name, other.name);
  if (world.chance(0.5)) cut(world, other.name, one.name);
}

function cutFromEngine(world: World): void {
  const node = world.pick(world.nodes)!;
  const direction = world.random.integer(3);
  if (direction !== 0) cut(world, node.name, engineEndpoint);
  if (direction !== 1) cut(world, engineEndpoint, node.name);
}

function engineOutage(world: World): void {
  world.engine.isUp = false;
  if (world.chance(0.5)) for (const { name } of world.nodes) world.network.refused.add(name);
  forAWhile(world, world.chance(0.5) ? world.between(20, 2_000) : world.between(2_000, 16_000), () => {
    world.engine.isUp = true;
    world.network.refused.clear();
  });
}

function storm(world: World): void {
  world.network.weather = world.between(0.05, 0.6);
  forAWhile(world, world.between(1_000, 8_000), () => {
    world.network.weather = 0;
  });
}

function stuckRequests(world: World): void {
  world.network.stuck = world.between(0.02, 0.3);
  forAWhile(world, world.between(1_000, 8_000), () => {
    world.network.stuck = 0;
  });
}

function lateAnswers(world: World): void {
  world.network.late = world.between(0.02, 0.4);
  forAWhile(world, world.between(1_000, 8_000), () => {
    world.network.late = 0;
  });
}

function hangConnection(world: World): void {
  const node = world.pick(world.nodes)!;
  world.network.hang(node.name, world.chance(0.7) ? 'commits' : 'reads', world.between(500, 8_000));
}

function loseSignals(world: World): void {
  world.signalLoss = world.between(0.3, 1);
  forAWhile(world, world.between(1_000, 10_000), () => {
    world.signalLoss = 0.05;
  });
}

function drainForAWhile(world: World): void {
  const node = world.pick(world.nodes)!;
  ask(world, drain(node.name));
  forAWhile(world, world.between(500, 12_000), () => ask(world, undrain(node.name)));
}

function leaveAndReturn(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  node.leave();
  forAWhile(world, world.between(300, 10_000), () => node.start({ predecessorGone: world.chance(0.5) }));
}

function removeAndAdmit(world: World): void {
  const node = world.pick(world.nodes)!;
  ask(world, remove(node.name));
  forAWhile(world, world.between(3_000, 12_000), () => {
    ask(world, admit(node.name));
    node.start({ predecessorGone: false });
  });
}

/** The operator removes a node, which dies before its shards are with others; its supervisor starts it again. */
function removeTheDying(world: World): void {
  const node = running(world);
  if (node === undefined) return;
  ask(world, remove(node.name));
  node.kill();
  restartLater(world, node);
}

/** One at a time, or an import. */
function addAccounts(world: World): void {
  world.addAccounts(1 + world.random.integer(world.chance(0.8) ? 3 : 50));
}

function join(world: World): void {
  if (world.nodes.length < world.options.nodes * 1.5) world.addNode().start({ predecessorGone: false });
}

function operatorMoves(world: World): void {
  if (world.chance(0.3)) {
    ask(world, rebalance);
    return;
  }
  const shard = world.random.integer(world.options.shards) as ShardId;
  ask(world, moveShard(shard, world.chance(0.8) ? world.pick(world.nodes)!.name : undefined));
}
