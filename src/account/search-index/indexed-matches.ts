// What the index knows of a search before any message is read: for each key that it can answer a column of the mailbox's
// rows, saying yes, no, or that only the message's bytes tell. The search then reads messages only where it must.
// Invariant: yes and no are what a scan of the bytes would say (search-against-scan.test.ts compares).

import type { Clock } from '../../base/clock.ts';
import { Slicer } from '../../base/slicer.ts';
import type { SearchKey } from '../../mail/search-key.ts';
import { foldText } from '../search/text-folding.ts';
import {
  fieldMark,
  fieldTooLong,
  type HeaderColumn,
  type HeaderColumnName,
  noDay,
  type SearchedField,
  searchedFields,
} from './header-columns.ts';
import type { PlacedColumns, PlacedMailbox } from './mailbox-places.ts';
import type { PlaceRuns } from './place-runs.ts';
import type { SegmentInfo } from './segment-directory.ts';
import type { SegmentReader } from './segment-reader.ts';
import { refineBySequence } from './sequence-matches.ts';
import { inBody, inHeader, matchMaybe, matchNo, matchYes } from './term-table.ts';
import { type TermQuery, termQuery } from './terms.ts';
import type { TextColumn } from './text-column.ts';

/** One entry a row of the mailbox: matchNo, matchYes or matchMaybe. */
export type MatchColumn = Uint8Array;

export type IndexedMatches = ReadonlyMap<SearchKey, MatchColumn>;

export interface IndexedMatchesOptions {
  readonly mailbox: PlacedMailbox;
  readonly segments: SegmentReader;
  readonly clock: Clock;
}

/** Columns of one search, together: a byte a message and key. */
const columnBytesMax = 32 * 1024 * 1024;

/** A search of more keys would leave nothing else in memory: what segments say of its keys is not kept. */
const keptKeysMax = 16;

/** Columns for those keys of a tree that the index can say something about. */
export async function indexedMatches(
  key: SearchKey,
  options: IndexedMatchesOptions,
): Promise<IndexedMatches> {
  const matches = new Map<SearchKey, MatchColumn>();
  const leaves: SearchKey[] = [];
  collect(key, leaves);
  if (leaves.length === 0) return matches;
  const { rows } = options.mailbox;
  // What does not fit is scanned.
  leaves.length = Math.min(leaves.length, Math.floor(columnBytesMax / Math.max(1, rows)));
  const slicer = new Slicer(options.clock);
  for (const leaf of leaves) {
    const isKept = leaves.length <= keptKeysMax;
    const { runs, bySource } = await leafMatches(leaf, { ...options, slicer, isKept });
    matches.set(leaf, rowMatches(rows, runs, bySource));
  }
  return matches;
}

function collect(key: SearchKey, leaves: SearchKey[]): void {
  if (key.type === 'not') collect(key.key, leaves);
  else if (key.type === 'and' || key.type === 'or') for (const inner of key.keys) collect(inner, leaves);
  else if (isIndexed(key)) leaves.push(key);
}

function isIndexed(key: SearchKey): boolean {
  if (key.type === 'body' || key.type === 'text') return key.text !== '';
  if (key.type === 'header') {
    const isKept = searchedFields.includes(key.field.toLowerCase() as SearchedField);
    return isKept && !key.text.includes(fieldMark) && !key.text.includes(fieldTooLong);
  }
  return key.type === 'threadId' || (key.type === 'date' && key.of === 'sent');
}

interface LeafMatches {
  readonly runs: PlaceRuns;
  /** By place in the source; undefined: nothing is known. */
  readonly bySource: readonly (Uint8Array | undefined)[];
}

interface LeafOptions extends IndexedMatchesOptions {
  readonly slicer: Slicer;
  /** What segments say of texts is: the next mailbox of the account asks the same segments. */
  readonly isKept: boolean;
}

function leafMatches(key: SearchKey, options: LeafOptions): Promise<LeafMatches> {
  const { mailbox, slicer } = options;
  switch (key.type) {
    case 'header': {
      const field = key.field.toLowerCase() as SearchedField;
      const text = foldText(key.text);
      return ofEach(mailbox.columns(`searched ${field}`), slicer, (column) => headerMatches(column, text));
    }
    case 'threadId':
      return ofEach(mailbox.columns('threadIds'), slicer, (ids) =>
        Uint8Array.from(ids, (id) => (id === key.threadId ? matchYes : matchNo)),
      );
    case 'date':
      return ofEach(mailbox.columns('sentDays'), slicer, (days) =>
        Uint8Array.from(days, (day) => (isDay(day, key) ? matchYes : matchNo)),
      );
    default:
      // isIndexed lets no others through.
      return textMatches(key as TextKey, options);
  }
}

