// Copies a whole store from one engine to another: from the embedded engine to PostgreSQL, and back.
//
// Invariants: nobody else writes to either store meanwhile (the embedded engine is locked by being open; nodes must be off).
// How far the copy got is a row of the target, changed with every batch on condition that it is as it was left, so a copy
// that was broken off goes on where it stopped and two copies never mix; while the row is there the target is no whole
// store, and `isCopyUnfinished` says so to whoever opens it. The row goes only after all rows of both stores were read again
// and gave the same digest. A failure leaves the row.

import { createHash } from 'node:crypto';
import { Fault } from '../base/fault.ts';
import type { Bytes, Engine, Entry, Reader } from './engine.ts';
import { decodeRecord, encodeRecord } from './record.ts';
import { encodeTuple } from './tuple.ts';

/** One commit of the target; also what is in memory at once. */
const pageLimits = { entriesMax: 1000, bytesMax: 4 * 1024 * 1024 };
const progressVersion = 1;
const progressKey = encodeTuple(['storeCopy']);
const markerKey = encodeTuple(['store']);
/** All keys: the empty one is no key, and no tuple begins with 0xff. */
const allRows = { start: Buffer.alloc(0), end: Buffer.of(0xff) };

export interface CopyProgress {
  readonly phase: 'copying' | 'verifying';
  readonly rows: number;
  readonly bytes: number;
}

export interface CopyOptions {
  readonly source: Engine;
  readonly target: Engine;
  /** Told after every page. */
  readonly progress?: (progress: CopyProgress) => void;
}

export interface CopyResult {
  /** Of the whole store, as read back. */
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 over all keys and values, in hexadecimal: the same for both stores. */
  readonly digest: string;
  /** Whether it went on with a copy that had been broken off. */
  readonly resumed: boolean;
}

/** Whether the store is the target of a copy that did not come to its end: it must not be served. */
export async function isCopyUnfinished(engine: Reader): Promise<boolean> {
  return (await engine.get(progressKey)) !== undefined;
}

/** Rejects with Fault when the target holds another store, or what was read back is not what was to be copied. */
export async function copyStore({ source, target, progress = () => {} }: CopyOptions): Promise<CopyResult> {
  if (await isCopyUnfinished(source)) {
    throw new Fault('the source is itself a copy that was not finished', { temporary: false });
  }
  const left = await target.get(progressKey);
  if (left === undefined && !(await isEmpty(target))) {
    throw new Fault('the target is not empty: a store is copied into an empty one', { temporary: false });
  }
  const state = await copyRows(source, target, left, progress);
  const digests = await verifyCopy(source, target, progress);
  const end = { conditions: [{ key: progressKey, expected: state }], deletes: [progressKey] };
  if ((await target.commit(end)).outcome !== 'committed') throw rival();
  return { ...digests, resumed: left !== undefined };
}

function rival(): Fault {
  return new Fault('somebody else copies into this store', { temporary: false });
}

/** Rows under ('store', …) are an engine's own: how far LMDB's file follows its journal. Of no meaning, and of harm, elsewhere. */
function isCopied({ key }: Entry): boolean {
  const isUnderMarker = Buffer.compare(key.subarray(0, markerKey.length), markerKey) === 0;
  return isUnderMarker ? key.length === markerKey.length : Buffer.compare(key, progressKey) !== 0;
}

/** Opening an engine may have made the row that names its format. */
async function isEmpty(engine: Engine): Promise<boolean> {
  const { entries } = await engine.page(allRows, { entriesMax: 10, bytesMax: 10_000 });
  return entries.every((entry) => !isCopied(entry) || Buffer.compare(entry.key, markerKey) === 0);
}

/** Returns the progress row as it was left. */
async function copyRows(
  source: Engine,
  target: Engine,
  left: Bytes | undefined,
  progress: (progress: CopyProgress) => void,
): Promise<Bytes> {
  let state = left;
  let start: Bytes =
    left === undefined ? allRows.start : decodeRecord('storeCopy', progressVersion, left).payload;
  let rows = 0;
  let bytes = 0;
  for (;;) {
    const page = await source.page({ start, end: allRows.end }, pageLimits);
    const entries = page.entries.filter(isCopied);
    // At the end of all rows nothing is left to copy: a copy that is resumed there only verifies.
    const next = page.next ?? allRows.end;
    const value = encodeRecord('storeCopy', progressVersion, Buffer.from(next));
    const result = await target.commit({
      conditions: [{ key: progressKey, expected: state }],
      puts: [...entries, { key: progressKey, value }],
    });
    if (result.outcome !== 'committed') throw rival();
    state = value;
    rows += entries.length;
    bytes += sizeOf(entries);
    progress({ phase: 'copying', rows, bytes });
    if (page.next === undefined) return state;
    start = page.next;
  }
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

interface StoreDigest {
  readonly rows: number;
  readonly bytes: number;
  readonly digest: string;
}

async function verifyCopy(
  source: Engine,
  target: Engine,
  progress: (progress: CopyProgress) => void,
): Promise<StoreDigest> {
  const wanted = await digestStore(source);
  const found = await digestStore(target, progress);
  if (found.digest !== wanted.digest) {
    const counts = `${wanted.rows} rows were to be copied, ${found.rows} are there`;
    throw new Fault(`the copy differs from the store it was made of: ${counts}`, { temporary: false });
  }
  return found;
}

/** Over every row that is copied, in the order of the keys, each part behind its length. */
async function digestStore(
  engine: Engine,
  progress: (progress: CopyProgress) => void = () => {},
): Promise<StoreDigest> {
  const hash = createHash('sha256');
  const lengths = Buffer.alloc(8);
  let rows = 0;
  let bytes = 0;
  for (let start: Bytes | undefined = allRows.start; start !== undefined; ) {
    const page = await engine.page({ start, end: allRows.end }, pageLimits);
    for (const { key, value } of page.entries.filter(isCopied)) {
      lengths.writeUInt32BE(key.length, 0);
      lengths.writeUInt32BE(value.length, 4);
      hash.update(lengths).update(key).update(value);
      rows++;
      bytes += key.length + value.length;
    }
    progress({ phase: 'verifying', rows, bytes });
    start = page.next;
  }
  return { rows, bytes, digest: hash.digest('hex') };
}
