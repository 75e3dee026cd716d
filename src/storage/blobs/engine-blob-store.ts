// Large bytes in rows of the engine, cut into chunks: for clusters whose nodes share an engine and no directory.
//
// Invariant: a live or dying row has all its chunks; chunks go in the same batch as the row that names them. A blob of more
// than one batch is `writing` until its last chunk is committed, and every batch of it asks that the row still is as it was
// left, so whoever takes the row away (a collector, a rival that puts the same blob) stops the writer, and nothing is left
// without a row. A failed or broken-off put leaves a `writing` row, which is collected when it is a day old.
// Why collecting cannot race with linking: as in filesystem-blob-store.ts.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import type { Bytes, Engine, Entry } from '../engine.ts';
import { decodeRecord, encodeRecord } from '../record.ts';
import { encodeTuple, tuplePrefixRange } from '../tuple.ts';
import { verifyBlob } from './blob-maintenance.ts';
import { type BlobRow, blobKey, linkKey } from './blob-row.ts';
import { BlobRows, type FoundBlob, rowAttemptsMax, rowContended } from './blob-rows.ts';
import { type BlobDigest, type BlobLink, type BlobStatistics, type BlobStore, hex } from './blob-store.ts';
import { BlobTasks } from './blob-tasks.ts';
import { ChunkReads } from './chunk-reads.ts';

/** A range costs the chunks that it touches; smaller ones cost more rows. */
export const chunkBytes = 256 * 1024;
/** In one commit or read: 4 MiB. */
const chunksTogether = 16;
const chunkVersion = 1;
/** A put that takes longer is not going on. */
const writingAgeMs = 24 * 60 * 60 * 1000;
/** Where blobs that were read lately are; saves a round trip for each range. */
const knownMax = 10_000;

export interface EngineBlobStoreOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: Random;
}

/** Rejects with Fault when the engine cannot be read. */
export async function openEngineBlobStore(options: EngineBlobStoreOptions): Promise<BlobStore> {
  const store = new EngineBlobs(options);
  await store.startCounting();
  return store;
}

function chunkRange(digest: BlobDigest, generation: string): { start: Bytes; end: Bytes } {
  return tuplePrefixRange(['blobChunk', digest, generation]);
}

function chunkKey(digest: BlobDigest, generation: string, index: number): Bytes {
  return encodeTuple(['blobChunk', digest, generation, index]);
}

type Place = Pick<BlobRow, 'generation' | 'bytes'>;

class EngineBlobs implements BlobStore {
  readonly #options: EngineBlobStoreOptions;
  readonly #rows: BlobRows;
  readonly #chunks: ChunkReads;
  readonly #known = new Map<string, Place>();
  readonly #tasks: BlobTasks;

  constructor(options: EngineBlobStoreOptions) {
    const { engine, clock, log, random = systemRandom } = options;
    this.#options = options;
    this.#rows = new BlobRows({ engine, random, clock, log });
    this.#chunks = new ChunkReads(engine, clock);
    const collect = (digests: readonly BlobDigest[]) => this.#collectAll(digests);
    this.#tasks = new BlobTasks({ engine, clock, log, rows: this.#rows, collect });
  }

  startCounting(): Promise<void> {
    return this.#tasks.startCounting();
  }

  put(digest: BlobDigest, bytes: Uint8Array): Promise<void> {
    return this.#tasks.put(digest, () => this.#put(digest, bytes));
  }

  async #put(digest: BlobDigest, bytes: Uint8Array): Promise<void> {
    for (let attempt = 0; attempt < rowAttemptsMax; attempt++) {
      const found = await this.#rows.find(digest);
      if (found?.row.state === 'live') return;
      if (found?.row.state === 'dying') {
        if (await this.#rows.replace(digest, found, { ...found.row, state: 'live' })) return;
      } else if (await this.#write(digest, bytes, found)) {
        return;
      }
    }
    throw rowContended();
  }

