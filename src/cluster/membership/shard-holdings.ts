// The shards this node hosts, from the row that gives it one to the commit that gives it away.
//
// Invariant: a shard is opened once under an epoch. What was let go, even if nobody took it, is opened again only under
// a higher one: so work of the time before, still on its way to the engine, is refused by the fence.
// A host that does not finish in time is told to drop the shard; what it had begun fails, and its callers try again.

import type { Epoch, ShardId } from '../../mail/ids.ts';
import { ClusterChange, type FenceRows } from './cluster-change.ts';
import { isSameMember, type Member, pinOf, type ShardRow } from './cluster-rows.ts';
import type { ClusterView } from './cluster-view.ts';

export type HoldingAction =
  | { readonly type: 'openShard'; readonly shard: ShardId; readonly epoch: Epoch }
  /** Take no new work, finish what was begun, then say shardReleased. */
  | { readonly type: 'releaseShard'; readonly shard: ShardId; readonly epoch: Epoch }
  /** Stop at once: it is somebody else's, or soon. */
  | { readonly type: 'dropShard'; readonly shard: ShardId; readonly epoch: Epoch };

interface Holding {
  readonly epoch: Epoch;
  /** `released`: nothing is served any more; the row is still to be changed. */
  phase: 'open' | 'releasing' | 'released';
  releaseBy: number;
}

/** In one commit: a handful of messages' worth of rows, so that no account waits long behind it. */
const handoversMax = 128;

export class ShardHoldings {
  readonly #held = new Map<ShardId, Holding>();

  get size(): number {
    return this.#held.size;
  }

  /** The epoch under which the shard may be written now, the lease permitting. */
  epochOf(shard: ShardId, now: number): Epoch | undefined {
    const held = this.#held.get(shard);
    if (held === undefined || held.phase === 'released') return undefined;
    return held.phase === 'open' || now < held.releaseBy ? held.epoch : undefined;
  }

  *open(): Generator<[ShardId, Epoch]> {
    for (const [shard, held] of this.#held) if (held.phase === 'open') yield [shard, held.epoch];
  }

  /** Follows the rows. A release that begins now ends by `releaseBy`. */
  update(view: ClusterView, self: Member, releaseBy: number): HoldingAction[] {
    const actions: HoldingAction[] = [];
    for (const known of view.shards) {
      if (known === undefined) continue;
      const { row } = known;
      const held = this.#held.get(row.shard);
      const isOurs = isSameMember(row.owner, self);
      if (held !== undefined && (!isOurs || held.epoch !== row.epoch)) {
        this.#held.delete(row.shard);
        if (held.phase !== 'released')
          actions.push({ type: 'dropShard', shard: row.shard, epoch: held.epoch });
      }
      if (isOurs) this.#follow(row, view.isUp(row.movingTo), releaseBy, actions);
    }
    return actions;
  }

  /** Lets go of everything in good order: this node is stopping and nobody is there to move to. */
  releaseAll(releaseBy: number): HoldingAction[] {
    const actions: HoldingAction[] = [];
    for (const [shard, held] of this.#held) {
      if (held.phase === 'open') actions.push(release(shard, held, releaseBy));
    }
    return actions;
  }

  /** The host has finished. */
  released(shard: ShardId, epoch: Epoch): void {
    const held = this.#held.get(shard);
    if (held?.epoch === epoch && held.phase === 'releasing') held.phase = 'released';
  }

  /** Somebody raised the fence past the cluster: what is served is refused anyway. */
  fenced(shard: ShardId): HoldingAction[] {
    const held = this.#held.get(shard);
    if (held === undefined || held.phase === 'released') return [];
    held.phase = 'released';
    return [{ type: 'dropShard', shard, epoch: held.epoch }];
  }

  /** The engine lost commits: what hosts remember may not be there any more. */
  forgotten(): HoldingAction[] {
    return [...this.#held.keys()].flatMap((shard) => this.fenced(shard));
  }

  /** Hosts that did not finish in time. */
  expire(now: number): HoldingAction[] {
    const actions: HoldingAction[] = [];
    for (const [shard, held] of this.#held) {
      if (held.phase !== 'releasing' || now < held.releaseBy) continue;
      held.phase = 'released';
      actions.push({ type: 'dropShard', shard, epoch: held.epoch });
    }
    return actions;
  }

  /** The lease is somebody else's to give: nothing is ours any more. */
  dropAll(): HoldingAction[] {
    const actions: HoldingAction[] = [];
    for (const [shard, held] of this.#held) {
      if (held.phase !== 'released') actions.push({ type: 'dropShard', shard, epoch: held.epoch });
    }
    this.#held.clear();
    return actions;
  }

  /**
   * The commit that gives away what was let go. A move that was called off leaves the shard here, under a new epoch,
   * unless this node is stopping (`mayKeep` false).
   */
  handover(
    view: ClusterView,
    self: Member,
    { fenceRows, mayKeep }: { readonly fenceRows: FenceRows; readonly mayKeep: boolean },
  ): ClusterChange {
    const change = new ClusterChange(view, fenceRows);
    for (const [shard, held] of this.#held) {
      if (held.phase !== 'released') continue;
      const row = view.shard(shard)!;
      const isMoving = view.isUp(row.movingTo);
      if (!isMoving && !mayKeep) continue;
      change.giveShard(shard, { ...pinOf(row), owner: isMoving ? row.movingTo! : self });
      if (change.entries.length === handoversMax) break;
    }
    return change;
  }

  /** The commit that leaves everything to nobody, for the controller to give away. */
  abandon(view: ClusterView, fenceRows: FenceRows): ClusterChange {
    const change = new ClusterChange(view, fenceRows);
    for (const shard of this.#held.keys()) change.giveShard(shard, pinOf(view.shard(shard)));
    return change;
  }

  /** When `expire` has something to do. */
  expiresAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const held of this.#held.values()) {
      if (held.phase === 'releasing') at = Math.min(at, held.releaseBy);
    }
    return at;
  }

  get hasReleased(): boolean {
    for (const held of this.#held.values()) if (held.phase === 'released') return true;
    return false;
  }

  get allReleased(): boolean {
    for (const held of this.#held.values()) if (held.phase !== 'released') return false;
    return true;
  }

  #follow(row: ShardRow, isMoving: boolean, releaseBy: number, actions: HoldingAction[]): void {
    const { shard, epoch } = row;
    const held = this.#held.get(shard);
    if (held === undefined) {
      // What was to move before it was opened is passed on unopened.
      this.#held.set(shard, { epoch, phase: isMoving ? 'released' : 'open', releaseBy });
      if (!isMoving) actions.push({ type: 'openShard', shard, epoch });
    } else if (isMoving && held.phase === 'open') {
      actions.push(release(shard, held, releaseBy));
    }
  }
}

function release(shard: ShardId, held: Holding, releaseBy: number): HoldingAction {
  held.phase = 'releasing';
  held.releaseBy = releaseBy;
  return { type: 'releaseShard', shard, epoch: held.epoch };
}
