// What a blob store does when nobody waits: collecting what has no link, compressing what is old, sweeping files that no
// row names, and making damaged rows again from their files. The argument why collecting cannot race with linking
// stands in filesystem-blob-store.ts.
//
// Invariant: a row changes only if it still is as it was read; a file goes only after the row that named it.
// One blob that fails is logged and passed over: it must not keep the others waiting. A full disk ends the walk.

import { createHash, hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { compressBlob, decompressBlob } from './blob-compression.ts';
import type { BlobDirectory } from './blob-directory.ts';
import type { BlobFileCache } from './blob-file-cache.ts';
import type { BlobRow } from './blob-row.ts';
import type { BlobRows, FoundBlob } from './blob-rows.ts';
import { type BlobDigest, type BlobFinding, hex } from './blob-store.ts';

const orphanAgeMs = 24 * 60 * 60 * 1000;
/** Compressing must save more than a tenth. */
const worthwhileShare = 0.9;

export interface CompressionPolicy {
  /** zstd level, 1..19. */
  readonly level: number;
}

export interface BlobMaintenanceOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly compression: CompressionPolicy;
  readonly rows: BlobRows;
  readonly files: BlobDirectory;
  readonly open: BlobFileCache;
  read(digest: BlobDigest, offset: number, length: number): Promise<Uint8Array | undefined>;
  /** True once the store is being closed: walks end at their next step. */
  stopped(): boolean;
}

export class BlobMaintenance {
  readonly #options: BlobMaintenanceOptions;

  constructor(options: BlobMaintenanceOptions) {
    this.#options = options;
  }