  /** False when somebody else changed the row meanwhile; then nothing of it is left but what they will remove. */
  async #write(digest: BlobDigest, bytes: Uint8Array, found: FoundBlob | undefined): Promise<boolean> {
    const row = this.#rows.newRow('chunked', bytes.length);
    const chunks = Math.ceil(bytes.length / chunkBytes);
    let left = found;
    for (let first = 0; ; first += chunksTogether) {
      const isLast = first + chunksTogether >= chunks;
      const puts: Entry[] = [];
      for (let index = first; index < Math.min(first + chunksTogether, chunks); index++) {
        const chunk = bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes);
        const value = encodeRecord('blobChunk', chunkVersion, chunk);
        puts.push({ key: chunkKey(digest, row.generation, index), value });
      }
      // What a put before this one left goes with the first batch.
      const stale = first === 0 && found !== undefined ? [chunkRange(digest, found.row.generation)] : [];
      left = await this.#change(digest, left, isLast ? row : { ...row, state: 'writing' }, { puts, stale });
      if (left === undefined) return false;
      if (isLast) return true;
    }
  }

  async #change(
    digest: BlobDigest,
    found: FoundBlob | undefined,
    row: BlobRow,
    { puts, stale }: { puts: readonly Entry[]; stale: readonly { start: Bytes; end: Bytes }[] },
  ): Promise<FoundBlob | undefined> {
    const key = blobKey(digest);
    const fresh = this.#rows.renewed(row);
    const { outcome } = await this.#options.engine.commit({
      conditions: [{ key, expected: found?.value }],
      deleteRanges: stale,
      puts: [...puts, { key, value: fresh.value }],
    });
    if (outcome !== 'committed') return undefined;
    if (found !== undefined) this.#rows.count(found.row, -1);
    this.#rows.count(row, 1);
    return fresh;
  }

  link(digest: BlobDigest, holder: string): Promise<BlobLink> {
    return this.#rows.link(digest, holder);
  }

  unlink(digest: BlobDigest, holder: string): Uint8Array[] {
    return [linkKey(digest, holder)];
  }

  dropped(digest: BlobDigest): void {
    this.#tasks.dropped(digest);
  }

  async read(digest: BlobDigest, offset: number, length: number): Promise<Uint8Array | undefined> {
    this.#tasks.assertOpen();
    const name = hex(digest);
    for (let attempt = 0; attempt < rowAttemptsMax; attempt++) {
      const place = this.#known.get(name) ?? (await this.#find(digest));
      if (place === undefined) return undefined;
      const bytes = await this.#readAt(digest, place, offset, length);
      if (bytes !== undefined) return bytes;
      this.#known.delete(name);
      // Collected, and put again, between the two: the row says where it is now.
      const now = await this.#rows.find(digest);
      if (now?.row.generation === place.generation) {
        throw new Fault(`a chunk of blob ${name} is missing`, { temporary: false });
      }
    }
    throw rowContended();
  }

  async #find(digest: BlobDigest): Promise<Place | undefined> {
    const found = await this.#rows.find(digest);
    if (found === undefined || found.row.state === 'writing') return undefined;
    if (found.row.form !== 'chunked') {
      throw new Fault(`blob ${hex(digest)} is in a file, not in the engine`, { temporary: false });
    }
    if (this.#known.size >= knownMax) this.#known.delete(this.#known.keys().next().value!);
    const { generation, bytes } = found.row;
    const place = { generation, bytes };
    this.#known.set(hex(digest), place);
    return place;
  }

  /** Undefined when a chunk is not there. */
  async #readAt(
    digest: BlobDigest,
    { generation, bytes }: Place,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    const end = Math.min(offset + length, bytes);
    if (offset >= end) return Buffer.alloc(0);
    const chunkEnd = Math.ceil(end / chunkBytes);
    if (Math.floor(offset / chunkBytes) === chunkEnd - 1) {
      const [value] = await this.#chunks.getMany([chunkKey(digest, generation, chunkEnd - 1)]);
      if (value === undefined) return undefined;
      const { payload } = decodeRecord('blobChunk', chunkVersion, value);
      const startsAt = (chunkEnd - 1) * chunkBytes;
      const part = payload.subarray(offset - startsAt, end - startsAt);
      // A small part would keep all of the chunk in memory.
      return 2 * part.length < payload.length ? Buffer.from(part) : part;
    }
    const target = Buffer.allocUnsafe(end - offset);
    for (let first = Math.floor(offset / chunkBytes); first < chunkEnd; first += chunksTogether) {
      const count = Math.min(chunksTogether, chunkEnd - first);
      const keys = Array.from({ length: count }, (_, index) => chunkKey(digest, generation, first + index));
      const values = await this.#chunks.getMany(keys);
      for (let index = 0; index < count; index++) {
        const value = values[index];
        if (value === undefined) return undefined;
        const { payload } = decodeRecord('blobChunk', chunkVersion, value);
        const startsAt = (first + index) * chunkBytes;
        const from = Math.max(0, offset - startsAt);
        payload.copy(target, startsAt + from - offset, from, Math.min(payload.length, end - startsAt));
      }
    }
    return target;
  }

  verify(digest: BlobDigest): Promise<'sound' | 'damaged' | 'missing'> {
    this.#known.delete(hex(digest));
    return verifyBlob(digest, (...range) => this.read(...range));
  }

  list(): ReturnType<BlobRows['list']> {
    return this.#rows.list();
  }

  collect(): Promise<{ readonly removed: number; readonly bytes: number }> {
    return this.#tasks.tracked(this.#collect());
  }

  async #collect(): Promise<{ readonly removed: number; readonly bytes: number }> {
    let removed = 0;
    let bytes = 0;
    for await (const { digest } of this.#rows.all()) {
      if (this.#tasks.closed) break;
      const gone = await this.#collectOne(digest);
      if (gone === undefined) continue;
      removed++;
      bytes += gone.bytesStored;
    }
    return { removed, bytes };
  }

  async #collectAll(digests: readonly BlobDigest[]): Promise<void> {
    for (const digest of digests) if (!this.#tasks.closed) await this.#collectOne(digest);
  }

  /** The row that went; undefined when the blob stays. */
  async #collectOne(digest: BlobDigest): Promise<BlobRow | undefined> {
    const found = await this.#rows.find(digest);
    if (found === undefined || found.row.form !== 'chunked') return undefined;
    if (found.row.state === 'writing') {
      const isOld = found.row.createdAt < this.#options.clock.now() - writingAgeMs;
      return isOld && (await this.#remove(digest, found)) ? found.row : undefined;
    }
    const dying = await this.#rows.condemn(digest, found);
    return dying !== undefined && (await this.#remove(digest, dying)) ? dying.row : undefined;
  }

  /** The row and its chunks, if the row still is as found. */
  async #remove(digest: BlobDigest, { value, row }: FoundBlob): Promise<boolean> {
    const key = blobKey(digest);
    const { outcome } = await this.#options.engine.commit({
      conditions: [{ key, expected: value }],
      deleteRanges: [chunkRange(digest, row.generation)],
      deletes: [key],
      fromReserve: true,
    });
    if (outcome !== 'committed') return false;
    this.#known.delete(hex(digest));
    this.#rows.count(row, -1);
    return true;
  }

  heldBy(prefix: string): AsyncIterable<{ readonly digest: BlobDigest; readonly holder: string }> {
    return this.#rows.heldBy(prefix);
  }

  statistics(): BlobStatistics {
    return this.#rows.statistics();
  }

  close(): Promise<void> {
    return this.#tasks.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
