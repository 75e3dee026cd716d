// What is to be true of the cluster's rows, checked as each commit changes them; and counts of the decisions in them, for
// the times in which there is nothing to decide. A promise broken throws Violation.

import {
  decodeNode,
  decodeShard,
  type NodeRow,
  type ShardRow,
} from '../../src/cluster/membership/cluster-rows.ts';
import type { ShardId } from '../../src/mail/ids.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { decodeTuple } from '../../src/storage/tuple.ts';
import { Violation } from './checker.ts';

/** The node whose commit it is. */
export interface RowAuthor {
  readonly name: string;
}

export class RowChecker {
  /** Nodes that the operator took out, and has not let in again. */
  readonly #unwanted = new Set<string>();
  readonly #shards = new Map<ShardId, ShardRow>();
  readonly #queue: { readonly now: number };
  /** When a shard was given or moved last. */
  changedAt = 0;
  /** Nodes declared dead. */
  deaths = 0;
  /** Shards that were given to another host, or to none. */
  gives = 0;
  /** Planned moves begun. */
  moves = 0;

  constructor(queue: { readonly now: number }) {
    this.#queue = queue;
  }

  /** Before it is written; without an author it is the operator's. */
  put({ key, value }: Entry, author: RowAuthor | undefined): void {
    const kind = decodeTuple(key)[1];
    if (kind === 'node') this.#putNode(decodeNode(value), author);
    else if (kind === 'shard') this.#putShard(decodeShard(value));
  }

  #putNode({ node, state, leaving }: NodeRow, author: RowAuthor | undefined): void {
    if (author === undefined) {
      if (state === 'removed' || leaving === 'remove') this.#unwanted.add(node);
      else this.#unwanted.delete(node);
      return;
    }
    if (state === 'dead' || (state === 'removed' && author.name !== node)) this.deaths++;
    if (state === 'active' && this.#unwanted.has(node)) {
      throw new Violation(`${node} takes shards, though the operator removed it`);
    }
  }

  #putShard(row: ShardRow): void {
    const before = this.#shards.get(row.shard);
    this.#shards.set(row.shard, row);
    this.changedAt = this.#queue.now;
    if (before?.owner?.node !== row.owner?.node) this.gives++;
    if (row.movingTo !== undefined && before?.movingTo?.node !== row.movingTo.node) this.moves++;
  }
}
