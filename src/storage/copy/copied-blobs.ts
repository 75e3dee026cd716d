// Blobs on their way from one store to another, whatever form they have on either side: files (raw or compressed) or
// chunks in the engine. A file that becomes a file keeps its form, and is linked rather than copied where the file system
// can; anything else is put into the target as new mail would be.
//
// Invariants: what is put into the target has the digest it is named by: it was read from the source and compared. A blob
// that nobody links, or whose putting was never finished, is rubbish of the source and stays there.
// Copying a blob again does nothing, so a copy that was broken off may repeat some.

import { hash } from 'node:crypto';
import { existsSync, opendirSync, realpathSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { BlobDirectory } from '../blobs/blob-directory.ts';
import { BlobFile } from '../blobs/blob-file.ts';
import { type BlobRow, blobKey, blobKeyRange, decodeBlobRow, digestOfBlobKey } from '../blobs/blob-row.ts';
import { BlobRows } from '../blobs/blob-rows.ts';
import { type BlobDigest, type BlobStore, hex } from '../blobs/blob-store.ts';
import { checkBlobDirectory } from '../blobs/claim-blob-directory.ts';
import { isMark } from '../blobs/directory-mark.ts';
import { openEngineBlobStore } from '../blobs/engine-blob-store.ts';
import { isMissing } from '../blobs/file-errors.ts';
import { type FilesystemBlobStore, openFilesystemBlobStore } from '../blobs/filesystem-blob-store.ts';
import type { Bytes, Engine } from '../engine.ts';
import { unlessDamaged } from '../record.ts';
import { isCopyResumed } from './copy-progress.ts';

const rowPage = { entriesMax: 200, bytesMax: 1 << 20 };

export interface CopiedBlobsOptions {
  readonly source: Engine;
  /** Where the source's blob files are; undefined: it has none. */
  readonly sourceDirectory: string | undefined;
  readonly target: Engine;
  /** Where the target's blobs are to be; undefined: in its engine. */
  readonly targetDirectory: string | undefined;
  readonly clock: Clock;
}

export interface SourceBlob {
  readonly digest: BlobDigest;
  /** Undefined when the row is damaged. */
  readonly row: BlobRow | undefined;
}

/** Where the walk goes on behind a blob. */
export function keyBehind({ digest }: SourceBlob): Bytes {
  return Buffer.concat([blobKey(digest), Buffer.of(0)]);
}

/** Rejects with Fault when a directory is not what it has to be. */
export async function openCopiedBlobs(options: CopiedBlobsOptions): Promise<CopiedBlobs> {
  const { source, target, sourceDirectory, targetDirectory, clock } = options;
  // The counting of a store that is only read here has nothing to tell anybody.
  const surroundings = { clock, log: silentLog };
  if (sourceDirectory !== undefined && !existsSync(sourceDirectory))
    throw new Fault(`there is no blob directory ${sourceDirectory}`, { temporary: false });
  if (sourceDirectory !== undefined) await checkBlobDirectory(source, sourceDirectory);
  if (isSamePlace(sourceDirectory, targetDirectory)) {
    const message =
      'the copy cannot use the directory of the source: name another one on the same file system';
    throw new Fault(`${message}, files are linked there and take no room`, { temporary: false });
  }
  // Before the directory is claimed, which the row of a store that is served must not hear of.
  const isResumed = await isCopyResumed(target);
  if (targetDirectory !== undefined && !isResumed && holdsFiles(targetDirectory)) {
    const message = `${targetDirectory} is not empty: blobs are copied into a directory of their own (--to-blobs)`;
    throw new Fault(message, { temporary: false });
  }
  const files =
    targetDirectory === undefined
      ? undefined
      : await openFilesystemBlobStore({
          ...surroundings,
          directory: targetDirectory,
          engine: target,
          compression: { level: 3 },
        });
  return new CopiedBlobs({
    source,
    sourceFiles:
      sourceDirectory === undefined
        ? undefined
        : await BlobDirectory.open(sourceDirectory, { reserveBytes: 0 }),
    sourceChunks: await openEngineBlobStore({ ...surroundings, engine: source }),
    targetFiles: files,
    target: files ?? (await openEngineBlobStore({ ...surroundings, engine: target })),
    clock,
  });
}

/** Whether files of some blob store, or of anybody, are there already; its mark may be: whose, is seen when it is claimed. */
function holdsFiles(directory: string): boolean {
  if (!existsSync(directory)) return false;
  const walk = opendirSync(directory, { recursive: true });
  try {
    for (let entry = walk.readSync(); entry !== null; entry = walk.readSync())
      if (entry.isFile() && !isMark(entry.name)) return true;
    return false;
  } finally {
    walk.closeSync();
  }
}

function isSamePlace(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || !existsSync(one) || !existsSync(other)) return false;
  return realpathSync(one) === realpathSync(other);
}

