// Where a shard's accounts are hosted: what the remote account port asks. Answers come from memory (the shard table
// that membership keeps fresh) and may be stale: the node asked says so, and the caller asks again.

import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';

export interface ShardPlace {
  readonly node: NodeId;
  readonly epoch: Epoch;
  /** Host and port of the node's link listener. */
  readonly address: { readonly host: string; readonly port: number };
}

export interface ShardLocator {
  readonly self: NodeId;
  /** Undefined: nobody hosts it now (a hand-over is under way). */
  placeOf(shard: ShardId): ShardPlace | undefined;
  /**
   * Resolves when the shard's place is known to be another than `seen` (undefined: none), or after `waitMs`. Asks for
   * news at once: the caller has just found `seen` to be wrong or silent.
   */
  whenMoved(shard: ShardId, seen: ShardPlace | undefined, waitMs: number): Promise<void>;
}
