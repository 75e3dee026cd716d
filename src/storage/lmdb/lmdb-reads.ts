// Reading rows from LMDB on the event loop: the file is mapped, so a warm read is a copy of memory and takes about a
// microsecond. What is not in the file yet lies over it (unflushed-rows.ts). Long lists are read in slices so that nobody
// else waits (fairness: 5 ms a slice).

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import { asBuffer } from '../../mail/bytes.ts';
import type { Bytes, Entry, Page, PageLimits, Range } from '../engine.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';
import {
  deleted,
  keyText,
  type UnflushedLayers,
  type UnflushedPart,
  type UnflushedValue,
} from './unflushed-rows.ts';

/** lmdb-js counts who uses a transaction; its types leave `use` out. */
export type LmdbTransaction = ReturnType<LmdbDatabase['useReadTransaction']> & { use(): void };

/** The store as it is read in this turn: the file, and what lies over it. */
export interface LmdbView {
  readonly database: LmdbDatabase;
  /** Without a transaction it is the one that lmdb-js takes for each turn. */
  readonly options: { readonly transaction?: LmdbTransaction };
  readonly unflushed: UnflushedLayers;
}

/** One moment of the store, for as long as its transaction is held. */
export interface LmdbMoment extends LmdbView {
  readonly options: { readonly transaction: LmdbTransaction };
}

/** Holds the newest state of the file, until it is `done`. */
export function newestTransaction(database: LmdbDatabase): LmdbTransaction {
  // Else it would be the one that is held already, and its moment.
  database.resetReadTxn();
  return database.useReadTransaction() as LmdbTransaction;
}

/** Up to this many keys are read without a pause: a slicer would cost more than it is good for. */
export const unslicedKeysMax = 32;
/** Read between two looks at the clock. */
const keysPerLook = 8;

/** The value, the caller's own. */
export function readValue({ database, options, unflushed }: LmdbView, key: Bytes): Buffer | undefined {
  if (!unflushed.isEmpty) {
    const value = unflushed.find(key);
    if (value !== undefined) return value === deleted ? undefined : Buffer.from(value);
  }
  return database.get(asBuffer(key), options);
}

/** In the order of `keys`, all at the moment that `moment` gives each time. */
export async function readValues(
  keys: readonly Bytes[],
  { clock, moment }: { readonly clock: Clock; readonly moment: () => LmdbMoment },
): Promise<(Buffer | undefined)[]> {
  const values: (Buffer | undefined)[] = new Array(keys.length);
  const slicer = keys.length > unslicedKeysMax ? new Slicer(clock) : undefined;
  for (let index = 0; index < keys.length; index++) {
    if (index % keysPerLook === 0 && slicer?.due()) await slicer.rest();
    values[index] = readValue(moment(), keys[index]!);
  }
  return values;
}

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The file's rows of a range, in its order. Ending the loop over it ends the cursor. */
function fileRows({ database, options }: LmdbView, start: Buffer, end: Buffer, reverse: boolean) {
  const bounds = reverse
    ? { start: end, end: start, reverse, exclusiveStart: true, inclusiveEnd: true }
    : { start, end };
  return database.getRange({ ...bounds, ...options });
}

/** Rows that lie over the file, in the order of the range. */
interface UnflushedRange {
  readonly rows: ReadonlyMap<string, UnflushedValue>;
  readonly keys: readonly string[];
  readonly reverse: boolean;
  /** Which key comes next. */
  next: number;
}

/** Those before `key`; all that are left when it is undefined. */
function* unflushedUntil(range: UnflushedRange, key: string | undefined): Generator<Row> {
  const { rows, keys, reverse } = range;
  for (; range.next < keys.length; range.next++) {
    const text = keys[range.next]!;
    if (key !== undefined && (reverse ? text <= key : text >= key)) return;
    const value = rows.get(text)!;
    if (value !== deleted) yield { key: Buffer.from(text, 'latin1'), value: Buffer.from(value) };
  }
}

/** The rows of a range with what lies over the file. */
function* mergedRows(files: Iterable<Row>, { rows, hides }: UnflushedPart, reverse: boolean): Generator<Row> {
  const keys = [...rows.keys()].sort();
  if (reverse) keys.reverse();
  const unflushed: UnflushedRange = { rows, keys, reverse, next: 0 };
  for (const { key, value } of files) {
    const text = keyText(key);
    yield* unflushedUntil(unflushed, text);
    if (!rows.has(text) && !hides(text)) yield { key: asBuffer(key), value };
  }
  yield* unflushedUntil(unflushed, undefined);
}

/** One page; the caller's limits keep it short. */
export function readPage(moment: LmdbView, range: Range, limits: PageLimits): Page {
  const reverse = range.reverse === true;
  const start = asBuffer(range.start);
  const end = asBuffer(range.end);
  const entries: Entry[] = [];
  if (Buffer.compare(start, end) >= 0) return { entries };
  const { unflushed } = moment;
  const part = unflushed.isEmpty ? undefined : unflushed.within(keyText(start), keyText(end));
  const files = fileRows(moment, start, end, reverse);
  const rows = part === undefined ? files : mergedRows(files, part, reverse);
  let bytes = 0;
  for (const { key, value } of rows) {
    if (entries.length > 0 && (entries.length >= limits.entriesMax || bytes >= limits.bytesMax)) {
      return { entries, next: reverse ? entries.at(-1)!.key : asBuffer(key) };
    }
    entries.push({ key: asBuffer(key), value });
    bytes += value.length;
  }
  return { entries };
}
