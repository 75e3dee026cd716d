// Who hosts which shard, for whoever has to reach an account. Fed with a node's view of the cluster rows; a node without
// the engine can feed it rows that another one passed on.
//
// Invariant: a place named here was right when its row was read. It may be old: then the node asked refuses, and the
// caller waits here for the next place, which also makes this node look for news at once.

import type { Clock } from '../../base/clock.ts';
import type { NodeId, ShardId } from '../../mail/ids.ts';
import { isSamePlace, type ShardLocator, type ShardPlace } from '../location.ts';
import type { ClusterView } from './cluster-view.ts';

export interface ShardTableOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  /** Asks for fresh rows. */
  refresh(): void;
}

/** The shard's place is another one now; undefined: nobody hosts it. */
export type PlaceListener = (shard: ShardId, place: ShardPlace | undefined) => void;

export class ShardTable implements ShardLocator {
  readonly self: NodeId;
  readonly #options: ShardTableOptions;
  readonly #places: (ShardPlace | undefined)[] = [];
  readonly #listeners = new Set<PlaceListener>();
  #version = -1;
  #hosted = 0;

  constructor(options: ShardTableOptions) {
    this.self = options.self;
    this.#options = options;
  }

  /** How many shards have a place. */
  get hosted(): number {
    return this.#hosted;
  }

  /** Takes over what the rows say. */
  update(view: ClusterView): void {
    if (view.version === this.#version) return;
    this.#version = view.version;
    for (let shard = 0; shard < view.shardCount; shard++) this.#set(shard as ShardId, placeIn(view, shard));
  }

  /** Takes over what another node's table says, for a node that has no rows; in the order of the shards. */
  replace(places: readonly (ShardPlace | undefined)[]): void {
    for (const [shard, place] of places.entries()) this.#set(shard as ShardId, place);
  }

  placeOf(shard: ShardId): ShardPlace | undefined {
    return this.#places[shard];
  }

  /** Calls back at each change from now on; returns the function that ends it. */
  onMoved(listener: PlaceListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  whenMoved(shard: ShardId, seen: ShardPlace | undefined, waitMs: number): Promise<void> {
    if (!isSamePlace(this.#places[shard], seen)) return Promise.resolve();
    this.#options.refresh();
    return this.#wait((moved) => moved === shard && !isSamePlace(this.#places[shard], seen), waitMs);
  }

  /** Resolves when every shard has a place, or after `waitMs`; says which. */
  async whenHosted(shardCount: number, waitMs: number): Promise<boolean> {
    if (this.#hosted < shardCount) await this.#wait(() => this.#hosted >= shardCount, waitMs);
    return this.#hosted >= shardCount;
  }

  #wait(isOver: (moved: ShardId) => boolean, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel();
        end();
        resolve();
      };
      const timer = this.#options.clock.after(waitMs, finish);
      const end = this.onMoved((moved) => {
        if (isOver(moved)) finish();
      });
    });
  }

  #set(shard: ShardId, place: ShardPlace | undefined): void {
    const before = this.#places[shard];
    if (isSamePlace(before, place)) return;
    this.#places[shard] = place;
    this.#hosted += (place === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    for (const listener of this.#listeners) listener(shard, place);
  }
}

function placeIn(view: ClusterView, shard: number): ShardPlace | undefined {
  const row = view.shard(shard as ShardId);
  if (row?.owner === undefined || !view.isUp(row.owner)) return undefined;
  return { node: row.owner.node, epoch: row.epoch, address: view.node(row.owner.node)!.address };
}
