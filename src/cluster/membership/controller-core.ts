// What the controller decides: who is dead, who gets which shard, which planned move has waited long enough. Also who
// becomes controller: whoever finds the holder gone or silent for a lease.
//
// Invariant: a decision is one commit with conditions on the controller's row and on every row it changes. So a
// controller that was paused and goes on with what it knew then changes nothing: either it still is the controller and the
// rows are as it saw them, in which case the decision is right now too, or the commit is refused.

import type { NodeId, ShardId } from '../../mail/ids.ts';
import { type Occupancy, type PlacedShard, planPlacement } from './assignment.ts';
import { ClusterChange, type FenceRows } from './cluster-change.ts';
import {
  endedRow,
  isPresent,
  isSameMember,
  type Member,
  memberOf,
  type NodeRow,
  pinOf,
  type ShardRow,
  takesShards,
} from './cluster-rows.ts';
import type { ClusterView } from './cluster-view.ts';
import type { MemberTimes } from './member-times.ts';
import type { Observations } from './observations.ts';

/** Given in one commit; with the fences four rows and conditions each. A cell of 256 shards needs one commit. */
const givesMax = 1024;
/** Planned moves under way at once: each is a pause for some accounts, and they share the hosts' and engine's time. */
const movesMax = 64;

export interface ControllerContext {
  readonly self: Member;
  readonly view: ClusterView;
  readonly observations: Observations;
  readonly fenceRows: FenceRows;
  readonly occupancy: Occupancy;
  readonly times: MemberTimes;
  readonly now: number;
}

export interface Decision {
  readonly change: ClusterChange;
  readonly dead: readonly NodeId[];
  readonly given: number;
  readonly moved: number;
  readonly forced: number;
}

/** The commit that makes us controller, when the post is to be had. */
export function takeControl(context: ControllerContext): ClusterChange | undefined {
  const { self, view, observations, times, now } = context;
  const known = view.controller?.row;
  const holder = known?.holder;
  if (isSameMember(holder, self)) return undefined;
  const change = new ClusterChange(view, context.fenceRows);
  if (holder !== undefined && view.isUp(holder)) {
    if (observations.silentMs(holder.node, now) < times.leaseMs) return undefined;
    // A heartbeat of the holder that arrives before this commit refuses it.
    change.requireNode(view.node(holder.node)!);
  }
  change.putController({ holder: self, term: (known?.term ?? 0) + 1 });
  return change;
}

/** What is to be done now; undefined when all is well. */
export function decide(context: ControllerContext): Decision | undefined {
  const { self, view, observations, times, now } = context;
  const dead: NodeRow[] = [];
  for (const { row } of view.nodes.values()) {
    const isSilent = row.node !== self.node && observations.silentMs(row.node, now) >= times.leaseMs;
    if (isPresent(row) && isSilent) dead.push(row);
  }
  const change = new ClusterChange(view, context.fenceRows);
  const distribution = new Distribution(context, change, new Set(dead.map(({ node }) => node)));
  const { given, moved, forced } = distribution.decide();
  for (const row of dead) change.putNode(endedRow(row));
  if (change.isEmpty) return undefined;
  change.requireController();
  return { change, dead: dead.map(({ node }) => node), given, moved, forced };
}

/** Shards as they are and as they should be. */
class Distribution {
  readonly #context: ControllerContext;
  readonly #change: ClusterChange;
  readonly #dead: ReadonlySet<NodeId>;
  readonly #targets: readonly (NodeId | undefined)[];
  given = 0;
  moved = 0;
  forced = 0;

  constructor(context: ControllerContext, change: ClusterChange, dead: ReadonlySet<NodeId>) {
    this.#context = context;
    this.#change = change;
    this.#dead = dead;
    this.#targets = this.#plan();
  }

