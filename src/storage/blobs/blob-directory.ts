// The files of the filesystem blob store: where they are and how they become durable. A file is named by digest and
// generation, never changes once it has its name, and is on disk (data, name and directory) when `write` resolves.
// Two levels of sixteen directories are made when the store is: files spread without a directory to make for each.
//
// What `write` has acknowledged is in the store's own directory, also when that goes away while the server runs (a mount that
// ends leaves what lies below it, which may have all the same names): each directory is held open, and before a write
// is acknowledged its name must still lead to the one that is held, and the file be found there. That costs two calls of
// `stat` beside the two that wait for the disk; a look now and then would leave time in which mail goes astray. After a failure
// the mark in the root is read (directory-mark.ts): without the right one there is no verdict that a file is missing, and the
// failure is told as what it is. When the file system is mounted again its directories are taken up, without a restart.

import { closeSync, constants, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { link, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { MailError } from '../../mail/mail-error.ts';
import { reserveFor, roomBytes } from '../reserve.ts';
import { checkMark } from './directory-mark.ts';
import { FanOutDirectory } from './fan-out-directory.ts';
import { fileFailure, isMissing, isUnlinkable } from './file-errors.ts';

const temporarySuffix = '.part';
const hexDigits = '0123456789abcdef';

export interface StoredFile {
  readonly path: string;
  /** Hexadecimal digest and generation; undefined for a leftover of an unfinished write. */
  readonly digest: string | undefined;
  readonly generation: string | undefined;
}

async function* filesIn(directory: string): AsyncGenerator<StoredFile> {
  for (const name of await readdir(directory)) {
    const [, digest, generation] = /^([0-9a-f]{64})-([0-9a-f]{16})$/.exec(name) ?? [];
    yield { path: join(directory, name), digest, generation };
  }
}

/** Where a blob's file is, whether or not the directory is in use here. */
export function blobPath(root: string, digest: string, generation: string): string {
  return join(root, digest[0]!, digest[1]!, `${digest}-${generation}`);
}

export interface BlobDirectoryOptions {
  readonly reserveBytes?: number | undefined;
  /** What its mark says (claim-blob-directory.ts); undefined: nothing is checked. */
  readonly mark?: string | undefined;
}

export class BlobDirectory {
  readonly #root: string;
  readonly #reserveBytes: number;
  readonly #mark: string | undefined;
  #directories: ReadonlyMap<string, FanOutDirectory>;

  private constructor(root: string, reserveBytes: number, mark: string | undefined) {
    this.#root = root;
    this.#reserveBytes = reserveBytes;
    this.#mark = mark;
    this.#directories = openFanOut(root);
  }

  /** Makes what is missing. Rejects when the root cannot be used, or lost its mark. */
  static async open(root: string, { reserveBytes, mark }: BlobDirectoryOptions = {}): Promise<BlobDirectory> {
    mkdirSync(root, { recursive: true });
    const directory = new BlobDirectory(root, reserveBytes ?? reserveFor(root), mark);
    try {
      // Only now: what was opened before may be what lay below a mount that came meanwhile.
      await directory.checkMark();
    } catch (error) {
      directory.close();
      throw error;
    }
    return directory;
  }

  /** Rejects with Fault (temporary) when the directory is not the store's any more. */
  async checkMark(): Promise<void> {
    if (this.#mark !== undefined) await checkMark(this.#root, this.#mark);
  }

  pathOf(digest: string, generation: string): string {
    return blobPath(this.#root, digest, generation);
  }

  /** Writes a new file. Rejects with MailError('storageFull') or Fault; then nothing, or a leftover, is there. */
  async write(digest: string, generation: string, pieces: readonly Uint8Array[]): Promise<void> {
    const directory = this.#fanOut(digest);
    const path = this.pathOf(digest, generation);
    const temporary = path + temporarySuffix;
    try {
      this.#checkRoom(pieces);
      const handle = await open(temporary, 'wx', 0o600);
      try {
        for (const piece of pieces) await handle.writeFile(piece);
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      await directory.sync();
      await directory.checkHolds(path);
    } catch (cause) {
      // What cannot be removed now is swept later; the caller is to hear why the writing failed.
      for (const left of [temporary, path]) await this.remove(left).catch(() => undefined);
      throw await this.#explained(digest, fileFailure('writing a blob', cause));
    }
  }

  /**
   * Takes in a file that is elsewhere: by a link, as files never change, or by a copy on another file system. What an
   * earlier try left under its name goes. Durable when it resolves. Rejects as `write` does.
   */
  async adopt(digest: string, generation: string, file: string): Promise<void> {
    const directory = this.#fanOut(digest);
    const path = this.pathOf(digest, generation);
    await this.remove(path);
    await this.remove(path + temporarySuffix);
    try {
      await link(file, path);
    } catch (cause) {
      if (!isUnlinkable(cause)) throw fileFailure('linking a blob', cause);
      await this.write(digest, generation, [await readFile(file)]);
      return;
    }
    await directory.sync();
    await directory.checkHolds(path);
  }

  /** Removes a file, if it is there. Its name may come back after a crash: then it is swept. */
  async remove(path: string): Promise<void> {
    try {
      await unlink(path);
    } catch (cause) {
      if (!isMissing(cause)) throw fileFailure('removing a blob', cause);
    }
  }

  /** The size of a file, undefined when there is none. */
  async sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await stat(path)).size;
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw fileFailure('looking for a blob', cause);
    }
  }

  /** Every file there is. */
  async *files(): AsyncGenerator<StoredFile> {
    for (const { path } of this.#directories.values()) yield* filesIn(path);
  }

  /** Every file of a blob. */
  async *filesOf(digest: string): AsyncGenerator<StoredFile> {
    for await (const file of filesIn(this.#fanOut(digest).path)) if (file.digest === digest) yield file;
  }

  close(): void {
    retireAll(this.#directories);
    this.#directories = new Map();
  }

  #fanOut(digest: string): FanOutDirectory {
    const directory = this.#directories.get(digest.slice(0, 2));
    if (directory === undefined) throw new Fault('the blob store is closed', { temporary: true });
    return directory;
  }

  #checkRoom(pieces: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    if (roomBytes(this.#root, this.#reserveBytes) < bytes)
      throw new MailError('storageFull', 'no room for a blob');
  }

  /** What to tell of a failure: above all that the directory is not there. What is there anew can be written to afterwards. */
  async #explained(digest: string, failure: Error): Promise<Error> {
    if (!(failure instanceof Fault) || this.#mark === undefined) return failure;
    try {
      await this.checkMark();
      if (!(await this.#fanOut(digest).isInPlace())) await this.#takeUp();
      return failure;
    } catch (error) {
      return error instanceof Fault ? error : failure;
    }
  }

  /** The file system was mounted again. Rejects when it went away once more; then all is as it was. */
  async #takeUp(): Promise<void> {
    const before = this.#directories;
    const opened = openFanOut(this.#root);
    try {
      await this.checkMark();
      // Else another write was faster, or the store was closed.
      if (this.#directories === before) this.#directories = opened;
    } finally {
      retireAll(this.#directories === opened ? before : opened);
    }
  }
}

/** Makes what is missing of them. Throws when one cannot be opened. */
function openFanOut(root: string): Map<string, FanOutDirectory> {
  const directories = new Map<string, FanOutDirectory>();
  let made = false;
  try {
    for (const first of hexDigits) {
      for (const second of hexDigits) {
        const path = join(root, first, second);
        made = mkdirSync(path, { recursive: true }) !== undefined || made;
        directories.set(first + second, new FanOutDirectory(path));
      }
    }
    if (made) syncTree(root);
  } catch (error) {
    retireAll(directories);
    throw error;
  }
  return directories;
}

function retireAll(directories: ReadonlyMap<string, FanOutDirectory>): void {
  for (const directory of directories.values()) directory.retire();
}

function syncTree(root: string): void {
  for (const path of [root, ...[...hexDigits].map((digit) => join(root, digit))]) {
    const descriptor = openSync(path, constants.O_RDONLY);
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
}
