// The blob store's view of the engine: finding, replacing and walking blob rows and their links, and the running
// totals of what the rows say. A row is only ever written on condition that it is as it was read.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { Slicer } from '../../base/slicer.ts';
import type { Bytes, Engine, Entry, Reader } from '../engine.ts';
import { encodeRecord, unlessDamaged } from '../record.ts';
import { decodeTuple, encodeTuple } from '../tuple.ts';
import {
  allLinksRange,
  type BlobForm,
  type BlobRow,
  blobKey,
  blobKeyRange,
  decodeBlobRow,
  digestOfBlobKey,
  encodeBlobRow,
  encodeLink,
  linkKey,
  linkKeyRange,
} from './blob-row.ts';
import { type BlobDigest, type BlobLink, type BlobStatistics, hex } from './blob-store.ts';

const rowPage = { entriesMax: 200, bytesMax: 1 << 20 };
const oneRow = { entriesMax: 1, bytesMax: 1 };
/** Tries against rivals for one row before the caller is told to come again. */
export const rowAttemptsMax = 20;
/** What the caller is told then. */
export const rowContended = (): Fault =>
  new Fault('a blob was changed by others all the time', { temporary: true });
/** No row has this value, so a condition on it always fails: the caller is told to put the blob (again). */
const impossible = Buffer.alloc(0);

export interface FoundBlob {
  /** The row's exact bytes: the condition for touching it. */
  readonly value: Bytes;
  readonly row: BlobRow;
}

export interface BlobRowsOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
}

export class BlobRows {
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #totals = { blobs: 0, bytes: 0, bytesStored: 0 };

  constructor({ engine, random, clock, log }: BlobRowsOptions) {
    this.#engine = engine;
    this.#random = random;
    this.#clock = clock;
    this.#log = log;
  }

  async find(digest: BlobDigest): Promise<FoundBlob | undefined> {
    const value = await this.#engine.get(blobKey(digest));
    return value === undefined ? undefined : { value, row: decodeBlobRow(value) };
  }

  /** Which nobody used before. */
  newGeneration(): string {
    return this.#random.bytes(8).toString('hex');
  }

