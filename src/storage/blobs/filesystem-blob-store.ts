// Large bytes in files of a directory, their rows and links in an engine. The engine is the only judge of what exists:
// a file without a row is nothing, so several nodes may share one directory and one engine.
//
// Invariant: a live or dying row has its file, whole and durable; a linked blob has a row.
//
// Why collecting cannot race with linking. A row is `live` or `dying` and every write of it carries a new token.
// - `put` makes the file durable under a generation that nobody used before, and then commits the row on condition
//   that there was none. On a dying row it commits `live` again.
// - `link` gives a condition: the row has the value just read; and if that was `dying`, a put of `live`.
// - The collector (1) commits `dying` on condition that the row is as read; (2) looks for links afterwards; if there is
//   one it commits `live` again; (3) else deletes the row on condition that it is its own `dying`; (4) then unlinks the file.
// A link that commits before (1) is seen in (2). One that was prepared before (1) and commits after it fails on its
// condition, and its caller puts again. One prepared after (1) rewrites the row, so (3) fails; or it commits after
// (3) and fails. So no link commits that (3) did not respect, and the file goes only after the row.
// A put that comes between (3) and (4) finds no row and writes another generation, another file: (4) cannot hit it.
// A collector that died leaves a dying row, readable as ever; the next one takes it over with a token of its own.
// Files without a row (a crash between file and row, or between (3) and (4)) are swept when they are a day old;
// a put that took an hour fails before that.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { type Random, systemRandom } from '../../base/random.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { Engine } from '../engine.ts';
import { BlobDirectory } from './blob-directory.ts';
import { BlobFile } from './blob-file.ts';
import { BlobFileCache } from './blob-file-cache.ts';
import { BlobMaintenance, type CompressionPolicy, verifyBlob } from './blob-maintenance.ts';
import { type BlobRow, linkKey } from './blob-row.ts';
import { BlobRows, type FoundBlob, rowAttemptsMax, rowContended } from './blob-rows.ts';
import {
  type BlobDigest,
  type BlobFinding,
  type BlobLink,
  type BlobStatistics,
  type BlobStore,
  hex,
} from './blob-store.ts';
import { BlobTasks } from './blob-tasks.ts';
import { claimBlobDirectory } from './claim-blob-directory.ts';
import { refuseMark } from './directory-mark.ts';
import { fileFailure, isMissing } from './file-errors.ts';

const putTimeMsMax = 60 * 60 * 1000;

export interface FilesystemBlobStoreOptions {
  readonly directory: string;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly compression: CompressionPolicy;
  readonly random?: Random;
  readonly reserveBytes?: number;
  /** The engine forgets the store: its directory gets no mark, and one that has the mark of a lasting store is refused. */
  readonly isForgotten?: boolean;
}

export interface FilesystemBlobStore extends BlobStore {
  check(options: { readonly repair: boolean }): AsyncIterable<BlobFinding>;
  /** Compresses raw blobs that are older, where it saves more than 10 %. */
  compressOld(options: {
    readonly olderThanMs: number;
  }): Promise<{ readonly compressed: number; readonly saved: number }>;
  /** Removes files that no row names and that are older (a day when left out). */
  sweep(options?: { readonly olderThanMs: number }): Promise<{ readonly removed: number }>;
  /**
   * Takes in the file of another store, which stays there too, with the row that says what it holds: for copying stores.
   * Does nothing when the blob is there.
   */
  adopt(digest: BlobDigest, row: BlobRow, file: string): Promise<void>;
}

/** Makes the directory when it is missing. Rejects with Fault, above all when it is not the store's. */
export async function openFilesystemBlobStore(
  options: FilesystemBlobStoreOptions,
): Promise<FilesystemBlobStore> {
  const { engine, clock, log, random = systemRandom } = options;
  const rows = new BlobRows({ engine, random, clock, log });
  const store = new FileBlobs(options, rows, await openDirectory(options, rows));
  await store.startCounting();
  return store;
}

async function openDirectory(options: FilesystemBlobStoreOptions, rows: BlobRows): Promise<BlobDirectory> {
  const { directory, engine, reserveBytes, random = systemRandom } = options;
  try {
    if (options.isForgotten !== true) {
      const mark = await claimBlobDirectory({ directory, engine, rows, random });
      return await BlobDirectory.open(directory, { reserveBytes, mark });
    }
    await refuseMark(directory);
    return await BlobDirectory.open(directory, { reserveBytes });
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault(`cannot use the blob directory ${directory}`, { temporary: false, cause });
  }
}

class FileBlobs implements FilesystemBlobStore {
  readonly #options: FilesystemBlobStoreOptions;
  readonly #files: BlobDirectory;
  readonly #rows: BlobRows;
  readonly #maintenance: BlobMaintenance;
  readonly #open = new BlobFileCache();
  readonly #tasks: BlobTasks;

