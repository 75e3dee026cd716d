// What a node knows of the cluster's rows: the newest revision of each that it has read or written.
//
// Invariant: revisions in here only rise, so that a read that was overtaken by a later one, or by our own commit,
// changes nothing. What is here may be old, never wrong: whoever acts on it commits with a condition on these bytes.
// But a database that failed over to a server which lacked the last commits has rows of before: a read that nothing overtook
// is believed then (`takeWhole`), or no condition of ours would ever hold again.
// A damaged row is kept out and counted; the row as it was known before stays.

import type { Epoch, NodeId, ShardId } from '../../mail/ids.ts';
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
  /** The highest that was ever known of each shard, in rows that are lost too: those who had it may still be at work. */
  readonly #epochs = new Map<ShardId, Epoch>();
  /** What each key held last, to decode only what is new. */
  readonly #slots = new Map<string, Slot>();
  #changed: ShardId[] = [];
  /** What is taken in was read after everything that is known. */
  #isWhole = false;
  #wentBack = 0;

  constructor(shardCount: number) {
    this.shardCount = shardCount;
    this.shards = new Array<Known<ShardRow> | undefined>(shardCount).fill(undefined);
  }

  /** Takes in rows that were read or committed; returns the shards whose row is another now. */
  merge(entries: readonly Entry[]): readonly ShardId[] {
    this.#changed = [];
    for (const { key, value } of entries) {
      const slot = this.#slot(key);
      const before = slot.bytes;
      if (before === value || (before !== undefined && Buffer.compare(before, value) === 0)) continue;
      slot.bytes = value;
      const isNew = unlessDamaged(() => this.#take(slot.kind, value));
      if (isNew === undefined) this.damagedRows++;
      else if (!isNew) slot.bytes = before;
    }
    return this.#changed;
  }

  /** All rows there are, read after everything that is known; how many went back to what they were, or are gone. */
  takeWhole(entries: readonly Entry[]): number {
    this.#wentBack = 0;
    this.#isWhole = true;
    this.merge(entries);
    this.#isWhole = false;
    const names = new Set(entries.map(({ key }) => latin1(key)));
    for (const name of this.nodes.keys()) {
      const key = latin1(nodeKey(name));
      if (names.has(key)) continue;
      this.nodes.delete(name);
      this.#slots.delete(key);
      this.#wentBack++;
      this.version++;
    }
    return this.#wentBack;
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

  /** Beyond it the shard was never given away, as far as is known. */
  highestEpoch(shard: ShardId): Epoch {
    return this.#epochs.get(shard) ?? (0 as Epoch);
  }

  /** The member's row says that it is up. */
  isUp(member: Member | undefined): boolean {
    if (member === undefined) return false;
    const row = this.node(member.node);
    return isPresent(row) && row.incarnation === member.incarnation;
  }

  #slot(key: Bytes): Slot {
    const text = latin1(key);
    let slot = this.#slots.get(text);
    if (slot === undefined) {
      const kind = decodeTuple(key)[1];
      const isKnown = kind === 'node' || kind === 'shard' || kind === 'controller';
      slot = { kind: isKnown ? kind : 'other', bytes: undefined };
      this.#slots.set(text, slot);
    }
    return slot;
  }

  /** False when what is known is newer. */
  #take(kind: Slot['kind'], bytes: Bytes): boolean {
    if (kind === 'node') return this.#takeNode({ row: decodeNode(bytes), bytes });
    if (kind === 'shard') return this.#takeShard({ row: decodeShard(bytes), bytes });
    return kind !== 'controller' || this.#takeController({ row: decodeController(bytes), bytes });
  }

  #takeNode(known: Known<NodeRow>): boolean {
    const before = this.nodes.get(known.row.node);
    if (!this.#isNewer(known, before)) return false;
    this.nodes.set(known.row.node, known);
    if (before === undefined || describes(before.row) !== describes(known.row)) this.version++;
    return true;
  }

  #takeShard(known: Known<ShardRow>): boolean {
    const { shard } = known.row;
    if (shard >= this.shardCount) return true;
    if (!this.#isNewer(known, this.shards[shard])) return false;
    this.shards[shard] = known;
    if (known.row.epoch > this.highestEpoch(shard)) this.#epochs.set(shard, known.row.epoch);
    this.#changed.push(shard);
    this.version++;
    return true;
  }

  #takeController(known: Known<ControllerRow>): boolean {
    if (!this.#isNewer(known, this.controller)) return false;
    this.controller = known;
    this.version++;
    return true;
  }

  /** Of a row whose bytes are others than those known. */
  #isNewer(
    found: Known<{ readonly revision: number }>,
    known: Known<{ readonly revision: number }> | undefined,
  ): boolean {
    if (known === undefined || found.row.revision > known.row.revision) return true;
    if (!this.#isWhole || Buffer.compare(found.bytes, known.bytes) === 0) return false;
    this.#wentBack++;
    return true;
  }
}

function latin1(key: Bytes): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/** What of a node's row matters to others, as one text. */
function describes(row: NodeRow): string {
  const { state, incarnation, leaving, successorOf, roles, weight, address } = row;
  return `${incarnation} ${state} ${leaving} ${successorOf} ${roles.join()} ${weight} ${address.host} ${address.port}`;
}