  /** The row of a blob that is stored now, under a new generation and as it came. */
  newRow(form: BlobForm, bytes: number): BlobRow {
    return {
      state: 'live',
      form,
      generation: this.newGeneration(),
      token: this.#random.bytes(8),
      bytes,
      bytesStored: bytes,
      createdAt: this.#clock.now(),
    };
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
      // Of a blob that is there already: collecting makes room, and is a change of the row before it is a deletion.
      fromReserve: found !== undefined,
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

  /** For BlobStore.link: the link, on condition that the blob stays what it is now. */
  async link(digest: BlobDigest, holder: string): Promise<BlobLink> {
    const key = blobKey(digest);
    const puts = [{ key: linkKey(digest, holder), value: encodeLink() }];
    const found = await this.find(digest);
    if (found === undefined || found.row.state === 'writing')
      return { puts, conditions: [{ key, expected: impossible }] };
    if (found.row.state === 'dying')
      puts.push({ key, value: this.renewed({ ...found.row, state: 'live' }).value });
    return { puts, conditions: [{ key, expected: found.value }] };
  }

  async isLinked(digest: BlobDigest): Promise<boolean> {
    return (await this.#engine.page(linkKeyRange(digest), oneRow)).entries.length > 0;
  }

  /**
   * Steps (1) and (2) of collecting (filesystem-blob-store.ts): the dying row, whose deletion is (3). Undefined: the blob stays,
   * as somebody links it or has touched its row.
   */
  async condemn(digest: BlobDigest, found: FoundBlob): Promise<FoundBlob | undefined> {
    if (await this.isLinked(digest)) return undefined;
    const dying = await this.replace(digest, found, { ...found.row, state: 'dying' });
    if (dying === undefined || !(await this.isLinked(digest))) return dying;
    await this.replace(digest, dying, { ...dying.row, state: 'live' });
    return undefined;
  }

  async countLinks(digest: BlobDigest): Promise<number> {
    const range = linkKeyRange(digest);
    const slicer = new Slicer(this.#clock);
    let links = 0;
    for (let start: Bytes | undefined = range.start; start !== undefined; ) {
      const page = await this.#engine.page({ start, end: range.end }, rowPage);
      links += page.entries.length;
      start = page.next;
      if (slicer.due()) await slicer.rest();
    }
    return links;
  }

  /**
   * Every row, page by page: at one moment when `reader` is a snapshot. Gives others their turn: an engine in memory answers
   * at once, and there may be millions. A damaged row is logged and passed over: it must not keep the others waiting.
   */
  async *all(reader: Reader = this.#engine): AsyncGenerator<FoundBlob & { readonly digest: BlobDigest }> {
    for await (const { digest, value } of this.#raw(reader)) {
      const row = this.#soundRow(digest, value);
      if (row !== undefined) yield { digest, value, row };
    }
  }

  /** For BlobStore.list: what is there whole. */
  async *list(): AsyncGenerator<{
    readonly digest: BlobDigest;
    readonly bytes: number;
    readonly links: number;
  }> {
    for await (const { digest, row } of this.all()) {
      if (row.state === 'writing') continue;
      yield { digest, bytes: row.bytes, links: await this.countLinks(digest) };
    }
  }

  async *#raw(reader: Reader): AsyncGenerator<{ readonly digest: BlobDigest; readonly value: Bytes }> {
    for await (const { key, value } of this.#entries(reader, blobKeyRange())) {
      yield { digest: digestOfBlobKey(key), value };
    }
  }

  async *#entries(reader: Reader, range: { start: Bytes; end: Bytes }): AsyncGenerator<Entry> {
    const slicer = new Slicer(this.#clock);
    for (let start: Bytes | undefined = range.start; start !== undefined; ) {
      const page = await reader.page({ start, end: range.end }, rowPage);
      for (const entry of page.entries) {
        yield entry;
        if (slicer.due()) await slicer.rest();
      }
      start = page.next;
    }
  }

  /** Links whose holder's name begins with `prefix`. Walks all links. */
  async *heldBy(prefix: string): AsyncGenerator<{ readonly digest: BlobDigest; readonly holder: string }> {
    for await (const { key } of this.#entries(this.#engine, allLinksRange())) {
      const [, digest, holder] = decodeTuple(key) as [string, Uint8Array, string];
      if (holder.startsWith(prefix)) yield { digest, holder };
    }
  }

  /** The rows that cannot be read. */
  async *damaged(): AsyncGenerator<{ readonly digest: BlobDigest; readonly value: Bytes }> {
    for await (const { digest, value } of this.#raw(this.#engine)) {
      if (decodeUnlessDamaged(value) === undefined) yield { digest, value };
    }
  }

  /** Puts `row` in the place of a damaged one, which goes to the quarantine; undefined: there is no blob any more. */
  async mend(digest: BlobDigest, damaged: Bytes, row: BlobRow | undefined): Promise<void> {
    const key = blobKey(digest);
    const aside = {
      key: encodeTuple(['quarantine', '', key]),
      value: encodeRecord('quarantine', 1, damaged),
    };
    const conditions = [{ key, expected: damaged }];
    if (row === undefined) await this.#engine.commit({ conditions, deletes: [key], puts: [aside] });
    else {
      await this.#engine.commit({ conditions, puts: [aside, { key, value: encodeBlobRow(row) }] });
      this.count(row, 1);
    }
  }

  #soundRow(digest: BlobDigest, value: Bytes): BlobRow | undefined {
    const row = decodeUnlessDamaged(value);
    if (row !== undefined) return row;
    this.#log.error({ blob: hex(digest) }, 'the row of a blob is damaged: run store check');
    return undefined;
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

function decodeUnlessDamaged(value: Bytes): BlobRow | undefined {
  return unlessDamaged(() => decodeBlobRow(value));
}
