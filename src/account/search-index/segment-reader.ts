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
import { TermTable } from './term-table.ts';

/** The rows of a segment. On disk. */
export const headersSection = 0;
export const termsSection = 1;

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

  constructor(options: SegmentReaderOptions) {
    this.#options = options;
  }

  async directory(): Promise<SegmentDirectory> {
    if (this.#directory !== undefined) return this.#directory;
    const value = await this.#options.engine.get(this.#options.keys.searchDirectory());
    const read = value === undefined ? undefined : unlessDamaged(() => unpackDirectory(value));
    this.#directory ??= read ?? emptyDirectory;
    return this.#directory;
  }

  /** The directory as far as it is known without reading. */
  get knownDirectory(): SegmentDirectory | undefined {
    return this.#directory;
  }

  /** After the commit that changed it; undefined: read it again. */
  replace(directory: SegmentDirectory | undefined): void {
    this.#directory = directory;
  }

  headers(segment: SegmentInfo): Promise<HeaderColumns | undefined> | HeaderColumns {
    const key = this.#cacheKey(segment, headersSection);
    return this.#options.cache.get<HeaderColumns>(key) ?? this.#readHeaders(segment, key);
  }

  terms(segment: SegmentInfo): Promise<TermTable | undefined> | TermTable {
    const key = this.#cacheKey(segment, termsSection);
    return this.#options.cache.get<TermTable>(key) ?? this.#readTerms(segment, key);
  }

  async #readHeaders(segment: SegmentInfo, key: string): Promise<HeaderColumns | undefined> {
    const value = await this.#read(segment, headersSection);
    if (value === undefined) return undefined;
    const headers = unlessDamaged(() => new HeaderColumns(value));
    if (headers !== undefined) this.#options.cache.set(key, headers, headers.bytes);
    return headers;
  }

  async #readTerms(segment: SegmentInfo, key: string): Promise<TermTable | undefined> {
    const value = await this.#read(segment, termsSection);
    if (value === undefined) return undefined;
    const terms = unlessDamaged(() => new TermTable(value));
    if (terms !== undefined) this.#options.cache.set(key, terms, terms.bytes);
    return terms;
  }

  #read(segment: SegmentInfo, section: number) {
    return this.#options.engine.get(this.#options.keys.searchSegment(segment.number, section));
  }

  #cacheKey(segment: SegmentInfo, section: number): string {
    return `${this.#options.space()}${segment.number} ${section}`;
  }
}
