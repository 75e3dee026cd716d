// Which node should host which shard: even load by weight, the least movement, always the same answer to the same
// question. Pure; fast enough for a thousand nodes and 65,536 shards.
//
// Invariant: a shard whose owner may keep it moves only when that makes the most loaded of the two nodes less loaded;
// so a plan that was carried out has an empty plan after it, and two controllers never undo each other's moves.
// Without a node that may take shards the plan is empty.

import type { NodeId } from '../../mail/ids.ts';

export interface AssignableNode {
  readonly node: NodeId;
  /** Not above 0: it takes nothing and gives what it has away. */
  readonly weight: number;
}

/** One for each shard, in the shards' order. */
export interface PlacedShard {
  /** Where it is, or where it is moving to; undefined: nowhere. */
  readonly node: NodeId | undefined;
  /** Where the operator wants it while that node is up. */
  readonly pinned?: NodeId | undefined;
}

export interface PlannedMove {
  readonly shard: number;
  readonly from: NodeId | undefined;
  readonly to: NodeId;
}

interface Bin {
  readonly node: NodeId;
  readonly weight: number;
  load: number;
  /** Shards that may leave for balance, the heaviest last. */
  readonly movable: number[];
}

/** Measured loads waver, and accounts come and go: what would gain less than this is left where it is. Counts are exact and need none. */
const measuredGainMin = 0.1;
const countedGainMin = 1e-9;

/** `loads`: one figure a shard; without them every shard counts 1. */
export function planMoves(
  nodes: readonly AssignableNode[],
  shards: readonly PlacedShard[],
  loads?: ArrayLike<number>,
): PlannedMove[] {
  const bins = binsOf(nodes);
  if (bins.size === 0) return [];
  const loadOf = (shard: number): number => (loads === undefined ? 1 : Math.max(loads[shard] ?? 0, 1e-9));
  const gainMin = loads === undefined ? countedGainMin : measuredGainMin;
  const targets = new Array<NodeId | undefined>(shards.length);
  const homeless: number[] = [];
  for (let shard = 0; shard < shards.length; shard++) {
    const { node, pinned } = shards[shard]!;
    const pinnedBin = pinned === undefined ? undefined : bins.get(pinned);
    const bin = pinnedBin ?? (node === undefined ? undefined : bins.get(node));
    if (bin === undefined) {
      homeless.push(shard);
      continue;
    }
    targets[shard] = bin.node;
    bin.load += loadOf(shard);
    if (pinnedBin === undefined) bin.movable.push(shard);
  }
  const context = {
    loadOf,
    targets,
    gainMin,
    bins: [...bins.values()],
    unit: meanLoad(shards.length, loadOf),
  };
  house(homeless, context);
  balance(context);
  return movesBetween(shards, targets);
}

/**
 * How many accounts each shard has, while they are few. `many`: shards are alike, counting them will do. `unknown`: nobody
 * has counted yet, and nothing is moved for balance, lest it be moved back.
 */
export type Occupancy = Uint32Array | 'many' | 'unknown';

/**
 * planMoves with few accounts in mind: those that have any are spread by their accounts, then the empty ones so that all
 * nodes have their number, because new accounts may come into any of them.
 */
export function planPlacement(
  nodes: readonly AssignableNode[],
  shards: readonly PlacedShard[],
  occupancy: Occupancy,
): PlannedMove[] {
  if (occupancy === 'many') return planMoves(nodes, shards);
  if (occupancy === 'unknown') {
    const able = binsOf(nodes);
    return planMoves(
      nodes,
      shards.map(({ node, pinned }) =>
        node === undefined || (pinned !== undefined && able.has(pinned))
          ? { node, pinned }
          : { node, pinned: node },
      ),
    );
  }
  const occupied = shards.flatMap((_, shard) => ((occupancy[shard] ?? 0) > 0 ? [shard] : []));
  const moves = planMoves(
    nodes,
    occupied.map((shard) => shards[shard]!),
    occupied.map((shard) => occupancy[shard]!),
  );
  const settled: PlacedShard[] = [...shards];
  for (const shard of occupied) settled[shard] = { node: shards[shard]!.node, pinned: shards[shard]!.node };
  for (const { shard: index, to } of moves) {
    const shard = occupied[index]!;
    settled[shard] = { node: shards[shard]!.node, pinned: to };
  }
  return planMoves(nodes, settled);
}

