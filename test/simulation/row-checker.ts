// What is to be true of the cluster's rows, checked as each commit changes them; and counts of the decisions in them, for
// the times in which there is nothing to decide. A promise broken throws Violation.

import {
  type ControllerRow,
  decodeController,
  decodeNode,
  decodeShard,
  isPresent,
  type NodeRow,
  type ShardRow,
} from '../../src/cluster/membership/cluster-rows.ts';
import type { ShardId } from '../../src/mail/ids.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { decodeTuple } from '../../src/storage/tuple.ts';
import { Violation } from './checker.ts';

/** Whoever counts a lease may have a clock that runs so much fast (world.ts). */
const clockDriftMax = 0.03;

/** The node whose commit it is. */
export interface RowAuthor {
  readonly name: string;
}

export class RowChecker {
  /** Nodes that the operator took out, and has not let in again. */
  readonly #unwanted = new Set<string>();
  readonly #shards = new Map<ShardId, ShardRow>();
  readonly #nodes = new Map<string, NodeRow>();
  /** When its last heartbeat arrived. */
  readonly #beatAt = new Map<string, number>();
  #controller: ControllerRow | undefined;
  readonly #queue: { readonly now: number };
  readonly #silenceMsMin: number;
  /** When a shard was given or moved last. */
  changedAt = 0;
  /** Nodes declared dead. */
  deaths = 0;
  /** Shards that were given to another host, or to none. */
  gives = 0;
  /** Planned moves begun. */
  moves = 0;

  constructor(queue: { readonly now: number }, leaseMs: number) {
    this.#queue = queue;
    this.#silenceMsMin = leaseMs * (1 - clockDriftMax);
  }

  /** Before it is written; without an author it is the operator's. */
  put({ key, value }: Entry, author: RowAuthor | undefined): void {
    const kind = decodeTuple(key)[1];
    if (kind === 'node') this.#putNode(decodeNode(value), author);
    else if (kind === 'shard') this.#putShard(decodeShard(value), author);
    else if (kind === 'controller') this.#putController(decodeController(value), author);
  }

  #putNode(row: NodeRow, author: RowAuthor | undefined): void {
    const { node, state, leaving } = row;
    this.#nodes.set(node, row);
    if (author === undefined) {
      if (state === 'removed' || leaving === 'remove') this.#unwanted.add(node);
      else this.#unwanted.delete(node);
      return;
    }
    if (author.name === node) this.#beatAt.set(node, this.#queue.now);
    else {
      this.deaths++;
      this.#requireController(`${node} is declared dead`, author);
      this.#requireSilence(node, 'declared dead');
    }
    if (state === 'active' && this.#unwanted.has(node)) {
      throw new Violation(`${node} takes shards, though the operator removed it`);
    }
  }

  #putController(row: ControllerRow, author: RowAuthor | undefined): void {
    const holder = this.#controller?.holder;
    this.#controller = row;
    const before = holder === undefined ? undefined : this.#nodes.get(holder.node);
    if (holder === undefined || author?.name === holder.node) return;
    if (isPresent(before) && before.incarnation === holder.incarnation) {
      this.#requireSilence(holder.node, 'taken for a controller that is gone');
    }
  }

  #requireController(what: string, { name }: RowAuthor): void {
    const controller = this.#controller?.holder?.node;
    if (controller !== name) throw new Violation(`${what} by ${name}, while ${controller} is the controller`);
  }

  #requireSilence(node: string, what: string): void {
    const silentMs = this.#queue.now - (this.#beatAt.get(node) ?? 0);
    if (silentMs >= this.#silenceMsMin) return;
    throw new Violation(`${node} was ${what} ${silentMs.toFixed(0)} ms after a heartbeat`);
  }

  #putShard(row: ShardRow, author: RowAuthor | undefined): void {
    const before = this.#shards.get(row.shard);
    if (author !== undefined && before?.owner?.node !== author.name) {
      this.#requireController(`shard ${row.shard} is given or moved`, author);
    }
    this.#shards.set(row.shard, row);
    this.changedAt = this.#queue.now;
    if (before?.owner?.node !== row.owner?.node) this.gives++;
    if (row.movingTo !== undefined && before?.movingTo?.node !== row.movingTo.node) this.moves++;
  }
}
