// What is committed but not yet in the LMDB file that readers see: rows of groups that are in the journal while the file has not
// followed. Readers look here first, and so does the thread that commits, for fences and conditions. One layer for each transaction of
// the writer; when it is in the file, its layer goes.
//
// Batches are read when the first reader comes by who may look for one of their keys, which may be never: to make strings of
// keys costs as much as all else that the event loop does for a commit, and the file has them soon.
//
// Invariant: a layer holds every change of its transaction that was acknowledged, so layers (newest first) over the file's
// state before the oldest of them give the newest committed state. Keys are latin1 strings of the key bytes: their order is
// the order of the bytes.

import { asBuffer } from '../../mail/bytes.ts';
import { outcomeCodes } from '../commit-outcomes.ts';
import type { Batch, Bytes } from '../engine.ts';
import { unpackGroup } from '../group-codec.ts';
import { OrderedRows } from '../ordered-rows.ts';

/** In a layer: the row was deleted. */
export const deleted: unique symbol = Symbol('deleted');
export type UnflushedValue = Bytes | typeof deleted;

interface KeyRange {
  readonly start: string;
  readonly end: string;
}

/** As another process packed it. */
interface UnreadGroup {
  readonly bytes: Buffer;
  readonly outcomes: readonly number[];
}

/** Its ranges were deleted before its rows were put, and all of it before what is unread. */
interface Layer {
  readonly transaction: number;
  readonly unread: (Batch | UnreadGroup)[];
  /** Of the keys of what is unread, as far as they are known one by one. */
  readonly unreadHashes: Set<number>;
  /** Unread are ranges too, or packed groups. */
  mayHoldAnyKey: boolean;
  readonly rows: OrderedRows<UnflushedValue>;
  readonly deletedRanges: KeyRange[];
  /** A snapshot looks at it: changes go to a new layer. */
  frozen: boolean;
}

export function keyText(key: Bytes): string {
  return asBuffer(key).toString('latin1');
}

/**
 * FNV-1a of every second byte, the last one among them: whoever has a key with the same costs a look at it, no more. 30 bits,
 * since V8 keeps such numbers in place.
 */
function keyHash(key: Bytes): number {
  const { length } = key;
  let hash = 0x811c9dc5;
  for (let index = length - 1; index >= 0; index -= 2) hash = Math.imul(hash ^ key[index]!, 0x01000193);
  return hash >>> 2;
}

const covers = ({ start, end }: KeyRange, key: string): boolean => start <= key && key < end;

function change({ rows, deletedRanges }: Layer, { deleteRanges, deletes, puts }: Batch): void {
  for (const { start, end } of deleteRanges ?? []) {
    const range = { start: keyText(start), end: keyText(end) };
    if (range.start >= range.end) continue;
    deletedRanges.push(range);
    for (const [key] of rows.within(range.start, range.end)) rows.set(key, deleted);
  }
  for (const key of deletes ?? []) rows.set(keyText(key), deleted);
  for (const { key, value } of puts ?? []) rows.set(keyText(key), value);
}

/** The layer with nothing unread. */
function whole(layer: Layer): Layer {
  if (layer.unread.length === 0) return layer;
  layer.unreadHashes.clear();
  layer.mayHoldAnyKey = false;
  for (const unread of layer.unread.splice(0)) {
    if (!('outcomes' in unread)) {
      change(layer, unread);
      continue;
    }
    for (const [index, batch] of unpackGroup(unread.bytes).entries())
      if (unread.outcomes[index] === outcomeCodes.committed) change(layer, batch);
  }
  return layer;
}

/** What layers say about a range of keys. */
export interface UnflushedPart {
  /** In no order. */
  readonly rows: ReadonlyMap<string, UnflushedValue>;
  /** Whether another key, which the file may have, is deleted. */
  readonly hides: (key: string) => boolean;
}

/** Layers at one moment. */
export class UnflushedLayers {
  protected layers: readonly Layer[];

  constructor(layers: readonly Layer[] = []) {
    this.layers = layers;
  }

  get isEmpty(): boolean {
    return this.layers.length === 0;
  }

  /** Undefined: no layer says anything about the key. */
  find(key: Bytes): UnflushedValue | undefined {
    const hash = keyHash(key);
    const text = keyText(key);
    for (let index = this.layers.length - 1; index >= 0; index--) {
      const layer = this.layers[index]!;
      if (layer.mayHoldAnyKey || layer.unreadHashes.has(hash)) whole(layer);
      const value = layer.rows.get(text);
      if (value !== undefined) return value;
      if (layer.deletedRanges.some((range) => covers(range, text))) return deleted;
    }
    return undefined;
  }

  /** Undefined: nothing is said about keys with start <= key < end. */
  within(start: string, end: string): UnflushedPart | undefined {
    const found = new Map<string, UnflushedValue>();
    const ranges: KeyRange[] = [];
    for (const layer of this.layers) {
      const { rows, deletedRanges } = whole(layer);
      for (const range of deletedRanges) {
        if (range.start < end && start < range.end) ranges.push(range);
        for (const key of found.keys()) if (covers(range, key)) found.set(key, deleted);
      }
      for (const [key, value] of rows.within(start, end)) found.set(key, value);
    }
    if (found.size === 0 && ranges.length === 0) return undefined;
    return { rows: found, hides: (key) => ranges.some((range) => covers(range, key)) };
  }
}

export class UnflushedRows extends UnflushedLayers {
  /** A batch that was committed in this transaction of the writer; transactions come in order. */
  add(transaction: number, batch: Batch): void {
    const layer = this.#layer(transaction);
    layer.unread.push(batch);
    if (batch.deleteRanges !== undefined && batch.deleteRanges.length > 0) layer.mayHoldAnyKey = true;
    for (const key of batch.deletes ?? []) layer.unreadHashes.add(keyHash(key));
    for (const { key } of batch.puts ?? []) layer.unreadHashes.add(keyHash(key));
  }

  /** The batches of a packed group that were committed in this transaction; the bytes are not changed any more. */
  addPacked(transaction: number, bytes: Buffer, outcomes: readonly number[]): void {
    const layer = this.#layer(transaction);
    layer.unread.push({ bytes, outcomes });
    layer.mayHoldAnyKey = true;
  }

  /** Transactions up to this one are in the file, and readers see it. */
  flushed(transaction: number): void {
    this.layers = this.layers.filter((layer) => layer.transaction > transaction);
  }

  /** This moment: later changes do not show in it. */
  freeze(): UnflushedLayers {
    for (const layer of this.layers) layer.frozen = true;
    return new UnflushedLayers(this.layers);
  }

  #layer(transaction: number): Layer {
    const last = this.layers.at(-1);
    if (last?.transaction === transaction && !last.frozen) return last;
    const layer: Layer = {
      transaction,
      unread: [],
      unreadHashes: new Set(),
      mayHoldAnyKey: false,
      rows: new OrderedRows(),
      deletedRanges: [],
      frozen: false,
    };
    this.layers = [...this.layers, layer];
    return layer;
  }
}
