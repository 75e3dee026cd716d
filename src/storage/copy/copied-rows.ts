// Which rows of a store go along when it is copied to another engine. Blobs go by themselves (copied-blobs.ts), because
// each side may keep them in another form.
//
// Invariant: every key is in a copied range, in a range that stays behind, or a blob's; a kind of rows that is not named
// here is copied, so that one that was forgotten is never lost. Fences are copied: a shard's epoch must only rise, and the
// first server on the copy raises it above what the source's last one had.

import type { Bytes, Engine, Entry, PageLimits, Range, Reader } from '../engine.ts';
import { encodeTuple, tuplePrefixRange } from '../tuple.ts';

/** What stays behind, by the first element of its keys, for the reasons that docs/store-copy.md gives. */
const kindsLeftBehind = {
  /** The format's marker, and how far LMDB's file follows its journal: each store has its own. */
  engine: 'store',
  copy: 'storeCopy',
  /** Nodes, controller and shard owners: of a cluster that does not run on the copy. */
  cluster: 'cluster',
  /** The cluster's authority with its key, enrolled nodes and join tokens: two stores with one authority would be two clusters whose nodes trust each other. */
  authority: 'authority',
} as const;

export interface LeftBehind {
  readonly cluster: number;
  readonly authority: number;
}

/** One read or commit; also what is in memory at once. */
export const copyPageLimits: PageLimits = { entriesMax: 1000, bytesMax: 4 * 1024 * 1024 };
const countLimits: PageLimits = { entriesMax: 5000, bytesMax: 16 * 1024 * 1024 };

interface KeyRange {
  readonly start: Bytes;
  readonly end: Bytes;
}

/** The empty key is none, and no tuple begins with 0xff. */
const first: Bytes = Buffer.alloc(0);
const last: Bytes = Buffer.of(0xff);

function rangesBetween(kinds: readonly string[]): KeyRange[] {
  const taken = kinds.map((kind) => tuplePrefixRange([kind]));
  taken.sort((one, other) => Buffer.compare(one.start, other.start));
  const starts = [first, ...taken.map(({ end }) => end)];
  const ends = [...taken.map(({ start }) => start), last];
  return starts.map((start, index) => ({ start, end: ends[index]! }));
}

const copiedRanges = rangesBetween([...Object.values(kindsLeftBehind), 'blob', 'blobChunk']);
const rangesOfAnyStore = rangesBetween([kindsLeftBehind.engine, kindsLeftBehind.copy]);

export interface CopiedPage {
  readonly entries: readonly Entry[];
  /** Where the next page starts; behind the last one, a key behind all. */
  readonly next: Bytes;
}

/** Rows that are copied, in the order of their keys, from a key on. */
export async function* copiedPages(reader: Reader, from: Bytes = first): AsyncGenerator<CopiedPage> {
  for (const range of copiedRanges) yield* pages(reader, range, from);
}

/** The epochs that shards are at. */
export function fencePages(reader: Reader): AsyncGenerator<CopiedPage> {
  return pages(reader, tuplePrefixRange(['fence']), first);
}

async function* pages(reader: Reader, range: KeyRange, from: Bytes): AsyncGenerator<CopiedPage> {
  let start: Bytes | undefined = Buffer.compare(from, range.start) > 0 ? from : range.start;
  while (start !== undefined && Buffer.compare(start, range.end) < 0) {
    const page = await reader.page({ start, end: range.end }, copyPageLimits);
    yield { entries: page.entries, next: page.next ?? range.end };
    start = page.next;
  }
}

export async function countLeftBehind(reader: Reader): Promise<LeftBehind> {
  const count = async (kind: string): Promise<number> => {
    const range: Range & KeyRange = tuplePrefixRange([kind]);
    let rows = 0;
    for (let start: Bytes | undefined = range.start; start !== undefined; ) {
      const page = await reader.page({ start, end: range.end }, countLimits);
      rows += page.entries.length;
      start = page.next;
    }
    return rows;
  };
  return { cluster: await count(kindsLeftBehind.cluster), authority: await count(kindsLeftBehind.authority) };
}

/** Nothing is there but what opening an engine or copying puts there. */
export async function isEmptyStore(engine: Engine): Promise<boolean> {
  for (const range of rangesOfAnyStore) {
    const { entries } = await engine.page(range, { entriesMax: 1, bytesMax: 1 });
    if (entries.length > 0) return false;
  }
  return true;
}

export const copyProgressKey: Bytes = encodeTuple([kindsLeftBehind.copy]);