  decide(): this {
    const { view } = this.#context;
    let moving = 0;
    for (const known of view.shards) if (known?.row.movingTo !== undefined) moving++;
    for (let shard = 0; shard < view.shardCount; shard++) {
      const row = view.shard(shard as ShardId);
      const standing = this.#standing(row);
      if (standing === 'vacant') this.#give(shard as ShardId, row);
      else if (standing === 'hosted' && this.#move(row!, moving < movesMax)) moving++;
    }
    return this;
  }

  /** `vacant`: nobody can be serving it. `waiting`: somebody we do not know to be gone may be. */
  #standing(row: ShardRow | undefined): 'vacant' | 'waiting' | 'hosted' {
    const { view, observations, times, now } = this.#context;
    if (row?.owner === undefined) return 'vacant';
    const host = view.node(row.owner.node);
    if (host?.incarnation === row.owner.incarnation) {
      return this.#dead.has(host.node) || !isPresent(host) ? 'vacant' : 'hosted';
    }
    // The host came back as another one: the lease of the one before runs on unless its end is known.
    if (host?.successorOf === row.owner.incarnation) return 'vacant';
    return observations.incarnationMs(row.owner.node, now) >= times.leaseMs ? 'vacant' : 'waiting';
  }

  #give(shard: ShardId, row: ShardRow | undefined): void {
    const target = this.#target(shard);
    // Nobody can take it: taken from the dead all the same, but only once.
    if (target === undefined && (row === undefined || row.owner === undefined)) return;
    if (this.given >= givesMax) return;
    this.given++;
    this.#change.giveShard(shard, { ...pinOf(row), ...(target === undefined ? {} : { owner: target }) });
  }

  /** True when a planned move was begun. */
  #move(row: ShardRow, mayBegin: boolean): boolean {
    const { view, observations, times, now } = this.#context;
    const { shard, owner, movingTo } = row;
    const target = this.#target(shard);
    const isLost = movingTo !== undefined && (!view.isUp(movingTo) || this.#dead.has(movingTo.node));
    if (movingTo !== undefined && !isLost) {
      // The owner sees the row within a lease or loses its lease, and lets go releaseMs after that: now nobody has it.
      const patienceMs = times.leaseMs + times.releaseMs + times.marginMs;
      if (observations.movingMs(row, now) < patienceMs) return false;
      this.forced++;
      this.#change.giveShard(shard, { ...pinOf(row), owner: movingTo });
      return false;
    }
    const wanted = target === undefined || target.node === owner!.node ? undefined : target;
    if (isSameMember(wanted, movingTo)) return false;
    if (wanted !== undefined && movingTo === undefined && !mayBegin) return false;
    this.moved++;
    const next = wanted === undefined ? {} : { movingTo: wanted };
    this.#change.markShard(shard, { ...pinOf(row), owner: owner!, ...next });
    return movingTo === undefined;
  }

  #target(shard: ShardId): Member | undefined {
    const name = this.#targets[shard];
    const row = name === undefined ? undefined : this.#context.view.node(name);
    return row === undefined ? undefined : memberOf(row);
  }

  /** Where each shard should be. A shard whose host came back as another one belongs there again. */
  #plan(): (NodeId | undefined)[] {
    const { view, occupancy } = this.#context;
    const nodes: { node: NodeId; weight: number }[] = [];
    const names = new Set<NodeId>();
    for (const { row } of view.nodes.values()) {
      if (!takesShards(row) || this.#dead.has(row.node)) continue;
      nodes.push({ node: row.node, weight: row.weight });
      names.add(row.node);
    }
    const placed: PlacedShard[] = [];
    for (const known of view.shards) {
      const place = known?.row.movingTo ?? known?.row.owner;
      placed.push({ node: place?.node, pinned: known?.row.pinned });
    }
    const targets = placed.map(({ node }) => (node !== undefined && names.has(node) ? node : undefined));
    for (const { shard, to } of planPlacement(nodes, placed, occupancy)) targets[shard] = to;
    return targets;
  }
}
