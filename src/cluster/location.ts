// Where an account is: in which cell, as the directory says, and at which node, as the shard table of that cell says, which
// membership keeps fresh. Answers come from memory and may be stale: the node asked says so, and the caller asks again.
//
// A site has one cell yet, so nobody is sent to another one: whoever opens an account of another cell here is refused
// (LocatedAccounts). Several cells begin where calls find their node: AccountRouting has the ShardLocator of its own cell, and
// would ask a CellLocator first which cell's to take. The refusal stays, for those whose answer is stale.

import type { AccountId, Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { MailError } from '../mail/mail-error.ts';

export interface CellLocator {
  /** This node's cell. */
  readonly own: string;
  /** Undefined: there is no such account. */
  cellOf(account: AccountId): Promise<string | undefined>;
}

/** Refuses with `unavailable` when the account is in another cell. */
export async function requireOwnCell(cells: CellLocator, account: AccountId): Promise<void> {
  const cell = (await cells.cellOf(account)) ?? cells.own;
  if (cell !== cells.own)
    throw new MailError(
      'unavailable',
      `the account is in cell ${cell}, and this node is of cell ${cells.own}`,
    );
}

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
