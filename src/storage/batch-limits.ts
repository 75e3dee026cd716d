// What every engine asks of a batch before it takes it, in one place so that all engines refuse the same.
// A key or value out of bounds is a bug of the caller, never of somebody's mail: it fails an assertion.

import { assert } from '../base/assert.ts';
import { type Batch, type Bytes, keyBytesMax, valueBytesMax } from './engine.ts';

/** A row costs this much beyond its bytes while a batch waits (lengths, objects); keeps a queue of tiny rows bounded. */
const rowOverheadBytes = 16;

function keyBytes(key: Bytes): number {
  // The text is made for those alone that fail: each row of each commit comes by here.
  if (key.length === 0 || key.length > keyBytesMax) assert(false, `key of ${key.length} bytes`);
  return key.length + rowOverheadBytes;
}

function rangeBytes(start: Bytes, end: Bytes): number {
  // One byte more than a key: the end behind the longest one (tuplePrefixRange).
  assert(Math.max(start.length, end.length) <= keyBytesMax + 1, 'range bound is too long');
  return start.length + end.length + rowOverheadBytes;
}

/** Checks every key and value; returns about how many bytes the batch takes in a queue. */
export function measureBatch(batch: Batch): number {
  let bytes = rowOverheadBytes;
  if (batch.fence !== undefined) bytes += keyBytes(batch.fence.key);
  for (const { key, expected } of batch.conditions ?? []) bytes += keyBytes(key) + (expected?.length ?? 0);
  for (const { start, end } of batch.deleteRanges ?? []) bytes += rangeBytes(start, end);
  for (const key of batch.deletes ?? []) bytes += keyBytes(key);
  for (const { key, value } of batch.puts ?? []) {
    if (value.length > valueBytesMax) assert(false, `value of ${value.length} bytes`);
    bytes += keyBytes(key) + value.length;
  }
  return bytes;
}
