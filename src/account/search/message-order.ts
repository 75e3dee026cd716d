// Puts messages of a mailbox in order. For each field the rank of every message is worked out once and kept in the cache, and
// sorting is then sorting of small numbers. Texts are merged, for the index has them in order; of numbers those of a delivery
// are put in their places.
// Invariant: equal values have equal ranks; messages that are equal in all fields stand in the mailbox's order, in
// reverse too (RFC 5256 3).

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import type { SortCriterion, SortField } from '../../mail/message-order.ts';
import type { MessageColumns } from '../port.ts';
import type { PlacedMailbox } from '../search-index/mailbox-places.ts';
import { textRanks } from '../search-index/merged-texts.ts';
import type { SearchCache } from '../search-index/search-cache.ts';
import { indexFrom } from '../table/uid-lists.ts';
import { type SortedValues, sortedNumbers, sortedRowsMax, sortRows } from './sorted-rows.ts';

export interface OrderOptions {
  /** The mailbox's columns, the caller's copy. */
  readonly columns: MessageColumns;
  readonly mailbox: PlacedMailbox;
  /** Rows of messages that rank first by relevancy; undefined: none. */
  readonly favoured: Uint32Array | undefined;
  readonly cache: SearchCache;
  /** Names the mailbox in the cache; what is kept is checked against the columns. */
  readonly cacheKey: string;
  readonly clock: Clock;
}

/** Rows of a mailbox by a field. */
interface KeptOrder {
  /** All messages, in order; undefined for texts, which the index has in order. */
  readonly uids: Uint32Array | undefined;
  /** By row of the mailbox as it was. */
  readonly ranks: Int32Array;
  /** With `ranks.length` it tells whether the mailbox has the same messages. */
  readonly lastUid: number;
}

/** `rows` (ascending) in the order of the criteria. */
export async function orderRows(
  rows: Uint32Array,
  criteria: readonly SortCriterion[],
  options: OrderOptions,
): Promise<Uint32Array> {
  const highest = options.columns.uids.length;
  let ordered = rows;
  // From the least important one: each sorting leaves equals as the one before put them.
  for (const { field, reverse } of criteria.toReversed()) {
    const ranks = await fieldRanks(field, options);
    ordered = sortedByRank(ordered, reverse ? reversed(ranks, highest) : ranks, highest);
  }
  return ordered;
}

/** Rows that are compared with one other between two looks at the clock. */
const rowsInStep = 1024;
/** Below this many rows comparing is less work than counting. */
const countedMin = 64;

/** Rows by their ranks (0 to `highest`), equal ones as they stand. */
function sortedByRank(rows: Uint32Array, ranks: Int32Array, highest: number): Uint32Array {
  if (rows.length < countedMin) return rows.slice().sort((a, b) => ranks[a]! - ranks[b]!);
  const next = new Uint32Array(highest + 2);
  for (let at = 0; at < rows.length; at++) next[ranks[rows[at]!]! + 1]!++;
  for (let rank = 1; rank < next.length; rank++) next[rank]! += next[rank - 1]!;
  const sorted = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!;
    sorted[next[ranks[row]!]!++] = row;
  }
  return sorted;
}

function reversed(ranks: Int32Array, highest: number): Int32Array {
  const others = new Int32Array(ranks.length);
  for (let row = 0; row < ranks.length; row++) others[row] = highest - ranks[row]!;
  return others;
}

/** The rank of each row of the mailbox. */
async function fieldRanks(field: SortField, options: OrderOptions): Promise<Int32Array> {
  const { columns, cache, cacheKey } = options;
  const count = columns.uids.length;
  if (field === 'relevancy') {
    const ranks = new Int32Array(count).fill(1);
    for (const row of options.favoured ?? []) ranks[row] = 0;
    return ranks;
  }
  const key = `${cacheKey} ${field}`;
  const kept = cache.get<KeptOrder>(key);
  const lastUid = count === 0 ? 0 : columns.uids[count - 1]!;
  if (kept !== undefined && kept.ranks.length === count && kept.lastUid === lastUid) return kept.ranks;
  const slicer = new Slicer(options.clock);
  const made = isTextField(field)
    ? { uids: undefined, ranks: await textRanks(await options.mailbox.columns(`order ${field}`), slicer) }
    : await numberRanks(await fieldNumbers(field, options), kept, { ...options, slicer });
  const bytes = made.ranks.byteLength + (made.uids?.byteLength ?? 0) + 200;
  cache.set(key, { ...made, lastUid } satisfies KeptOrder, bytes);
  return made.ranks;
}

