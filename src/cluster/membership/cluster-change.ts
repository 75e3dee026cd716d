// One commit to the cluster's rows on its way: each row it changes brings the condition on its old bytes, each change of
// a shard's epoch brings the fence. Invariant: what is put has the next revision, and a shard row's epoch is its fence's.

import { assert } from '../../base/assert.ts';
import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Batch, Bytes, Condition, Entry } from '../../storage/engine.ts';
import { decodeEpoch, encodeEpoch, fenceKey, raiseEpoch } from '../../storage/fence.ts';
import {
  type ControllerRow,
  clusterTopic,
  controllerEntry,
  controllerKey,
  type NodeRow,
  nodeEntry,
  nodeKey,
  type ShardRow,
  shardEntry,
  shardKey,
} from './cluster-rows.ts';
import type { ClusterView } from './cluster-view.ts';

/** Fence rows as they were read, for shards that have no row yet or whose fence somebody else raised. */
export type FenceRows = ReadonlyMap<ShardId, Bytes | undefined>;

export class ClusterChange {
  /** The cluster rows of the batch: what the view takes in when it is committed. */
  readonly entries: Entry[] = [];
  readonly #conditions: Condition[] = [];
  readonly #fences: Entry[] = [];
  readonly #view: ClusterView;
  readonly #fenceRows: FenceRows;

  constructor(view: ClusterView, fenceRows: FenceRows) {
    this.#view = view;
    this.#fenceRows = fenceRows;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** The row must be as it is known, though it is not changed. */
  requireController(): void {
    this.#conditions.push({ key: controllerKey, expected: this.#view.controller?.bytes });
  }

  requireNode(row: NodeRow): void {
    this.#conditions.push({ key: nodeKey(row.node), expected: this.#view.nodes.get(row.node)?.bytes });
  }

  putNode(row: Omit<NodeRow, 'revision'>): void {
    const known = this.#view.nodes.get(row.node);
    this.#conditions.push({ key: nodeKey(row.node), expected: known?.bytes });
    this.entries.push(nodeEntry({ ...row, revision: (known?.row.revision ?? 0) + 1 }));
  }

  putController(row: Omit<ControllerRow, 'revision'>): void {
    this.requireController();
    const revision = (this.#view.controller?.row.revision ?? 0) + 1;
    this.entries.push(controllerEntry({ ...row, revision }));
  }

  /** Changes what is said of a shard, not who may write it. */
  markShard(shard: ShardId, row: Omit<ShardRow, 'revision' | 'shard' | 'epoch'>): void {
    const known = this.#view.shard(shard);
    assert(known !== undefined, 'only a shard with a row is marked');
    this.#putShard({ ...row, shard, epoch: known.epoch });
  }

  /** Gives the shard away, to nobody when `owner` is not given, under the next epoch: whoever had it is fenced. */
  giveShard(shard: ShardId, row: Omit<ShardRow, 'revision' | 'shard' | 'epoch'>): void {
    const known = this.#view.shard(shard);
    const read = this.#fenceRows.get(shard);
    const said = known?.epoch ?? (0 as Epoch);
    // Without a row of ours there is no epoch but the fence's; a fence above ours was raised past the cluster.
    const fence = known === undefined || decodeEpoch(read) > said ? read : encodeEpoch(said);
    const epoch = (Math.max(said, decodeEpoch(fence), this.#view.highestEpoch(shard)) + 1) as Epoch;
    const raised = raiseEpoch(shard, fence, epoch);
    this.#conditions.push(raised.condition);
    this.#fences.push(raised.put);
    this.#putShard({ ...row, shard, epoch });
  }

  /** Told to the others, unless it is a mere heartbeat. */
  batch(options: { readonly silent?: boolean } = {}): Batch {
    return {
      conditions: this.#conditions,
      puts: [...this.entries, ...this.#fences],
      // A cluster whose disk is full must still be able to change hands, so that users can make room.
      fromReserve: true,
      ...(options.silent === true ? {} : { signals: [clusterTopic] }),
    };
  }

  #putShard(row: Omit<ShardRow, 'revision'>): void {
    const known = this.#view.shards[row.shard];
    this.#conditions.push({ key: shardKey(row.shard), expected: known?.bytes });
    this.entries.push(shardEntry({ ...row, revision: (known?.row.revision ?? 0) + 1 }));
  }
}

export const fenceKeys = (shardCount: number): Bytes[] =>
  Array.from({ length: shardCount }, (_, shard) => fenceKey(shard as ShardId));
