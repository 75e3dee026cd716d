// One run: nodes start, mail comes in, faults happen, faults end, everything must come to rest. The same options give the
// same run, to the last event.

import { Violation } from './checker.ts';
import { endFaults, scheduleFaults } from './faults.ts';
import { checkQuiet, quietHour } from './quiet.ts';
import { changesSince } from './simulated-mail.ts';
import { type SimulationOptions, World } from './world.ts';

/**
 * Once faults have stopped, every shard is served again within this: a request that hangs is given up (3 s), who has
 * lost its lease watches anew (3 s) before it becomes controller or declares somebody dead, and a planned move that
 * is stuck is forced after leaseMs + releaseMs + marginMs (5.3 s).
 */
const hostedWithinMs = 12_000;
const lookMs = 50;
/** Then deliveries that were waiting get through. */
const restMs = 3_000;
/** And after the last of them the views follow. */
const followMs = 3_000;
/** Then an absence of the engine, and what it may lead to (quiet.ts): about. */
const quietMs = 10_000;

export interface SimulationResult {
  readonly seed: number;
  readonly violation: string | undefined;
  readonly digest: number;
  readonly events: number;
  readonly commits: number;
  readonly acknowledged: number;
  readonly nodes: number;
  /** From the end of the faults until every shard was served for good. */
  readonly hostedAfterMs: number;
  /** And until they were in balance. */
  readonly balancedAfterMs: number;
}

/** The short form: as varied as the seed makes it. */
export function shortSimulation(seed: number): SimulationOptions {
  // Drawn from the seed by hand, so that the options of a seed never change with what the world draws.
  const mix = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  const shards = 16 << ((mix >>> 16) % 3);
  return {
    seed,
    faultsMs: 20_000 + (mix % 20) * 1_000,
    rounds: 1,
    nodes: 2 + Math.round(((mix >>> 8) % 8) ** 2 / 2),
    // Few are counted, many are taken for even.
    accounts: (mix >>> 18) % 2 === 0 ? 3_000 : 1 + ((mix >>> 20) % (3 * shards)),
    shards,
    hotAccounts: 20,
    sessionsPerNode: 2,
    deliveriesPerSecond: 40,
  };
}

/** Hours of simulated time in one world, in rounds of five minutes of faults. */
export function longSimulation(
  seed: number,
  { hours, nodes, accounts }: { readonly hours: number; readonly nodes: number; readonly accounts: number },
): SimulationOptions {
  const faultsMs = 280_000;
  return {
    seed,
    faultsMs,
    rounds: Math.max(
      1,
      Math.round((hours * 3_600_000) / (faultsMs + hostedWithinMs + restMs + followMs + quietMs)),
    ),
    nodes,
    accounts,
    shards: 64,
    hotAccounts: 50,
    sessionsPerNode: 2,
    deliveriesPerSecond: 20,
  };
}

export function runSimulation(options: SimulationOptions): SimulationResult {
  const world = new World(options);
  let violation: string | undefined;
  let hostedAfterMs = 0;
  let balancedAfterMs = 0;
  try {
    startNodes(world);
    for (world.round = 1; world.round <= options.rounds; world.round++) {
      const after = runRound(world);
      hostedAfterMs = Math.max(hostedAfterMs, after.hostedMs);
      balancedAfterMs = Math.max(balancedAfterMs, after.balancedMs);
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = `at ${world.queue.now.toFixed(3)} ms: ${error.message}`;
    world.trace('checker', violation);
  }
  return {
    seed: options.seed,
    violation,
    digest: world.digest,
    events: world.queue.events,
    commits: world.checker.commits,
    acknowledged: world.checker.acknowledgedCount,
    nodes: world.nodes.length,
    hostedAfterMs,
    balancedAfterMs,
  };
}

function startNodes(world: World): void {
  for (let count = 0; count < world.options.nodes; count++) {
    const node = world.addNode();
    world.queue.after(world.between(0, 500), () => node.start({ predecessorGone: false }));
  }
}

/** An hour of a cluster that nothing happens to but new accounts; returns how many shards moved for balance. */
export function runQuietHour(options: SimulationOptions, accounts: number): number {
  const world = new World(options);
  world.signalLoss = 0;
  startNodes(world);
  world.queue.runUntil(hostedWithinMs);
  return quietHour(world, accounts);
}

/** Faults, and rest after them; returns how long after them the last shard was without a host, or not in its place. */
function runRound(world: World): { hostedMs: number; balancedMs: number } {
  world.faultsUntil = world.queue.now + world.options.faultsMs;
  scheduleFaults(world);
  bringMail(world);
  world.queue.runUntil(world.faultsUntil);
  endFaults(world);
  const hostedMs = watchHosting(world);
  world.queue.runUntil(world.queue.now + restMs);
  checkStored(world);
  world.queue.runUntil(world.queue.now + followMs);
  checkViews(world);
  return { hostedMs, balancedMs: checkQuiet(world) };
}

function bringMail(world: World): void {
  const { options, random } = world;
  const next = (): void => {
    if (world.queue.now >= world.faultsUntil) return;
    const node = world.pick(world.nodes.filter((each) => each.isRunning && !each.isPaused));
    const isHot = world.chance(0.5);
    const account = random.integer(isHot ? Math.min(options.hotAccounts, world.accounts) : world.accounts);
    if (node !== undefined) {
      const kind = world.chance(0.7) ? 'deliver' : world.chance(0.6) ? 'flag' : 'expunge';
      const uid = 1 + random.integer(20);
      node.frontend.mutate(account, { kind, operation: ++world.operations, uid });
    }
    world.queue.after(world.between(0, 2_000 / options.deliveriesPerSecond), next);
  };
  next();
}

/** Says when the last shard was without a host. */
function watchHosting(world: World): number {
  const since = world.queue.now;
  let hostedAfterMs = 0;
  while (world.queue.now < since + hostedWithinMs) {
    world.queue.runUntil(world.queue.now + lookMs);
    if (world.unhosted().length > 0) hostedAfterMs = world.queue.now - since;
  }
  const missing = world.unhosted();
  if (missing.length > 0) throw new Violation(`shards ${missing} are not served after ${hostedWithinMs} ms`);
  return hostedAfterMs;
}

function checkStored(world: World): void {
  world.checker.finish(world.engine.accounts);
  const missing = world.unhosted();
  if (missing.length > 0) throw new Violation(`shards ${missing} are not served any more`);
  for (const { name, frontend } of world.nodes) {
    if (frontend.unacknowledged > 0) {
      throw new Violation(`${name}: ${frontend.unacknowledged} requests were never answered`);
    }
  }
}

function checkViews(world: World): void {
  for (const { name, frontend } of world.nodes) {
    for (const { account, modSeq, view } of frontend.sessions) {
      const rows = world.engine.account(account);
      const { changed } = changesSince(rows, 0);
      const isExact = modSeq === rows.modSeq && view.size === changed.length;
      if (!isExact || !changed.every(([uid, seq]) => view.get(uid) === seq)) {
        throw new Violation(`${name}: the view of account ${account} is not what is stored`);
      }
    }
  }
}
