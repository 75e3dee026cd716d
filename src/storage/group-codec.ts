// How a group of batches travels to the LMDB writer: packed once, in the process that made them, and transferred or copied as
// a whole, so that a commit costs one copy of its rows on the event loop; the writer reads keys and values in place.
// Several packed groups are written as one: `joinGroups`.
// All lengths are 32-bit little-endian. Never stored: both sides are always of one version.

import type { Batch, Bytes, Condition } from './engine.ts';
import { decodeEpoch, encodeEpoch } from './fence.ts';

/** Stands for the length of an expected value that must not be there. */
const absent = 0xffffffff;
const noFence = Buffer.alloc(0);

class Packer {
  readonly target: Buffer;
  #position = 0;

  constructor(bytes: number) {
    // Slow: not from the pool, because it is transferred.
    this.target = Buffer.allocUnsafeSlow(bytes);
  }

  get position(): number {
    return this.#position;
  }

  number(value: number): void {
    this.numberAt(this.#position, value);
    this.#position += 4;
  }

  /** Of what is known only later. By bytes: writeUInt32LE checks each time what cannot be otherwise here. */
  numberAt(position: number, value: number): void {
    const { target } = this;
    target[position] = value;
    target[position + 1] = value >>> 8;
    target[position + 2] = value >>> 16;
    target[position + 3] = value >>> 24;
  }

  bytes(bytes: Bytes): void {
    this.number(bytes.length);
    this.target.set(bytes, this.#position);
    this.#position += bytes.length;
  }
}

function packedLength(batch: Batch): number {
  let length = 7 * 4; // the bytes of the puts, whether from the reserve, the fence's length and four counts
  if (batch.fence !== undefined) length += batch.fence.key.length + 12;
  for (const { key, expected } of batch.conditions ?? []) length += 8 + key.length + (expected?.length ?? 0);
  for (const { start, end } of batch.deleteRanges ?? []) length += 8 + start.length + end.length;
  for (const key of batch.deletes ?? []) length += 4 + key.length;
  for (const { key, value } of batch.puts ?? []) length += 8 + key.length + value.length;
  return length;
}

/** Copies the batches into one buffer of their exact size. */
export function packGroup(batches: readonly Batch[]): Buffer {
  let length = 4;
  for (const batch of batches) length += 4 + packedLength(batch);
  const packer = new Packer(length);
  packer.number(batches.length);
  for (const batch of batches) packBatch(packer, batch);
  return packer.target;
}

function packBatch(packer: Packer, batch: Batch): void {
  const start = packer.position;
  packer.number(0);
  packer.number(0);
  packer.number(batch.fromReserve === true ? 1 : 0);
  packer.bytes(batch.fence?.key ?? noFence);
  if (batch.fence !== undefined) packer.bytes(encodeEpoch(batch.fence.epoch));
  packer.number(batch.conditions?.length ?? 0);
  for (const { key, expected } of batch.conditions ?? []) {
    packer.bytes(key);
    if (expected === undefined) packer.number(absent);
    else packer.bytes(expected);
  }
  packer.number(batch.deleteRanges?.length ?? 0);
  for (const range of batch.deleteRanges ?? []) {
    packer.bytes(range.start);
    packer.bytes(range.end);
  }
  packer.number(batch.deletes?.length ?? 0);
  for (const key of batch.deletes ?? []) packer.bytes(key);
  packer.number(batch.puts?.length ?? 0);
  const puts = packer.position;
  for (const { key, value } of batch.puts ?? []) {
    packer.bytes(key);
    packer.bytes(value);
  }
  packer.numberAt(start, packer.position - start - 4);
  // What the batch adds to the store, without the two lengths of each row; 0 when it only deletes.
  packer.numberAt(start + 4, packer.position - puts - 8 * (batch.puts?.length ?? 0));
}

/** One group of what several were packed as, in pieces. */
export function joinGroups(groups: readonly Buffer[]): readonly Buffer[] {
  if (groups.length === 1) return groups;
  const count = Buffer.allocUnsafe(4);
  count.writeUInt32LE(countBatches(groups));
  return [count, ...groups.map((group) => group.subarray(4))];
}

export function countBatches(groups: readonly Buffer[]): number {
  let count = 0;
  for (const group of groups) count += group.readUInt32LE(0);
  return count;
}

/** Reads a packed group front to back; what it gives are views into the group. */
export class GroupReader {
  readonly #source: Buffer;
  #position = 0;

  constructor(source: Buffer) {
    this.#source = source;
  }

  /** One batch, as a reader of its own; this one goes on behind it. */
  batch(): GroupReader {
    return new GroupReader(this.bytes());
  }

  number(): number {
    const value = this.#source.readUInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  bytes(): Buffer {
    const length = this.number();
    return this.#take(length);
  }

  /** What `Condition.expected` was. */
  expected(): Buffer | undefined {
    const length = this.number();
    return length === absent ? undefined : this.#take(length);
  }

  #take(length: number): Buffer {
    const start = this.#position;
    this.#position += length;
    return this.#source.subarray(start, this.#position);
  }
}

export interface UnpackedBatch extends Batch {
  /** What it adds to the store; 0 when it only deletes. */
  readonly putBytes: number;
  readonly fromReserve: boolean;
}

/** The batches of a packed group, without their signals; their bytes are views into the group. */
export function unpackGroup(group: Buffer): UnpackedBatch[] {
  const reader = new GroupReader(group);
  return listOf(reader.number(), () => unpackBatch(reader.batch()));
}

function unpackBatch(reader: GroupReader): UnpackedBatch {
  const putBytes = reader.number();
  const fromReserve = reader.number() === 1;
  const fenceKey = reader.bytes();
  const fence = fenceKey.length === 0 ? {} : { fence: { key: fenceKey, epoch: decodeEpoch(reader.bytes()) } };
  const conditions: Condition[] = listOf(reader.number(), () => ({
    key: reader.bytes(),
    expected: reader.expected(),
  }));
  const deleteRanges = listOf(reader.number(), () => ({ start: reader.bytes(), end: reader.bytes() }));
  const deletes = listOf(reader.number(), () => reader.bytes());
  const puts = listOf(reader.number(), () => ({ key: reader.bytes(), value: reader.bytes() }));
  return { ...fence, conditions, deleteRanges, deletes, puts, fromReserve, putBytes };
}

function listOf<T>(count: number, next: () => T): T[] {
  const list: T[] = [];
  for (let left = count; left > 0; left--) list.push(next());
  return list;
}
