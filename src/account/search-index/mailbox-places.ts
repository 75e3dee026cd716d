// Where the messages of a mailbox are in the index: for each row of its columns a segment's header columns and the place
// in them, in runs. What is not indexed yet is analysed here, header only, and kept in the cache until the index has it.
// Invariant: every row has a place, but those whose message is gone or cannot be read.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { Slicer } from '../../base/slicer.ts';
import { type ReaderContext, soundSummary, storedHeader } from '../reading/message-reader.ts';
import { headerRow } from './analyse-message.ts';
import {
  type HeaderColumn,
  type HeaderColumnName,
  HeaderColumns,
  type HeaderRow,
  packHeaders,
} from './header-columns.ts';
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

/** Messages of the mailbox are in this. */
interface PlaceSource {
  /** Undefined: analysed for now, without terms. */
  readonly info: SegmentInfo | undefined;
  readonly emailIds: Float64Array;
  /** What was analysed. */
  readonly made: HeaderColumns | undefined;
}

interface MailboxPlaces {
  readonly sources: readonly PlaceSource[];
  readonly runs: PlaceRuns;
}

/** A column of each source, and where the mailbox's rows are in them. */
export interface PlacedColumns<Name extends HeaderColumnName> {
  readonly rows: number;
  readonly runs: PlaceRuns;
  readonly columns: readonly HeaderColumn<Name>[];
}

/** One mailbox at one moment, for one request. */
export class PlacedMailbox {
  readonly #emailIds: Float64Array;
  readonly #options: PlacesOptions;
  #places: Promise<MailboxPlaces> | undefined;
  /** Of the index, when places were last looked for. */
  #changes = 0;

  /** `emailIds`: the mailbox's column. */
  constructor(emailIds: Float64Array, options: PlacesOptions) {
    this.#emailIds = emailIds;
    this.#options = options;
  }

  get rows(): number {
    return this.#emailIds.length;
  }

  places(): Promise<MailboxPlaces> {
    this.#places ??= mailboxPlaces(this.#emailIds, this.#options);
    return this.#places;
  }