  constructor(options: FilesystemBlobStoreOptions, rows: BlobRows, files: BlobDirectory) {
    this.#options = options;
    this.#rows = rows;
    this.#files = files;
    const { engine, clock, log, compression } = options;
    const collect = (digests: readonly BlobDigest[]) => this.#maintenance.collectAll(digests);
    this.#tasks = new BlobTasks({ engine, clock, log, rows: this.#rows, collect });
    this.#maintenance = new BlobMaintenance({
      clock,
      log,
      compression,
      files,
      rows: this.#rows,
      open: this.#open,
      read: (...range) => this.read(...range),
      stopped: () => this.#tasks.closed,
    });
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
      if (found !== undefined && (await this.#hasFile(digest, found.row))) {
        if (found.row.state === 'live') return;
        if (await this.#rows.replace(digest, found, { ...found.row, state: 'live' })) return;
      } else if (await this.#create(digest, bytes, found)) {
        return;
      }
    }
    throw rowContended();
  }

  /** True when the blob is there; false when somebody else changed its row meanwhile. */
  async #create(digest: BlobDigest, bytes: Uint8Array, found: FoundBlob | undefined): Promise<boolean> {
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const row = this.#rows.newRow('raw', bytes.length);
    await this.#files.write(hex(digest), row.generation, [bytes]);
    const path = this.#files.pathOf(hex(digest), row.generation);
    let made: FoundBlob | undefined;
    try {
      made = await this.#rows.replace(digest, found, row);
    } catch (error) {
      // Full: surely not committed. After any other failure the row may be there, so the file has to stay.
      if (isMailError(error, 'storageFull')) await this.#files.remove(path);
      throw error;
    }
    if (made === undefined) await this.#files.remove(path);
    if (clock.monotonic() - startedAt > putTimeMsMax)
      throw new Fault('storing a blob took too long', { temporary: true });
    return made !== undefined;
  }

  async adopt(digest: BlobDigest, row: BlobRow, file: string): Promise<void> {
    const found = await this.#rows.find(digest);
    if (found !== undefined && (await this.#hasFile(digest, found.row))) return;
    await this.#files.adopt(hex(digest), row.generation, file);
    if ((await this.#rows.replace(digest, found, row)) === undefined)
      throw new Fault('a blob was changed by others meanwhile', { temporary: true });
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
    const file = this.#open.hold(hex(digest)) ?? (await this.#openFile(digest));
    if (file === undefined) return undefined;
    try {
      return await file.read(offset, length);
    } catch (cause) {
      throw fileFailure('reading a blob', cause);
    } finally {
      file.release();
    }
  }

  verify(digest: BlobDigest): Promise<'sound' | 'damaged' | 'missing'> {
    this.#open.forget(hex(digest));
    return verifyBlob(digest, (...range) => this.read(...range));
  }

  list(): ReturnType<BlobRows['list']> {
    return this.#rows.list();
  }

  collect(): Promise<{ readonly removed: number; readonly bytes: number }> {
    return this.#tasks.tracked(this.#maintenance.collect());
  }

  compressOld(options: {
    readonly olderThanMs: number;
  }): Promise<{ readonly compressed: number; readonly saved: number }> {
    return this.#tasks.tracked(this.#maintenance.compressOld(options));
  }

  sweep(options?: { readonly olderThanMs: number }): Promise<{ readonly removed: number }> {
    return this.#tasks.tracked(this.#maintenance.sweep(options));
  }

  heldBy(prefix: string): AsyncIterable<{ readonly digest: BlobDigest; readonly holder: string }> {
    return this.#rows.heldBy(prefix);
  }

  check(options: { readonly repair: boolean }): AsyncIterable<BlobFinding> {
    return this.#maintenance.check(options);
  }

  statistics(): BlobStatistics {
    return this.#rows.statistics();
  }

  async close(): Promise<void> {
    await this.#tasks.close();
    this.#open.close();
    this.#files.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #hasFile(digest: BlobDigest, row: BlobRow): Promise<boolean> {
    return (await this.#files.sizeOf(this.#files.pathOf(hex(digest), row.generation))) === row.bytesStored;
  }

  /** Held; undefined when there is no such blob. */
  async #openFile(digest: BlobDigest): Promise<BlobFile | undefined> {
    for (let attempt = 0; attempt < rowAttemptsMax; attempt++) {
      const found = await this.#rows.find(digest);
      if (found === undefined) return undefined;
      try {
        const path = this.#files.pathOf(hex(digest), found.row.generation);
        return this.#open.add(hex(digest), new BlobFile(path, found.row));
      } catch (cause) {
        // Compressed or collected and put again between the two: the row says where it is now.
        if (!isMissing(cause)) throw fileFailure('opening a blob', cause);
        const now = await this.#rows.find(digest);
        if (now?.row.generation === found.row.generation) {
          await this.#files.checkMark();
          throw new Fault(`the file of blob ${hex(digest)} is missing`, { temporary: false, cause });
        }
      }
    }
    throw rowContended();
  }
}
