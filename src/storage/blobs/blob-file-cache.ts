// Blob files kept open for the next range of the same message, least recently used closed first. A file is handed out
// held, so that closing it for room never closes it under a reader (its number might already name another file).

import type { BlobFile } from './blob-file.ts';

/** Each may hold one decompressed frame (256 KiB). */
const openFilesMax = 64;

export class BlobFileCache {
  /** Most recently used last. */
  readonly #files = new Map<string, BlobFile>();

  /** The file, held: release it. */
  hold(name: string): BlobFile | undefined {
    const file = this.#files.get(name);
    if (file === undefined) return undefined;
    this.#files.delete(name);
    this.#files.set(name, file);
    file.hold();
    return file;
  }

  /** Takes a file that was just opened and gives it back held. */
  add(name: string, file: BlobFile): BlobFile {
    this.forget(name);
    this.#files.set(name, file);
    file.hold();
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= openFilesMax) break;
      this.forget(oldest);
    }
    return file;
  }

  forget(name: string): void {
    this.#files.get(name)?.retire();
    this.#files.delete(name);
  }

  close(): void {
    for (const name of [...this.#files.keys()]) this.forget(name);
  }
}