  async collect(): Promise<{ readonly removed: number; readonly bytes: number }> {
    let removed = 0;
    let bytes = 0;
    for await (const { digest } of this.#options.rows.all()) {
      if (this.#options.stopped()) break;
      const gone = await this.#attempt('collecting', digest, () => this.collectOne(digest));
      if (gone === undefined) continue;
      removed++;
      bytes += gone.bytesStored;
    }
    return { removed, bytes };
  }

  async collectAll(digests: Iterable<BlobDigest>): Promise<void> {
    for (const digest of digests) {
      if (this.#options.stopped()) return;
      await this.#attempt('collecting', digest, () => this.collectOne(digest));
    }
  }

  /** The steps of filesystem-blob-store.ts; the row that went, undefined when the blob stays. */
  async collectOne(digest: BlobDigest): Promise<BlobRow | undefined> {
    const { rows, files, open } = this.#options;
    const found = await rows.find(digest);
    const dying = found && (await rows.condemn(digest, found));
    if (dying === undefined || !(await rows.delete(digest, dying))) return undefined;
    open.forget(hex(digest));
    await files.remove(files.pathOf(hex(digest), dying.row.generation));
    return dying.row;
  }

  async compressOld({ olderThanMs }: { readonly olderThanMs: number }): Promise<{
    readonly compressed: number;
    readonly saved: number;
  }> {
    await this.#options.files.checkMark();
    const before = this.#options.clock.now() - olderThanMs;
    let compressed = 0;
    let saved = 0;
    for await (const { digest, value, row } of this.#options.rows.all()) {
      if (this.#options.stopped()) break;
      if (row.state !== 'live' || row.form !== 'raw' || row.createdAt > before) continue;
      const compress = () => this.#compressOne(digest, { value, row });
      const less = (await this.#attempt('compressing', digest, compress)) ?? 0;
      if (less > 0) compressed++;
      saved += less;
    }
    return { compressed, saved };
  }

  /** Bytes saved. The old file goes after the row names the new one; whoever has it open reads on. */
  async #compressOne(digest: BlobDigest, found: FoundBlob): Promise<number> {
    const { rows, files, open, compression, read } = this.#options;
    const name = hex(digest);
    const bytes = await read(digest, 0, found.row.bytes);
    if (bytes === undefined) return 0;
    const pieces = await compressBlob(bytes, compression.level);
    const bytesStored = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytesStored >= bytes.length * worthwhileShare) {
      await rows.replace(digest, found, { ...found.row, form: 'kept' });
      return 0;
    }
    const generation = rows.newGeneration();
    await files.write(name, generation, pieces);
    const replaced = await rows.replace(digest, found, {
      ...found.row,
      form: 'zstd',
      generation,
      bytesStored,
    });
    await files.remove(files.pathOf(name, replaced ? found.row.generation : generation));
    if (!replaced) return 0;
    open.forget(name);
    return found.row.bytesStored - bytesStored;
  }

  async sweep({ olderThanMs } = { olderThanMs: orphanAgeMs }): Promise<{ readonly removed: number }> {
    const { rows, files, clock } = this.#options;
    await files.checkMark();
    let removed = 0;
    for await (const { path, digest, generation } of files.files()) {
      if (this.#options.stopped()) break;
      if (digest !== undefined) {
        const key = Buffer.from(digest, 'hex');
        // A damaged row may name it.
        const named = await this.#attempt('sweeping', key, async () => {
          const found = await rows.find(key);
          return found !== undefined && found.row.generation === generation;
        });
        if (named !== false) continue;
      }
      const modified = await stat(path).catch(() => undefined);
      if (modified === undefined || modified.mtimeMs > clock.now() - olderThanMs) continue;
      await files.remove(path);
      removed++;
    }
    return { removed };
  }

  /** For store check: damaged rows. With `repair` each is made again from its file, or set aside when there is none. */
  async *check({ repair }: { readonly repair: boolean }): AsyncGenerator<BlobFinding> {
    const { rows } = this.#options;
    for await (const { digest, value } of rows.damaged()) {
      const row = await this.#rowOfFiles(digest);
      const blob = hex(digest);
      const what = row ? `the row of blob ${blob} is damaged` : `blob ${blob} is lost: row damaged, no file`;
      if (repair) await rows.mend(digest, value, row);
      yield { what, action: !repair ? 'reported' : row ? 'repaired' : 'setAside' };
    }
  }

  /** What the row of a blob must say, by a file that holds it whole; undefined when there is none. */
  async #rowOfFiles(digest: BlobDigest): Promise<BlobRow | undefined> {
    const { files, rows } = this.#options;
    await files.checkMark();
    for await (const file of files.filesOf(hex(digest))) {
      const stored = await readFile(file.path);
      const form = hasDigest(stored, digest) ? 'raw' : 'zstd';
      const content = form === 'raw' ? stored : await decompressBlob(stored).catch(ignoreDamage);
      if (content === undefined || !hasDigest(content, digest) || file.generation === undefined) continue;
      const { generation } = file;
      return { ...rows.newRow(form, content.length), generation, bytesStored: stored.length };
    }
    return undefined;
  }

  async #attempt<T>(what: string, digest: BlobDigest, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isMailError(error, 'storageFull') || this.#options.stopped()) throw error;
      this.#options.log.error({ err: error, blob: hex(digest) }, `${what} a blob failed`);
      return undefined;
    }
  }
}

function hasDigest(bytes: Uint8Array, digest: BlobDigest): boolean {
  return Buffer.compare(hash('sha256', bytes, 'buffer'), digest) === 0;
}

function ignoreDamage(error: unknown): undefined {
  if (error instanceof Fault) return undefined;
  throw error;
}

const verifyPieceBytes = 1 << 20;

/** Reads all of a blob and compares. */
export async function verifyBlob(
  digest: BlobDigest,
  read: BlobMaintenanceOptions['read'],
): Promise<'sound' | 'damaged' | 'missing'> {
  const sum = createHash('sha256');
  try {
    for (let offset = 0; ; offset += verifyPieceBytes) {
      const piece = await read(digest, offset, verifyPieceBytes);
      if (piece === undefined) return 'missing';
      sum.update(piece);
      if (piece.length < verifyPieceBytes) break;
    }
  } catch (error) {
    if (error instanceof Fault && !error.temporary) return 'damaged';
    throw error;
  }
  return Buffer.compare(sum.digest(), digest) === 0 ? 'sound' : 'damaged';
}
