// Reads an account's search index: its directory, and the header columns and term tables of segments through the cache
// that all accounts share. A segment that is damaged, or that was put together with others meanwhile, reads as
// undefined: its messages then count as not indexed.

import type { Reader } from '../../storage/engine.ts';
import { unlessDamaged } from '../../storage/record.ts';
import type { AccountKeys } from '../account-keys.ts';
import { HeaderColumns } from './header-columns.ts';
import type { SearchCache } from './search-cache.ts';
import {
  emptyDirectory,
  type SegmentDirectory,
  type SegmentInfo,
  unpackDirectory,
} from './segment-directory.ts';
import { TermSequences } from './term-sequences.ts';
import { TermTable } from './term-table.ts';

/** The rows of a segment. On disk. */
export const headersSection = 0;
export const termsSection = 1;
export const sequencesSection = 2;
export const segmentSections = [headersSection, termsSection, sequencesSection];

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
  #replaced = 0;

  constructor(options: SegmentReaderOptions) {
    this.#options = options;
  }

  async directory(): Promise<SegmentDirectory> {
    while (this.#directory === undefined) {
      const before = this.#replaced;
      const value = await this.#options.engine.get(this.#options.keys.searchDirectory());
      const read = value === undefined ? undefined : unlessDamaged(() => unpackDirectory(value));
      if (before === this.#replaced) this.#directory ??= read ?? emptyDirectory;
    }
    return this.#directory;
  }

  /** The directory as far as it is known without reading. */
  get knownDirectory(): SegmentDirectory | undefined {
    return this.#directory;
  }

  /** After the commit that changed it; undefined: read it again. */
  replace(directory: SegmentDirectory | undefined): void {
    this.#directory = directory;
    this.#replaced++;
  }

  headers(segment: SegmentInfo): Promise<HeaderColumns | undefined> | HeaderColumns {
    return this.#section(segment, headersSection, (value) => new HeaderColumns(value));
  }

  terms(segment: SegmentInfo): Promise<TermTable | undefined> | TermTable {
    return this.#section(segment, termsSection, (value) => new TermTable(value));
  }

  /** Undefined too when the segment was made before there were any. */
  sequences(segment: SegmentInfo): Promise<TermSequences | undefined> | TermSequences {
    return this.#section(segment, sequencesSection, (value) => new TermSequences(value));
  }

  /** Those that need not be read. */
  keptSequences(segment: SegmentInfo): TermSequences | undefined {
    return this.#options.cache.get<TermSequences>(this.#cacheKey(segment, sequencesSection));
  }

  /** Of a segment that was just written: it need not be read, if there is room for it. */
  keepHeaders(segment: SegmentInfo, value: Uint8Array): void {
    const headers = new HeaderColumns(value);
    this.#options.cache.offer(this.#cacheKey(segment, headersSection), headers, headers.bytes);
  }

  /** It is not there any more. */
  drop(segment: SegmentInfo): void {
    for (const section of segmentSections) this.#options.cache.delete(this.#cacheKey(segment, section));
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
    if (opened !== undefined) this.#options.cache.set(key, opened, opened.bytes);
    return opened;
  }

  #cacheKey(segment: SegmentInfo, section: number): string {
    return `${this.#options.space()}${segment.number} ${section}`;
  }
}