interface CopiedBlobsParts {
  readonly source: Engine;
  readonly sourceFiles: BlobDirectory | undefined;
  readonly sourceChunks: BlobStore;
  readonly targetFiles: FilesystemBlobStore | undefined;
  readonly target: BlobStore;
  readonly clock: Clock;
}

export class CopiedBlobs implements AsyncDisposable {
  readonly #parts: CopiedBlobsParts;
  readonly #rows: BlobRows;

  constructor(parts: CopiedBlobsParts) {
    this.#parts = parts;
    const { source: engine, clock } = parts;
    this.#rows = new BlobRows({ engine, clock, random: systemRandom, log: silentLog });
  }

  /** The source's blobs in order, from a key on: those that go along. */
  async *pages(from?: Bytes): AsyncGenerator<readonly SourceBlob[]> {
    const range = blobKeyRange();
    for (let start: Bytes | undefined = from ?? range.start; start !== undefined; ) {
      const page = await this.#parts.source.page({ start, end: range.end }, rowPage);
      const blobs: SourceBlob[] = [];
      for (const { key, value } of page.entries) {
        const digest = digestOfBlobKey(key);
        const row = unlessDamaged(() => decodeBlobRow(value));
        if (row?.state !== 'writing' && (await this.#rows.isLinked(digest))) blobs.push({ digest, row });
      }
      if (blobs.length > 0) yield blobs;
      start = page.next;
    }
  }

  /** False: it is damaged or missing at the source, and nothing was put. */
  async copy({ digest, row }: SourceBlob): Promise<boolean> {
    const { targetFiles, target, sourceFiles } = this.#parts;
    const bytes = row === undefined ? undefined : await this.#read(digest, row);
    if (row === undefined || bytes === undefined || !isOf(digest, bytes)) return false;
    if (targetFiles !== undefined && row.form !== 'chunked')
      await targetFiles.adopt(digest, row, sourceFiles!.pathOf(hex(digest), row.generation));
    else await target.put(digest, bytes);
    return true;
  }

  /** Reads it back from the target. */
  verify(digest: BlobDigest): Promise<'sound' | 'damaged' | 'missing'> {
    return this.#parts.target.verify(digest);
  }

  /** How many there are in the target. */
  async countCopied(): Promise<number> {
    let blobs = 0;
    for await (const _ of this.#parts.target.list()) blobs++;
    return blobs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#parts.sourceChunks.close(), this.#parts.target.close()]);
    this.#parts.sourceFiles?.close();
  }

  /** Undefined when it cannot be read. */
  async #read(digest: BlobDigest, row: BlobRow): Promise<Uint8Array | undefined> {
    const { sourceFiles, sourceChunks } = this.#parts;
    try {
      if (row.form === 'chunked') return await sourceChunks.read(digest, 0, row.bytes);
      if (sourceFiles !== undefined)
        return await readFile(sourceFiles.pathOf(hex(digest), row.generation), row);
    } catch (error) {
      if (isMissing(error) || (error instanceof Fault && !error.temporary)) return undefined;
      throw error;
    }
    throw new Fault('the source has blobs in files: say in which directory (--from-blobs)', {
      temporary: false,
    });
  }
}

async function readFile(path: string, row: BlobRow): Promise<Uint8Array> {
  const file = new BlobFile(path, row);
  file.hold();
  try {
    return await file.read(0, row.bytes);
  } finally {
    file.retire();
    file.release();
  }
}

function isOf(digest: BlobDigest, bytes: Uint8Array): boolean {
  return Buffer.compare(hash('sha256', bytes, 'buffer'), digest) === 0;
}
