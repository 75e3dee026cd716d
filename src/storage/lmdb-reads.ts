// Reading rows from LMDB on the event loop: the file is mapped, so a warm read is a copy of memory and takes about a
// microsecond. Long lists are read in slices so that nobody else waits (fairness: 5 ms a slice).

import type { Clock } from '../base/clock.ts';
import { Slicer } from '../base/slicer.ts';
import type { Bytes, Entry, Page, PageLimits, Range } from './engine.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';

export type LmdbTransaction = ReturnType<LmdbDatabase['useReadTransaction']>;

/** Up to this many keys are read without a pause: a slicer would cost more than it is good for. */
export const unslicedKeysMax = 32;

function asBuffer(bytes: Bytes): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The value, the caller's own; `transaction` undefined: the newest committed state. */
export function readValue(
  database: LmdbDatabase,
  key: Bytes,
  transaction?: LmdbTransaction,
): Buffer | undefined {
  return database.get(asBuffer(key), transaction === undefined ? undefined : { transaction });
}

/** In the order of `keys`, at one moment when a transaction is given. */
export async function readValues(
  database: LmdbDatabase,
  keys: readonly Bytes[],
  options: { readonly clock: Clock; readonly transaction: () => LmdbTransaction },
): Promise<(Buffer | undefined)[]> {
  const values: (Buffer | undefined)[] = new Array(keys.length);
  const slicer = keys.length > unslicedKeysMax ? new Slicer(options.clock) : undefined;
  for (let index = 0; index < keys.length; index++) {
    if (slicer?.due()) await slicer.rest();
    values[index] = readValue(database, keys[index]!, options.transaction());
  }
  return values;
}

/** One page; the caller's limits keep it short. */
export function readPage(
  database: LmdbDatabase,
  range: Range,
  limits: PageLimits,
  transaction?: LmdbTransaction,
): Page {
  const reverse = range.reverse === true;
  const start = asBuffer(range.start);
  const end = asBuffer(range.end);
  const entries: Entry[] = [];
  if (Buffer.compare(start, end) >= 0) return { entries };
  const bounds = reverse
    ? { start: end, end: start, reverse, exclusiveStart: true, inclusiveEnd: true }
    : { start, end };
  let bytes = 0;
  // Leaving the loop ends the cursor.
  for (const { key, value } of database.getRange(
    transaction === undefined ? bounds : { ...bounds, transaction },
  )) {
    if (entries.length > 0 && (entries.length >= limits.entriesMax || bytes >= limits.bytesMax)) {
      return { entries, next: reverse ? entries.at(-1)!.key : asBuffer(key) };
    }
    entries.push({ key: asBuffer(key), value });
    bytes += value.length;
  }
  return { entries };
}
