// The blob store's view of the engine: finding, replacing and walking blob rows and their links, and the running
// totals of what the rows say. A row is only ever written on condition that it is as it was read.

import type { Random } from '../base/random.ts';
import {
  type BlobRow,
  blobKey,
  blobKeyRange,
  decodeBlobRow,
  digestOfBlobKey,
  encodeBlobRow,
  linkKeyRange,
} from './blob-row.ts';
import type { BlobDigest, BlobStatistics } from './blob-store.ts';
import type { Bytes, Engine, Reader } from './engine.ts';

const rowPage = { entriesMax: 200, bytesMax: 1 << 20 };
const oneRow = { entriesMax: 1, bytesMax: 1 };

export interface FoundBlob {
  /** The row's exact bytes: the condition for touching it. */
  readonly value: Bytes;
  readonly row: BlobRow;
}

export class BlobRows {
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #totals = { blobs: 0, bytes: 0, bytesStored: 0 };

  constructor(engine: Engine, random: Random) {
    this.#engine = engine;
    this.#random = random;
  }

  async find(digest: BlobDigest): Promise<FoundBlob | undefined> {
    const value = await this.#engine.get(blobKey(digest));
    return value === undefined ? undefined : { value, row: decodeBlobRow(value) };
  }

  /** The row with a token of its own, ready to be written. */
  renewed(row: BlobRow): FoundBlob {
    const fresh = { ...row, token: this.#random.bytes(8) };
    return { value: encodeBlobRow(fresh), row: fresh };
  }

  /** Writes `row` if the blob's row still is as found (undefined: if there is none); undefined when it is not. */
  async replace(
    digest: BlobDigest,
    found: FoundBlob | undefined,
    row: BlobRow,
  ): Promise<FoundBlob | undefined> {
    const key = blobKey(digest);
    const fresh = this.renewed(row);
    const result = await this.#engine.commit({
      conditions: [{ key, expected: found?.value }],
      puts: [{ key, value: fresh.value }],
    });
    if (result.outcome !== 'committed') return undefined;
    if (found !== undefined) this.count(found.row, -1);
    this.count(row, 1);
    return fresh;
  }

  /** Deletes the row if it still is as found. */
  async delete(digest: BlobDigest, found: FoundBlob): Promise<boolean> {
    const key = blobKey(digest);
    const result = await this.#engine.commit({
      conditions: [{ key, expected: found.value }],
      deletes: [key],
    });
    if (result.outcome !== 'committed') return false;
    this.count(found.row, -1);
    return true;
  }

  async isLinked(digest: BlobDigest): Promise<boolean> {
    return (await this.#engine.page(linkKeyRange(digest), oneRow)).entries.length > 0;
  }

  async countLinks(digest: BlobDigest): Promise<number> {
    const range = linkKeyRange(digest);
    let links = 0;
    for (let start: Bytes | undefined = range.start; start !== undefined; ) {
      const page = await this.#engine.page({ start, end: range.end }, rowPage);
      links += page.entries.length;
      start = page.next;
    }
    return links;
  }

  /** Every row, page by page: at one moment when `reader` is a snapshot. */
  async *all(reader: Reader = this.#engine): AsyncGenerator<FoundBlob & { readonly digest: BlobDigest }> {
    const range = blobKeyRange();
    for (let start: Bytes | undefined = range.start; start !== undefined; ) {
      const page = await reader.page({ start, end: range.end }, rowPage);
      for (const { key, value } of page.entries) {
        yield { digest: digestOfBlobKey(key), value, row: decodeBlobRow(value) };
      }
      start = page.next;
    }
  }

  count(row: BlobRow, sign: 1 | -1): void {
    this.#totals.blobs += sign;
    this.#totals.bytes += sign * row.bytes;
    this.#totals.bytesStored += sign * row.bytesStored;
  }

  statistics(): BlobStatistics {
    return { ...this.#totals };
  }
}
