// Where the messages of a mailbox are in the index: for each row of its columns a segment's header columns and the place
// in them, in runs. What is not indexed yet is analysed here, header only, and kept in the cache until the index has it.
// Invariant: every row has a place, but those whose message is gone or cannot be read.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { Slicer } from '../../base/slicer.ts';
import { headerFields } from '../../mail/header.ts';
import { unlessDamaged } from '../../storage/record.ts';
import { decodeSummaryRecord } from '../email-record.ts';
import { type ReaderContext, readEmail } from '../message-reader.ts';
import { summaryHeader, summaryHeaderBlock, summaryStructure } from '../summary.ts';
import { headerRow } from './analyse-message.ts';
import { HeaderColumns, type HeaderRow, packHeaders } from './header-columns.ts';
import { equalLength, PlaceRuns } from './place-runs.ts';
import type { SearchCache } from './search-cache.ts';
import type { SegmentInfo } from './segment-directory.ts';
import type { SegmentReader } from './segment-reader.ts';

export interface PlacesOptions extends ReaderContext {
  readonly clock: Clock;
  readonly cache: SearchCache;
  /** Before this account's keys in the cache. */
  readonly space: string;
  readonly segments: SegmentReader;
}

export interface MailboxPlaces {
  /** Those that hold messages of the mailbox. `info` undefined: analysed for now, without terms. */
  readonly sources: readonly { readonly info: SegmentInfo | undefined; readonly headers: HeaderColumns }[];
  /** Of the mailbox. */
  readonly rows: number;
  readonly runs: PlaceRuns;
}

/** Rows read from the engine at a time. */
const batchRows = 200;

/** `emailIds`: a column of a mailbox. */
export async function mailboxPlaces(emailIds: Float64Array, options: PlacesOptions): Promise<MailboxPlaces> {
  const runs = new PlaceRuns();
  const sources: { info: SegmentInfo | undefined; headers: HeaderColumns }[] = [];
  const { segments } = await options.segments.directory();
  /** By segment; -1: it cannot be read. */
  const sourceOf = new Int32Array(segments.length).fill(unknownSource);
  const missing: number[] = [];
  let segment = 0;
  for (let row = 0; row < emailIds.length; ) {
    const emailId = emailIds[row]!;
    segment = segmentOf(emailId, segments, segment);
    if (segment >= 0 && sourceOf[segment] === unknownSource) {
      const info = segments[segment]!;
      const opened = options.segments.headers(info);
      const headers = opened instanceof HeaderColumns ? opened : await opened;
      sourceOf[segment] = headers === undefined ? -1 : sources.push({ info, headers }) - 1;
    }
    const source = segment < 0 ? -1 : sourceOf[segment]!;
    const length =
      source < 0 ? 0 : addRun(runs, emailIds, { row, source, headers: sources[source]!.headers });
    if (length === 0) missing.push(row);
    row += Math.max(1, length);
  }
  if (missing.length > 0) {
    for (const headers of await analysed(emailIds, missing, options)) {
      const source = sources.push({ info: undefined, headers }) - 1;
      for (const row of missing) {
        const place = headers.indexOf(emailIds[row]!, 0);
        if (place >= 0) runs.add(source, row, place, 1);
      }
    }
  }
  return { sources, rows: emailIds.length, runs };
}

const unknownSource = -2;

/** The segment that may hold an email, -1: none; `guess` is tried first. */
function segmentOf(emailId: number, segments: readonly SegmentInfo[], guess: number): number {
  const isIn = (index: number): boolean => {
    const segment = segments[index];
    return segment !== undefined && segment.firstEmailId <= emailId && emailId <= segment.lastEmailId;
  };
  if (isIn(guess)) return guess;
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (segments[middle]!.lastEmailId < emailId) low = middle + 1;
    else high = middle;
  }
  return isIn(low) ? low : -1;
}

/** How many rows from `row` on were found in a row in the source. */
function addRun(
  runs: PlaceRuns,
  emailIds: Float64Array,
  { row, source, headers }: { row: number; source: number; headers: HeaderColumns },
): number {
  const ids = headers.emailIds;
  const place = headers.indexOf(emailIds[row]!, runs.placeAfter(source, row));
  if (place < 0) return 0;
  const length = equalLength(emailIds, row, { ids, place });
  runs.add(source, row, place, length);
  return length;
}

/** Header columns made for now; those made before are used again. */
async function analysed(
  emailIds: Float64Array,
  rows: readonly number[],
  options: PlacesOptions,
): Promise<readonly HeaderColumns[]> {
  const key = `${options.space}analysed`;
  const { indexedThrough } = await options.segments.directory();
  const before = options.cache.get<HeaderColumns[]>(key) ?? [];
  // What the index has meanwhile is of no more use here.
  const known = before.filter(({ emailIds: ids }) => ids[ids.length - 1]! > indexedThrough);
  const wanted = new Set<number>();
  for (const row of rows) wanted.add(emailIds[row]!);
  for (const { emailIds: ids } of known) for (const emailId of ids) wanted.delete(emailId);
  if (wanted.size === 0) return known;
  const made = await analyseHeaders(
    [...wanted].sort((a, b) => a - b),
    options,
  );
  const all = made.length === 0 ? known : [...known, new HeaderColumns(packHeaders(made))];
  // Many small ones are put into one, so that each search looks into few.
  const merged = all.length < 8 ? all : [new HeaderColumns(packHeaders(rowsOfAll(all)))];
  options.cache.set(
    key,
    merged,
    merged.reduce((sum, headers) => sum + headers.bytes, 0),
  );
  return merged;
}

function rowsOfAll(columns: readonly HeaderColumns[]): HeaderRow[] {
  const rows = columns.flatMap((headers) =>
    Array.from({ length: headers.count }, (_, at) => headers.row(at)),
  );
  return rows.sort((a, b) => a.emailId - b.emailId);
}

async function analyseHeaders(emailIds: readonly number[], options: PlacesOptions): Promise<HeaderRow[]> {
  const slicer = new Slicer(options.clock);
  const rows: HeaderRow[] = [];
  for (let start = 0; start < emailIds.length; start += batchRows) {
    const batch = emailIds.slice(start, start + batchRows);
    const values = await options.engine.getMany(batch.map((emailId) => options.keys.summary(emailId)));
    for (const [index, emailId] of batch.entries()) {
      const value = values[index];
      const record = value === undefined ? undefined : unlessDamaged(() => decodeSummaryRecord(value));
      const header = record && (await headerOf(emailId, record.summary, options));
      if (header !== undefined) rows.push(headerRow({ emailId, threadId: record!.threadId, ...header }));
      if (slicer.due()) await slicer.rest();
    }
  }
  return rows;
}

/** Undefined: gone, or not to be read; a search of it says so. */
async function headerOf(emailId: number, summary: Uint8Array, options: PlacesOptions) {
  try {
    const block = summaryHeaderBlock(summary);
    const kept = summaryHeader(summary);
    if (kept !== undefined) return { bytes: kept, block: block ?? headerFields(kept) };
    const length = block?.end ?? summaryStructure(summary).root.headerEnd;
    const bytes = await readEmail(options, emailId, { offset: 0, length });
    return bytes && { bytes, block: block ?? headerFields(bytes) };
  } catch (error) {
    if (error instanceof Fault && !error.temporary) return undefined;
    throw error;
  }
}