interface PlanContext {
  readonly loadOf: (shard: number) => number;
  readonly targets: (NodeId | undefined)[];
  readonly gainMin: number;
  readonly bins: readonly Bin[];
  /** The load of a shard like most. */
  readonly unit: number;
}

function binsOf(nodes: readonly AssignableNode[]): Map<NodeId, Bin> {
  const able = nodes.filter(({ weight }) => weight > 0);
  able.sort((a, b) => (a.node < b.node ? -1 : 1));
  return new Map(able.map(({ node, weight }) => [node, { node, weight, load: 0, movable: [] }]));
}

function meanLoad(count: number, loadOf: (shard: number) => number): number {
  let sum = 0;
  for (let shard = 0; shard < count; shard++) sum += loadOf(shard);
  return sum / Math.max(1, count);
}

/** Each shard without a home goes where the load is least with it, the heaviest first. */
function house(homeless: number[], { loadOf, targets, bins, unit }: PlanContext): void {
  if (homeless.length === 0) return;
  homeless.sort((a, b) => loadOf(b) - loadOf(a) || a - b);
  const emptiest = new BinHeap(bins, (bin) => (bin.load + unit) / bin.weight);
  for (const shard of homeless) {
    const bin = emptiest.first()!;
    bin.load += loadOf(shard);
    bin.movable.push(shard);
    targets[shard] = bin.node;
    emptiest.add(bin);
  }
}

/** From the most loaded to the least loaded, as long as the larger of the two loads becomes smaller. */
function balance({ loadOf, targets, gainMin, bins, unit }: PlanContext): void {
  for (const bin of bins) bin.movable.sort((a, b) => loadOf(a) - loadOf(b) || a - b);
  const emptiest = new BinHeap(bins, (bin) => (bin.load + unit) / bin.weight);
  const fullest = new BinHeap(bins, (bin) => -bin.load / bin.weight);
  // Each move makes the loads more even, so it ends; the bound is against rounding.
  for (let steps = 2 * (targets.length + bins.length); steps > 0; steps--) {
    const most = fullest.first();
    const least = emptiest.first()!;
    if (most === undefined) return;
    const limit = (most.load / most.weight) * (1 - gainMin);
    const index = most.movable.findLastIndex((shard) => (least.load + loadOf(shard)) / least.weight < limit);
    if (index < 0) {
      // Nothing it has would help anybody; the next one may have smaller shards.
      fullest.remove();
      continue;
    }
    const [shard] = most.movable.splice(index, 1);
    most.load -= loadOf(shard!);
    least.load += loadOf(shard!);
    least.movable.push(shard!);
    targets[shard!] = least.node;
    for (const bin of [most, least]) {
      emptiest.add(bin);
      fullest.add(bin);
    }
  }
}

function movesBetween(
  shards: readonly PlacedShard[],
  targets: readonly (NodeId | undefined)[],
): PlannedMove[] {
  const moves: PlannedMove[] = [];
  for (let shard = 0; shard < shards.length; shard++) {
    const to = targets[shard];
    const from = shards[shard]!.node;
    if (to !== undefined && to !== from) moves.push({ shard, from, to });
  }
  return moves;
}

interface HeapEntry {
  readonly bin: Bin;
  readonly rank: number;
  /** The bin's load when it was added: an entry of another load is out of date. */
  readonly load: number;
}

const isBefore = (a: HeapEntry, b: HeapEntry): boolean =>
  a.rank < b.rank || (a.rank === b.rank && a.bin.node < b.bin.node);

/** The bin of the lowest rank; a bin whose load changed is added again, its old entry falls out when it is met. */
class BinHeap {
  readonly #entries: HeapEntry[] = [];
  readonly #rankOf: (bin: Bin) => number;

  constructor(bins: readonly Bin[], rankOf: (bin: Bin) => number) {
    this.#rankOf = rankOf;
    for (const bin of bins) this.add(bin);
  }

  add(bin: Bin): void {
    const entries = this.#entries;
    const entry = { bin, rank: this.#rankOf(bin), load: bin.load };
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  first(): Bin | undefined {
    while (this.#entries.length > 0 && this.#entries[0]!.load !== this.#entries[0]!.bin.load) this.remove();
    return this.#entries[0]?.bin;
  }

  remove(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!isBefore(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
  }
}