async function numberRanks(
  values: SortedValues,
  kept: KeptOrder | undefined,
  options: OrderOptions & { readonly slicer: Slicer },
): Promise<Pick<KeptOrder, 'uids' | 'ranks'>> {
  const { uids: all } = options.columns;
  const order = await orderOf(values, kept, options);
  const ranks = new Int32Array(all.length);
  for (let at = 1, rank = 0; at < all.length; at++) {
    if (values.compare(order[at - 1]!, order[at]!) !== 0) rank++;
    ranks[order[at]!] = rank;
    if (at % rowsInStep === 0 && options.slicer.due()) await options.slicer.rest();
  }
  const uids = new Uint32Array(all.length);
  for (let at = 0; at < all.length; at++) uids[at] = all[order[at]!]!;
  return { uids, ranks };
}

type NumberField = 'arrival' | 'size' | 'date';
type TextField = Exclude<SortField, NumberField | 'relevancy'>;

function isTextField(field: NumberField | TextField): field is TextField {
  return field !== 'arrival' && field !== 'size' && field !== 'date';
}

async function fieldNumbers(field: NumberField, { columns, mailbox }: OrderOptions): Promise<SortedValues> {
  switch (field) {
    case 'arrival':
      return sortedNumbers(columns.internalDates);
    case 'size':
      return sortedNumbers(columns.sizes);
    case 'date':
      return sortedNumbers(await sentSeconds(mailbox, columns));
  }
}

/** RFC 5256 2.2: the Date header's instant, or the internal date. By row. */
export async function sentSeconds(mailbox: PlacedMailbox, columns: MessageColumns): Promise<Float64Array> {
  const seconds = columns.internalDates.slice();
  const placed = await mailbox.columns('sentSeconds');
  placed.runs.each((source, row, place, length) => {
    const sent = placed.columns[source]!;
    for (let at = 0; at < length; at++) {
      const value = sent[place + at]!;
      if (!Number.isNaN(value)) seconds[row + at] = value;
    }
  });
  return seconds;
}

/** All rows in order: what was kept is used again when most of it is still true. */
async function orderOf(
  values: SortedValues,
  kept: KeptOrder | undefined,
  options: OrderOptions,
): Promise<Uint32Array> {
  const { columns } = options;
  const count = columns.uids.length;
  const keptUids = kept?.uids;
  if (keptUids !== undefined && keptUids.length * 2 > count) {
    const firstNew = indexFrom(columns.uids, kept!.lastUid + 1);
    if ((count - firstNew) * 4 < count) {
      const known = keptUids
        .map((uid) => indexFrom(columns.uids, uid))
        .filter((row, at) => columns.uids[row] === keptUids[at]);
      const added = await sortedFrom(firstNew, values, options);
      // A message that was missing then (its host had not caught up) makes the kept order useless.
      if (known.length + added.length === count)
        return merged(known, added, { values, slicer: new Slicer(options.clock) });
    }
  }
  return sortedFrom(0, values, options);
}

async function merged(
  left: Uint32Array,
  right: Uint32Array,
  { values, slicer }: { readonly values: SortedValues; readonly slicer: Slicer },
): Promise<Uint32Array> {
  const all = new Uint32Array(left.length + right.length);
  for (let l = 0, r = 0, at = 0; at < all.length; at++) {
    // Rows on the left come first.
    const takesLeft = r === right.length || (l < left.length && values.compare(left[l]!, right[r]!) <= 0);
    all[at] = takesLeft ? left[l++]! : right[r++]!;
    if (at % rowsInStep === 0 && slicer.due()) await slicer.rest();
  }
  return all;
}

/** The rows from `first` on. */
async function sortedFrom(
  first: number,
  values: SortedValues,
  { columns, clock }: OrderOptions,
): Promise<Uint32Array> {
  const end = columns.uids.length;
  const slicer = new Slicer(clock);
  let runs: Uint32Array[] = [];
  for (let start = first; start < end; start += sortedRowsMax) {
    const run = new Uint32Array(Math.min(sortedRowsMax, end - start));
    for (let at = 0; at < run.length; at++) run[at] = start + at;
    runs.push(sortRows(run, values));
    if (slicer.due()) await slicer.rest();
  }
  while (runs.length > 1) {
    const next: Uint32Array[] = [];
    for (let at = 0; at < runs.length; at += 2) {
      const right = runs[at + 1];
      next.push(right === undefined ? runs[at]! : await merged(runs[at]!, right, { values, slicer }));
    }
    runs = next;
  }
  return runs[0] ?? new Uint32Array();
}
