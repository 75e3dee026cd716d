// The files of the filesystem blob store: where they are and how they become durable. A file is named by digest and
// generation, never changes once it has its name, and is on disk (data, name and directory) when `write` resolves.
// Two levels of sixteen directories are made when the store is: files spread without a directory to make for each.

import { closeSync, constants, fsync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { link, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../base/fault.ts';
import { MailError } from '../mail/mail-error.ts';
import { reserveFor, roomBytes } from './reserve.ts';

const temporarySuffix = '.part';
const hexDigits = '0123456789abcdef';

interface FanOutDirectory {
  readonly path: string;
  readonly descriptor: number;
  /** The fsync under way, and the one that starts behind it for names that came too late for it. */
  running: Promise<void> | undefined;
  waiting: Promise<void> | undefined;
}

export interface StoredFile {
  readonly path: string;
  /** Hexadecimal digest and generation; undefined for a leftover of an unfinished write. */
  readonly digest: string | undefined;
  readonly generation: string | undefined;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

/** Another file system, or one without links, or a file with too many of them, or not ours. */
function isUnlinkable(error: unknown): boolean {
  return ['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(String(codeOf(error)));
}

/** What a caller gets to see of a failed system call. */
export function fileFailure(what: string, cause: unknown): Error {
  const code = codeOf(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new MailError('storageFull', 'no room for a blob', { cause });
  if (cause instanceof Fault || cause instanceof MailError) return cause;
  return new Fault(`${what} failed`, { temporary: true, cause });
}

async function* filesIn(directory: string): AsyncGenerator<StoredFile> {
  for (const name of await readdir(directory)) {
    const [, digest, generation] = /^([0-9a-f]{64})-([0-9a-f]{16})$/.exec(name) ?? [];
    yield { path: join(directory, name), digest, generation };
  }
}

export class BlobDirectory {
  readonly #root: string;
  readonly #reserveBytes: number;
  readonly #directories = new Map<string, FanOutDirectory>();

  /** Makes what is missing. Throws when the root cannot be used. */
  constructor(root: string, reserveBytes?: number) {
    this.#root = root;
    mkdirSync(root, { recursive: true });
    this.#reserveBytes = reserveBytes ?? reserveFor(root);
    let made = false;
    for (const first of hexDigits) {
      for (const second of hexDigits) {
        const path = join(root, first, second);
        made = mkdirSync(path, { recursive: true }) !== undefined || made;
        const descriptor = openSync(path, constants.O_RDONLY);
        this.#directories.set(first + second, { path, descriptor, running: undefined, waiting: undefined });
      }
    }
    if (made) this.#syncTree();
  }

  pathOf(digest: string, generation: string): string {
    return join(this.#fanOut(digest).path, `${digest}-${generation}`);
  }

  /** Writes a new file. Rejects with MailError('storageFull') or Fault; then nothing, or a leftover, is there. */
  async write(digest: string, generation: string, pieces: readonly Uint8Array[]): Promise<void> {
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
      await this.#sync(this.#fanOut(digest));
    } catch (cause) {
      // What cannot be removed now is swept later; the caller is to hear why the writing failed.
      await this.remove(temporary).catch(() => undefined);
      throw fileFailure('writing a blob', cause);
    }
  }

  /**
   * Takes in a file that is elsewhere: by a link, as files never change, or by a copy on another file system. What an
   * earlier try left under its name goes. Durable when it resolves. Rejects as `write` does.
   */
  async adopt(digest: string, generation: string, file: string): Promise<void> {
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
    await this.#sync(this.#fanOut(digest));
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
    for (const { descriptor } of this.#directories.values()) closeSync(descriptor);
    this.#directories.clear();
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

  /** Names that are made while an fsync runs share the next one. */
  #sync(directory: FanOutDirectory): Promise<void> {
    if (directory.running === undefined) {
      directory.running = new Promise<void>((resolve, reject) => {
        fsync(directory.descriptor, (error) => (error === null ? resolve() : reject(error)));
      }).finally(() => {
        directory.running = undefined;
      });
      return directory.running;
    }
    const next = (): Promise<void> => {
      directory.waiting = undefined;
      return this.#sync(directory);
    };
    directory.waiting ??= directory.running.then(next, next);
    return directory.waiting;
  }

  #syncTree(): void {
    for (const path of [this.#root, ...[...hexDigits].map((digit) => join(this.#root, digit))]) {
      const descriptor = openSync(path, constants.O_RDONLY);
      fsyncSync(descriptor);
      closeSync(descriptor);
    }
  }
}