async function ofEach<Name extends HeaderColumnName>(
  placed: Promise<PlacedColumns<Name>>,
  slicer: Slicer,
  matches: (column: HeaderColumn<Name>) => Uint8Array,
): Promise<LeafMatches> {
  const { runs, columns } = await placed;
  const bySource: Uint8Array[] = [];
  for (const column of columns) {
    bySource.push(matches(column));
    if (slicer.due()) await slicer.rest();
  }
  return { runs, bySource };
}

/** Of longer texts what segments say is not kept. */
const keptNameMax = 200;

/** Segments looked at side by side: an engine that is asked over the network answers for all of them at a time. */
const segmentsAtOnce = 4;

type TextKey = SearchKey & { type: 'body' | 'text' };

async function textMatches(key: TextKey, options: LeafOptions): Promise<LeafMatches> {
  const { mailbox, slicer } = options;
  const { sources, runs } = await mailbox.places();
  const folded = foldText(key.text);
  const query = termQuery(folded);
  if (query === undefined) return { runs, bySource: [] };
  const asked = { folded, query, where: key.type === 'body' ? inBody : inBody | inHeader };
  const bySource: (Uint8Array | undefined)[] = [];
  for (let start = 0; start < sources.length; start += segmentsAtOnce) {
    const some = sources.slice(start, start + segmentsAtOnce).map(({ info, emailIds }) => {
      return info && keptMatches(asked, { ...options, info, count: emailIds.length });
    });
    bySource.push(...(await Promise.all(some)));
    if (slicer.due()) await slicer.rest();
  }
  return { runs, bySource };
}

interface AskedText {
  readonly folded: string;
  readonly query: TermQuery;
  /** Bits as in the term table. */
  readonly where: number;
}

interface SegmentMatchesOptions extends LeafOptions {
  readonly info: SegmentInfo;
  readonly count: number;
}

async function keptMatches(
  asked: AskedText,
  options: SegmentMatchesOptions,
): Promise<Uint8Array | undefined> {
  const { segments, info } = options;
  const name = `${asked.where} ${asked.folded}`;
  const isKept = options.isKept && name.length <= keptNameMax;
  const kept = isKept ? segments.keptMatches(info, name) : undefined;
  const matches = kept ?? (await segmentMatches(asked, options));
  if (isKept && kept === undefined && matches !== undefined) segments.keepMatches(info, name, matches);
  return matches;
}

async function segmentMatches(
  { query, where }: AskedText,
  { info, segments, count, slicer }: SegmentMatchesOptions,
): Promise<Uint8Array | undefined> {
  const terms = await segments.terms(info);
  if (terms === undefined) return undefined;
  if (slicer.due()) await slicer.rest();
  const states = await terms.match(query, { where, count, slicer });
  const { sequence, isSequenceExact } = query;
  if (sequence !== undefined && states.includes(matchMaybe)) {
    const sequenceQuery = { sequence, isExact: isSequenceExact };
    await refineBySequence(states, sequenceQuery, { info, segments, terms, where, slicer });
  }
  return states;
}

function isDay(day: number, key: SearchKey & { type: 'date' }): boolean {
  if (day === noDay) return false;
  if (key.compare === 'on') return day === key.day;
  return key.compare === 'before' ? day < key.day : day >= key.day;
}

function headerMatches(column: TextColumn, text: string): Uint8Array {
  const found = new Uint8Array(column.count);
  column.eachWith(text === '' ? fieldMark : text, (index) => {
    found[index] = matchYes;
  });
  column.eachWith(fieldTooLong, (index) => {
    if (column.value(index) === fieldTooLong) found[index] = matchMaybe;
  });
  return found;
}

function rowMatches(
  rows: number,
  runs: PlaceRuns,
  bySource: readonly (Uint8Array | undefined)[],
): MatchColumn {
  const column = new Uint8Array(rows).fill(matchMaybe);
  runs.each((source, row, place, length) => {
    const matches = bySource[source];
    if (matches === undefined) return;
    if (length === 1) column[row] = matches[place]!;
    else column.set(matches.subarray(place, place + length), row);
  });
  return column;
}
