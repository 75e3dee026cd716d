// Reads an account's search index: its directory, and the header columns, term tables and positions of segments through the
// cache that all accounts share. A part of a segment that is damaged, or was put together with others meanwhile, reads as
// undefined, and is looked at again by the builder; of a segment that lacks a header column the messages count as not indexed.
// Invariant: no number of a segment is used twice in the life of a process, whatever becomes of the directory.

import type { Slicer } from '../../base/slicer.ts';
import type { Bytes, Reader } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import type { AccountKeys } from '../records/account-keys.ts';
import {
  bytesInMemory,
  type HeaderColumn,
  type HeaderColumnName,
  HeaderColumns,
  headerColumnNames,
  openHeaderColumn,
} from './header-columns.ts';
import { unpackColumns } from './packed-columns.ts';
import type { SearchCache } from './search-cache.ts';
import type { SegmentParts } from './segment-builder.ts';
import {
  emptyDirectory,
  type SegmentDirectory,
  type SegmentInfo,
  unpackDirectory,
} from './segment-directory.ts';
import { chunkBytes, type ListChunks, TermPositions } from './term-positions.ts';
import { TermTable } from './term-table.ts';

/** The rows of a segment. On disk. */
export const termsSection = 0;
export const positionsSection = 1;
export const headersSection = 2;
const headerSections = headerColumnNames.map((_, index) => headersSection + index);
/** Chunks of lists of positions, from here on. */
export const chunksSection = 256;
/** Those that every segment has; a large one has more chunks. */
export const segmentSections = [termsSection, positionsSection, ...headerSections, chunksSection];

/** Segments read together: a piece of work of a millisecond or two. */
const segmentsAtOnce = 8;
/** Chunks read together: about the same. */
const chunksAtOnce = 32;
/** What a chunk costs in memory besides what is in it. */
const chunkOverheadBytes = 400;

/** What the matches of a text cost in memory besides a byte a message. */
const keptMatchesBytes = 400;

export interface SegmentReaderOptions {
  readonly engine: Reader;
  readonly keys: AccountKeys;
  readonly cache: SearchCache;
  /** Before this account's keys in the cache (newSpace). */
  readonly space: () => string;
}

export class SegmentReader {
  readonly #options: SegmentReaderOptions;
  #directory: SegmentDirectory | undefined;
  /** How often it was replaced: what was being read then may be older. */
  #changes = 0;
  /** Numbers of segments of which a header column is not there. */
  #broken = new Set<number>();
  /** Of these something was not there, or damaged. */
  readonly #suspects = new Set<SegmentInfo>();
  /** All numbers below may have been used. */
  #nextNumber = emptyDirectory.nextNumber;

  constructor(options: SegmentReaderOptions) {
    this.#options = options;
  }

