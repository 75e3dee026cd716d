// Where the messages of a mailbox are in the index: for each row of its columns a segment's header columns and the place
// in them. What is not indexed yet is analysed here, header only, and kept in the cache until the index has it.
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
  /** Row → its source, -1: none. */
  readonly sourceOf: Int32Array;
  /** Row → its place in the source. */
  readonly placeOf: Int32Array;
}

/** Rows read from the engine at a time. */
const batchRows = 200;

/** `emailIds`: a column of a mailbox. */
export async function mailboxPlaces(emailIds: Float64Array, options: PlacesOptions): Promise<MailboxPlaces> {
  const sourceOf = new Int32Array(emailIds.length).fill(-1);
  const placeOf = new Int32Array(emailIds.length);
  const sources: { info: SegmentInfo | undefined; headers: HeaderColumns }[] = [];
  const place = (headers: HeaderColumns, rows: ArrayLike<number>, info: SegmentInfo | undefined): void => {
    let guess = 0;
    let some = false;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      const found = headers.indexOf(emailIds[row]!, guess);
      if (found < 0) continue;
      sourceOf[row] = sources.length;
      placeOf[row] = found;
      guess = found + 1;
      some = true;
    }
    if (some) sources.push({ info, headers });
  };
  const { segments } = await options.segments.directory();
  const rowsOf = rowsBySegment(emailIds, segments);
  for (const [index, info] of segments.entries()) {
    const rows = rowsOf[index];
    if (rows === undefined) continue;
    const headers = options.segments.headers(info);
    const read = headers instanceof HeaderColumns ? headers : await headers;
    if (read !== undefined) place(read, rows, info);
  }
  const missing = rowsWithout(sourceOf);
  if (missing.length > 0) {
    for (const headers of await analysed(emailIds, missing, options)) place(headers, missing, undefined);
  }
  return { sources, sourceOf, placeOf };
}

function rowsBySegment(emailIds: Float64Array, segments: readonly SegmentInfo[]): (number[] | undefined)[] {
  const rows: (number[] | undefined)[] = [];
  let index = 0;
  for (let row = 0; row < emailIds.length; row++) {
    const emailId = emailIds[row]!;
    if (segments[index] === undefined || emailId < segments[index]!.firstEmailId) index = 0;
    while (index < segments.length && segments[index]!.lastEmailId < emailId) index++;
    if (index === segments.length || emailId < segments[index]!.firstEmailId) continue;
    rows[index] ??= [];
    rows[index]!.push(row);
  }
  return rows;
}

function rowsWithout(sourceOf: Int32Array): number[] {
  const rows: number[] = [];
  for (let row = 0; row < sourceOf.length; row++) if (sourceOf[row]! < 0) rows.push(row);
  return rows;
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
