// Where a shard's epoch lives and how it is written: eight bytes, big-endian, under ('fence', shard). Raising it is
// an ordinary commit with a condition on the old value; from that moment every batch of the older epoch is refused.

import { assert } from '../base/assert.ts';
import type { Epoch, ShardId } from '../mail/ids.ts';
import type { Bytes, Condition, Entry, Fence } from './engine.ts';
import { encodeTuple } from './tuple.ts';

export function fenceKey(shard: ShardId): Bytes {
  return encodeTuple(['fence', shard]);
}

export function fenceFor(shard: ShardId, epoch: Epoch): Fence {
  return { key: fenceKey(shard), epoch };
}

export function encodeEpoch(epoch: Epoch): Bytes {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(epoch));
  return bytes;
}

/** The epoch in a fence row; 0 when there is no row: nobody ever held the shard. */
export function decodeEpoch(value: Bytes | undefined): Epoch {
  if (value === undefined) return 0 as Epoch;
  assert(value.length === 8, `fence row of ${value.length} bytes`);
  return Number(Buffer.from(value.buffer, value.byteOffset, 8).readBigUInt64BE()) as Epoch;
}

/** The condition and the put that take a shard from one epoch to a higher one. */
export function raiseEpoch(
  shard: ShardId,
  from: Bytes | undefined,
  to: Epoch,
): { condition: Condition; put: Entry } {
  const key = fenceKey(shard);
  return { condition: { key, expected: from }, put: { key, value: encodeEpoch(to) } };
}
