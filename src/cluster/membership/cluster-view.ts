// What a node knows of the cluster's rows: the newest revision of each that it has read or written.
//
// Invariant: revisions in here only rise, so that a read that was overtaken by a later one, or by our own commit,
// changes nothing. What is here may be old, never wrong: whoever acts on it commits with a condition on these bytes.
// A damaged row is kept out and counted; the row as it was known before stays.

import type { NodeId, ShardId } from '../../mail/ids.ts';
import type { Bytes, Entry } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { decodeTuple } from '../../storage/tuple.ts';
import {
  type ControllerRow,
  controllerKey,
  decodeController,
  decodeNode,
  decodeShard,
  isPresent,
  type Member,
  type NodeRow,
  nodeKey,
  type ShardRow,
  shardKey,
} from './cluster-rows.ts';

/** A row and the bytes it was decoded from, which conditions name. */
export interface Known<Row> {
  readonly row: Row;
  readonly bytes: Bytes;
}

interface Slot {
  readonly kind: 'node' | 'shard' | 'controller' | 'other';
  bytes: Bytes | undefined;
}

export class ClusterView {
  readonly shardCount: number;
  readonly nodes = new Map<NodeId, Known<NodeRow>>();
  readonly shards: (Known<ShardRow> | undefined)[];
  controller: Known<ControllerRow> | undefined;
  /** Rises when anything but heartbeats and load figures changes. */
  version = 0;
  damagedRows = 0;
  /** What each key held last, to decode only what is new. */
  readonly #slots = new Map<string, Slot>();
  #changed: ShardId[] = [];

  constructor(shardCount: number) {
    this.shardCount = shardCount;
    this.shards = new Array<Known<ShardRow> | undefined>(shardCount).fill(undefined);
  }

  /** Takes in rows that were read or committed; returns the shards whose row is another now. */
  merge(entries: readonly Entry[]): readonly ShardId[] {
    this.#changed = [];
    for (const { key, value } of entries) {
      const slot = this.#slot(key);
      if (slot.bytes === value || (slot.bytes !== undefined && Buffer.compare(slot.bytes, value) === 0))
        continue;
      slot.bytes = value;
      if (unlessDamaged(() => this.#take(slot.kind, value)) === undefined) this.damagedRows++;
    }
    return this.#changed;
  }

  /** All rows that are known: what a node passes on to one that has no engine, whose view merges them. */
  entries(): Entry[] {
    const entries: Entry[] = [];
    for (const [name, { bytes }] of this.nodes) entries.push({ key: nodeKey(name), value: bytes });
    for (const known of this.shards) {
      if (known !== undefined) entries.push({ key: shardKey(known.row.shard), value: known.bytes });
    }
    if (this.controller !== undefined) entries.push({ key: controllerKey, value: this.controller.bytes });
    return entries;
  }

  node(name: NodeId): NodeRow | undefined {
    return this.nodes.get(name)?.row;
  }

  shard(shard: ShardId): ShardRow | undefined {
    return this.shards[shard]?.row;
  }

  /** The member's row says that it is up. */
  isUp(member: Member | undefined): boolean {
    if (member === undefined) return false;
    const row = this.node(member.node);
    return isPresent(row) && row.incarnation === member.incarnation;
  }

  #slot(key: Bytes): Slot {
    const text = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    let slot = this.#slots.get(text);
    if (slot === undefined) {
      const kind = decodeTuple(key)[1];
      const isKnown = kind === 'node' || kind === 'shard' || kind === 'controller';
      slot = { kind: isKnown ? kind : 'other', bytes: undefined };
      this.#slots.set(text, slot);
    }
    return slot;
  }

  #take(kind: Slot['kind'], bytes: Bytes): true {
    if (kind === 'node') this.#takeNode({ row: decodeNode(bytes), bytes });
    else if (kind === 'shard') this.#takeShard({ row: decodeShard(bytes), bytes });
    else if (kind === 'controller') this.#takeController({ row: decodeController(bytes), bytes });
    return true;
  }

  #takeNode(known: Known<NodeRow>): void {
    const before = this.nodes.get(known.row.node)?.row;
    if (before !== undefined && before.revision >= known.row.revision) return;
    this.nodes.set(known.row.node, known);
    if (before === undefined || describes(before) !== describes(known.row)) this.version++;
  }

  #takeShard(known: Known<ShardRow>): void {
    const { shard, revision } = known.row;
    if (shard >= this.shardCount || (this.shards[shard]?.row.revision ?? 0) >= revision) return;
    this.shards[shard] = known;
    this.#changed.push(shard);
    this.version++;
  }

  #takeController(known: Known<ControllerRow>): void {
    if ((this.controller?.row.revision ?? 0) >= known.row.revision) return;
    this.controller = known;
    this.version++;
  }
}

/** What of a node's row matters to others, as one text. */
function describes(row: NodeRow): string {
  const { state, incarnation, leaving, successorOf, roles, weight, address } = row;
  return `${incarnation} ${state} ${leaving} ${successorOf} ${roles.join()} ${weight} ${address.host} ${address.port}`;
}