  async directory(): Promise<SegmentDirectory> {
    while (this.#directory === undefined) {
      const before = this.#changes;
      const value = await this.#options.engine.get(this.#options.keys.searchDirectory());
      const read = value === undefined ? undefined : unlessDamaged(() => unpackDirectory(value));
      if (before === this.#changes) this.#directory ??= this.#unused(read ?? emptyDirectory);
    }
    return this.#directory;
  }

  /** Searches that are under way know what the numbers meant before. */
  #unused(directory: SegmentDirectory): SegmentDirectory {
    this.#nextNumber = Math.max(this.#nextNumber, directory.nextNumber);
    return { ...directory, nextNumber: this.#nextNumber };
  }

  /** The directory as far as it is known without reading. */
  get knownDirectory(): SegmentDirectory | undefined {
    return this.#directory;
  }

  /** How often the directory was replaced. */
  get changes(): number {
    return this.#changes;
  }

  /** After the commit that changed it; undefined: read it again. */
  replace(directory: SegmentDirectory | undefined): void {
    this.#directory = directory && this.#unused(directory);
    this.#changes++;
    this.#broken.clear();
    this.#suspects.clear();
  }

  /** A segment could not be read, or not all of it. */
  get hasSuspects(): boolean {
    return this.#suspects.size > 0;
  }

  /** Each once: whoever takes them looks at them. */
  takeSuspects(): readonly SegmentInfo[] {
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    return suspects;
  }

  #suspect(segment: SegmentInfo): void {
    if (this.#directory?.segments.includes(segment) === true) this.#suspects.add(segment);
  }

  /** Whether its messages must count as not indexed. */
  isBroken(segment: SegmentInfo): boolean {
    return this.#broken.has(segment.number);
  }

  /** A column of each segment; undefined: one of them is broken, or the directory was replaced meanwhile. */
  async columns<Name extends HeaderColumnName>(
    segments: readonly SegmentInfo[],
    name: Name,
  ): Promise<readonly HeaderColumn<Name>[] | undefined> {
    const before = this.#changes;
    const section = headersSection + headerColumnNames.indexOf(name);
    const found: HeaderColumn<Name>[] = [];
    for (let start = 0; start < segments.length; start += segmentsAtOnce) {
      const some = segments.slice(start, start + segmentsAtOnce);
      const keys = some.map((segment) => this.#cacheKey(segment, section));
      const columns = keys.map((key) => this.#options.cache.get<HeaderColumn<Name>>(key));
      const missing = [...some.keys()].filter((index) => columns[index] === undefined);
      const values = await this.#values(missing.map((index) => [some[index]!, section]));
      for (const [at, index] of missing.entries()) {
        const value = values[at];
        const column = value && unlessDamaged(() => openHeaderColumn(name, value));
        if (value === undefined || column === undefined) {
          // What was replaced meanwhile is not there, and is not broken.
          if (before === this.#changes) this.#broken.add(some[index]!.number);
          this.#suspect(some[index]!);
          return undefined;
        }
        this.#options.cache.set(keys[index]!, column, value.length * bytesInMemory);
        columns[index] = column;
      }
      found.push(...(columns as HeaderColumn<Name>[]));
    }
    return found;
  }

  /** All of it, to be made part of another segment; undefined: something is not there, or damaged. Not kept. */
  async parts(segment: SegmentInfo, slicer: Slicer): Promise<SegmentParts | undefined> {
    const parts = await this.#readParts(segment, slicer);
    if (parts === undefined) this.#suspect(segment);
    return parts;
  }

  async #readParts(segment: SegmentInfo, slicer: Slicer): Promise<SegmentParts | undefined> {
    const sections = [termsSection, positionsSection, ...headerSections];
    const values = await this.#values(sections.map((section) => [segment, section]));
    if (values.includes(undefined)) return undefined;
    const [termsValue, positionsValue, ...headerValues] = values as [Bytes, Bytes, ...Bytes[]];
    const positions = unlessDamaged(() => new TermPositions(positionsValue));
    const all = positions && Array.from({ length: positions.chunks }, (_, number) => number);
    const chunks = all && (await this.#readChunks(segment, all, slicer));
    if (positions === undefined || chunks === undefined) return undefined;
    return unlessDamaged(() => {
      const terms = new TermTable(termsValue);
      return { headers: new HeaderColumns(headerValues), terms, positions, chunks };
    });
  }

  terms(segment: SegmentInfo): Promise<TermTable | undefined> | TermTable {
    return this.#section(segment, termsSection, (value) => new TermTable(value));
  }

  positions(segment: SegmentInfo): Promise<TermPositions | undefined> | TermPositions {
    return this.#section(segment, positionsSection, (value) => new TermPositions(value));
  }

  /** What was kept of what the segment's messages are to a text; `name`: of the text, and of where it is looked for. */
  keptMatches(segment: SegmentInfo, name: string): Uint8Array | undefined {
    return this.#options.cache.get<Uint8Array>(this.#matchesKey(segment, name));
  }

  /** Not to be changed any more. */
  keepMatches(segment: SegmentInfo, name: string, matches: Uint8Array): void {
    const bytes = matches.length + keptMatchesBytes + name.length * 2;
    this.#options.cache.set(this.#matchesKey(segment, name), matches, bytes);
  }

  /** Those that need not be read. */
  keptPositions(segment: SegmentInfo): TermPositions | undefined {
    return this.#options.cache.get<TermPositions>(this.#cacheKey(segment, positionsSection));
  }

  /** Of these chunks those that would have to be read. */
  unkeptChunks(segment: SegmentInfo, numbers: readonly number[]): readonly number[] {
    const { cache } = this.#options;
    return numbers.filter((number) => cache.get(this.#chunkKey(segment, number)) === undefined);
  }

  /** Chunks of lists, by number; undefined: one of them is not there, or damaged. In slices. */
  async chunks(
    segment: SegmentInfo,
    numbers: readonly number[],
    slicer: Slicer,
  ): Promise<ListChunks | undefined> {
    const { cache } = this.#options;
    const chunks = new Map<number, Buffer>();
    const missing: number[] = [];
    for (const number of numbers) {
      const chunk = cache.get<Buffer>(this.#chunkKey(segment, number));
      if (chunk === undefined) missing.push(number);
      else chunks.set(number, chunk);
    }
    const read = await this.#readChunks(segment, missing, slicer);
    if (read === undefined) {
      this.#suspect(segment);
      return undefined;
    }
    for (const [number, chunk] of read) {
      chunks.set(number, chunk);
      cache.set(this.#chunkKey(segment, number), chunk, chunk.length + chunkOverheadBytes);
    }
    return chunks;
  }

  /** The same. Not kept. */
  async #readChunks(
    segment: SegmentInfo,
    numbers: readonly number[],
    slicer: Slicer,
  ): Promise<ListChunks | undefined> {
    const chunks = new Map<number, Buffer>();
    for (let start = 0; start < numbers.length; start += chunksAtOnce) {
      if (slicer.due()) await slicer.rest();
      const some = numbers.slice(start, start + chunksAtOnce);
      const values = await this.#values(some.map((number) => [segment, chunksSection + number]));
      for (const [index, number] of some.entries()) {
        const value = values[index];
        const chunk = value && unlessDamaged(() => unpackColumns(value)[0]);
        if (chunk === undefined) return undefined;
        chunks.set(number, chunk);
      }
    }
    return chunks;
  }

  /** Of a segment that was just written: they need not be read, if there is room for them. */
  keepHeaders(segment: SegmentInfo, values: readonly Bytes[]): void {
    for (const [index, name] of headerColumnNames.entries()) {
      const key = this.#cacheKey(segment, headersSection + index);
      const value = values[index]!;
      this.#options.cache.offer(key, openHeaderColumn(name, value), value.length * bytesInMemory);
    }
  }

  /** It is not there any more. */
  drop(segment: SegmentInfo): void {
    const { cache } = this.#options;
    for (const section of segmentSections) cache.delete(this.#cacheKey(segment, section));
    // It has fewer chunks than this.
    for (let number = 0; number * chunkBytes < segment.bytes; number++)
      cache.delete(this.#chunkKey(segment, number));
  }

  #section<Section extends { readonly bytes: number }>(
    segment: SegmentInfo,
    section: number,
    open: (value: Uint8Array) => Section,
  ): Promise<Section | undefined> | Section {
    const key = this.#cacheKey(segment, section);
    return this.#options.cache.get<Section>(key) ?? this.#open(segment, { section, key, open });
  }

  async #open<Section extends { readonly bytes: number }>(
    segment: SegmentInfo,
    given: { section: number; key: string; open: (value: Uint8Array) => Section },
  ): Promise<Section | undefined> {
    const { section, key, open } = given;
    const value = await this.#options.engine.get(this.#options.keys.searchSegment(segment.number, section));
    const opened = value === undefined ? undefined : unlessDamaged(() => open(value));
    if (opened === undefined) this.#suspect(segment);
    else this.#options.cache.set(key, opened, opened.bytes);
    return opened;
  }

  #values(rows: readonly (readonly [SegmentInfo, number])[]): Promise<(Bytes | undefined)[]> {
    const { engine, keys } = this.#options;
    if (rows.length === 0) return Promise.resolve([]);
    return engine.getMany(rows.map(([{ number }, section]) => keys.searchSegment(number, section)));
  }

  #matchesKey(segment: SegmentInfo, name: string): string {
    return `${this.#cacheKey(segment, termsSection)} ${name}`;
  }

  #chunkKey(segment: SegmentInfo, number: number): string {
    return this.#cacheKey(segment, chunksSection + number);
  }

  #cacheKey(segment: SegmentInfo, section: number): string {
    return `${this.#options.space()}${segment.number} ${section}`;
  }
}
