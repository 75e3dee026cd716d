// Where a shard's accounts are hosted: what the remote account port asks. Answers come from memory (the shard table
// that membership keeps fresh) and may be stale: the node asked says so, and the caller asks again.

import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';

export interface ShardPlace {
  readonly node: NodeId;
  readonly epoch: Epoch;
  /** Host and port of the node's link listener. */
  readonly address: { readonly host: string; readonly port: number };
}

/** A node has one address from its start to its end: at another one it has lost what it knew. Undefined: no place. */
export function isSamePlace(one: ShardPlace | undefined, other: ShardPlace | undefined): boolean {
  return (
    one?.node === other?.node &&
    one?.epoch === other?.epoch &&
    one?.address.host === other?.address.host &&
    one?.address.port === other?.address.port
  );
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