  /** Places are looked for again when a segment turns out to be broken, and when the index was changed meanwhile. */
  async columns<Name extends HeaderColumnName>(name: Name): Promise<PlacedColumns<Name>> {
    const { segments } = this.#options;
    for (;;) {
      const { changes } = segments;
      if (changes !== this.#changes) this.#places = undefined;
      this.#changes = changes;
      const { sources, runs } = await this.places();
      const infos = sources.flatMap(({ info }) => info ?? []);
      const read = await segments.columns(infos, name);
      if (read !== undefined && segments.changes === changes) {
        // Segments come first, then what was made.
        const made = sources.flatMap((source) => source.made?.column(name) ?? []);
        return { rows: this.rows, runs, columns: [...read, ...made] };
      }
      this.#places = undefined;
    }
  }
}

/** Rows read from the engine at a time. */
const batchRows = 200;

/** Rows, at the most, of header columns that are made for now: they are packed at once. */
const madeRowsMax = 2048;
/** So many that are this small are put into one, so that each search looks into few. */
const smallRows = 512;
const smallMax = 8;
/** Rows that are looked up between two looks at the clock. */
const rowsInStep = 256;

async function mailboxPlaces(emailIds: Float64Array, options: PlacesOptions): Promise<MailboxPlaces> {
  const slicer = new Slicer(options.clock);
  const runs = new PlaceRuns();
  const sources: PlaceSource[] = [];
  const { segments } = await options.segments.directory();
  /** By segment; -1: it cannot be read. */
  const sourceOf = new Int32Array(segments.length).fill(unknownSource);
  const missing: number[] = [];
  let segment = 0;
  for (let row = 0; row < emailIds.length; ) {
    const emailId = emailIds[row]!;
    segment = segmentOf(emailId, segments, segment);
    if (segment >= 0 && sourceOf[segment] === unknownSource) {
      await openSource(sources, sourceOf, { info: segments[segment]!, segment, options });
    }
    const source = segment < 0 ? -1 : sourceOf[segment]!;
    const length = source < 0 ? 0 : addRun(runs, emailIds, { row, source, ids: sources[source]!.emailIds });
    if (length === 0) missing.push(row);
    row += Math.max(1, length);
    if (missing.length % rowsInStep === 0 && slicer.due()) await slicer.rest();
  }
  const made = missing.length === 0 ? [] : await analysed(emailIds, missing, options);
  for (const headers of made) {
    const ids = headers.emailIds;
    const source = sources.push({ info: undefined, emailIds: ids, made: headers }) - 1;
    for (const [at, row] of missing.entries()) {
      const emailId = emailIds[row]!;
      if (at % rowsInStep === 0 && slicer.due()) await slicer.rest();
      if (emailId < ids[0]! || emailId > ids[ids.length - 1]!) continue;
      const place = placeOf(emailId, ids, runs.placeAfter(source, row));
      if (place >= 0) runs.add(source, row, place, 1);
    }
  }
  return { sources, runs };
}

async function openSource(
  sources: PlaceSource[],
  sourceOf: Int32Array,
  { info, segment, options }: { info: SegmentInfo; segment: number; options: PlacesOptions },
): Promise<void> {
  const isBroken = options.segments.isBroken(info);
  const read = isBroken ? undefined : await options.segments.columns([info], 'emailIds');
  sourceOf[segment] =
    read === undefined ? -1 : sources.push({ info, emailIds: read[0]!, made: undefined }) - 1;
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
  { row, source, ids }: { row: number; source: number; ids: Float64Array },
): number {
  const place = placeOf(emailIds[row]!, ids, runs.placeAfter(source, row));
  if (place < 0) return 0;
  const length = equalLength(emailIds, row, { ids, place });
  runs.add(source, row, place, length);
  return length;
}

/** The place of an email among ascending ones, -1 when it is not there; `guess` is tried first: lists are mostly runs. */
function placeOf(emailId: number, emailIds: Float64Array, guess: number): number {
  if (emailIds[guess] === emailId) return guess;
  let low = 0;
  let high = emailIds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (emailIds[middle]! < emailId) low = middle + 1;
    else high = middle;
  }
  return emailIds[low] === emailId ? low : -1;
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
  const slicer = new Slicer(options.clock);
  const wanted = new Set<number>();
  for (const [at, row] of rows.entries()) {
    wanted.add(emailIds[row]!);
    if (at % rowsInStep === 0 && slicer.due()) await slicer.rest();
  }
  for (const { emailIds: ids } of known) {
    for (const emailId of ids) wanted.delete(emailId);
    if (slicer.due()) await slicer.rest();
  }
  if (wanted.size === 0) return known;
  const all = [...known, ...(await analyseHeaders(Float64Array.from(wanted).sort(), options))];
  const small = all.filter(({ emailIds: ids }) => ids.length < smallRows);
  const merged =
    small.length < smallMax
      ? all
      : [
          ...all.filter(({ emailIds: ids }) => ids.length >= smallRows),
          new HeaderColumns(await packHeaders(rowsOfAll(small), slicer)),
        ];
  options.cache.set(
    key,
    merged,
    merged.reduce((sum, headers) => sum + headers.bytes, 0),
  );
  return merged;
}

function rowsOfAll(columns: readonly HeaderColumns[]): HeaderRow[] {
  const rows = columns.flatMap((headers) => Array.from(headers.emailIds, (_, at) => headers.row(at)));
  return rows.sort((a, b) => a.emailId - b.emailId);
}

async function analyseHeaders(emailIds: Float64Array, options: PlacesOptions): Promise<HeaderColumns[]> {
  const slicer = new Slicer(options.clock);
  const made: HeaderColumns[] = [];
  let rows: HeaderRow[] = [];
  const pack = async (): Promise<void> => {
    if (slicer.due()) await slicer.rest();
    if (rows.length > 0) made.push(new HeaderColumns(await packHeaders(rows, slicer)));
    rows = [];
  };
  for (let start = 0; start < emailIds.length; start += batchRows) {
    const batch = [...emailIds.subarray(start, start + batchRows)];
    const values = await options.engine.getMany(batch.map((emailId) => options.keys.summary(emailId)));
    for (const [index, emailId] of batch.entries()) {
      const record = soundSummary(values[index]);
      const header = record && (await headerOf(emailId, record.summary, options));
      if (header !== undefined) rows.push(headerRow({ emailId, threadId: record!.threadId, ...header }));
      if (slicer.due()) await slicer.rest();
    }
    if (rows.length + batchRows > madeRowsMax) await pack();
  }
  await pack();
  return made;
}

/** Undefined: gone, or not to be read; a search of it says so. */
async function headerOf(emailId: number, summary: Uint8Array, options: PlacesOptions) {
  try {
    return await storedHeader(options, { emailId, summary });
  } catch (error) {
    if (error instanceof Fault && !error.temporary) return undefined;
    throw error;
  }
}
