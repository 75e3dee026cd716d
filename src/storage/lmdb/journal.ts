// The write-ahead journal of the embedded engine: what makes a group of commits durable is one piece of it, written in one
// place and flushed once (journal-file.ts). The tree (LMDB) follows (lmdb-follower.ts), some hundred groups at a time; after
// a crash the groups that it lacks are done again.
//
// Two files take turns, so that groups go on while the tree writes what is in the other: when the tree has the groups of one
// file on disk, and wants no more of the other for now, the next go into the first again, from its beginning.
// Invariant: sequence numbers rise by one over both files; a file is written again only after the tree has all of it.

import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../base/fault.ts';
import { JournalFile, type PayloadPlace, readFully } from './journal-file.ts';

const fileNames = ['journal', 'journal.1'] as const;
/** A larger group is read into memory of its own. */
const readBytesKept = 1024 * 1024;

/** Where the payload of a group is; as long as its file is not written again. */
export interface JournalPlace extends PayloadPlace {
  readonly file: 0 | 1;
}

/** A file that was just made is durable when its directory is. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

export class Journal {
  readonly #files: readonly [JournalFile, JournalFile];
  #file: 0 | 1 = 0;
  /** Of the last group that was appended or found. */
  #sequence = 0;

  /** Makes the files when they are missing; their directory is the caller's to sync. */
  constructor(directory: string) {
    const [first, second] = fileNames;
    this.#files = [new JournalFile(join(directory, first)), new JournalFile(join(directory, second))];
  }

  /** Of the last group. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Says where the groups behind `after` are, in order; to be run once, before anything else. When the tree has them, `startOver`.
   * Throws Fault when the first of them is missing: then the tree is older than the journal, which no crash makes.
   */
  recover(after: number, redo: (place: JournalPlace) => void): void {
    this.#sequence = after;
    for (const file of this.#inOrder()) {
      for (const { sequence, position, length } of this.#files[file].groups()) {
        if (sequence <= this.#sequence) continue;
        if (sequence !== this.#sequence + 1) {
          const missing = `${this.#sequence + 1} to ${sequence - 1}`;
          throw new Fault(`the journal lacks groups ${missing}: the store is damaged`, { temporary: false });
        }
        redo({ file, position, length });
        this.#sequence = sequence;
      }
    }
  }

  /** The tree has everything on disk: the next group is written at the beginning of the first file. */
  startOver(): void {
    this.#file = 0;
    for (const file of this.#files) file.startOver();
  }

  /** The next group is written at the beginning of the other file, all of which the tree has on disk. */
  turn(): void {
    this.#file = this.#file === 0 ? 1 : 0;
    this.#files[this.#file].startOver();
  }

  /** Writes the next group and flushes it. When the disk fails it throws, and the group may or may not be there: `cancel` takes it back. */
  append(pieces: readonly Buffer[]): JournalPlace {
    const place = this.#files[this.#file].append(this.#sequence + 1, pieces);
    this.#sequence++;
    return { file: this.#file, ...place };
  }

  /** Takes back the last append, or one that threw, so that no recovery finds it; it is the last call. Throws when the disk does not take that. */
  cancel(): void {
    this.#files[this.#file].cancel();
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  /** The file that was written first comes first; one without a group does not matter. */
  #inOrder(): readonly (0 | 1)[] {
    const [first, second] = this.#files.map((file) => file.groups().next().value?.sequence ?? 0);
    return first! <= second! ? [0, 1] : [1, 0];
  }
}

/** Reads payloads, in the thread that brings the tree after the journal. */
export class JournalReader {
  readonly #descriptors: readonly number[];
  readonly #buffer = Buffer.allocUnsafeSlow(readBytesKept);

  /** The files are there already. */
  constructor(directory: string) {
    this.#descriptors = fileNames.map((name) => openSync(join(directory, name), 'r'));
  }

  /** Valid until the next call. */
  read({ file, position, length }: JournalPlace): Buffer {
    const payload =
      length > readBytesKept ? Buffer.allocUnsafeSlow(length) : this.#buffer.subarray(0, length);
    if (!readFully(this.#descriptors[file]!, payload, position))
      throw new Fault('the journal ends within a group', { temporary: false });
    return payload;
  }

  close(): void {
    for (const descriptor of this.#descriptors) closeSync(descriptor);
  }
}
