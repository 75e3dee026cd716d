// Rows that are never changed once they are written, read from the embedded engine's file by a process that does not have
// the engine: the file is mapped, so nobody else works for it and nothing is copied through a socket.
//
// Invariant: what is found is what was committed under the key. The file is behind the engine by what the engine keeps beside
// it (unflushed-rows.ts), so a row that is not found may be there all the same, and one that was deleted a moment ago may be
// found: whoever asks for what is not found asks the engine, and a key is never used for another value.
// Readers that died are cleared from the file's table when the next one opens it. Fails to open as LMDB does.

import { asBuffer } from '../../mail/bytes.ts';
import type { Bytes } from '../engine.ts';
import { type LmdbDatabase, mapBytesThatFit, openLmdbEnvironment } from './lmdb-environment.ts';

/** Whether the row of a key is one that is never changed. */
export type IsSettled = (key: Bytes) => boolean;

/** Of the file, what is found under a key. */
export interface FileRows extends AsyncDisposable {
  find(key: Bytes): Buffer | undefined;
}

/** `directory` is the engine's. */
export function openFile(directory: string): LmdbDatabase {
  return openLmdbEnvironment({ directory, mapBytes: mapBytesThatFit(), reserveBytes: 0, readOnly: true });
}

/** Ending them closes the file. */
export function fileRows(database: LmdbDatabase): FileRows {
  return {
    find: (key) => database.get(asBuffer(key)),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

export class SettledRows implements AsyncDisposable {
  readonly #rows: FileRows;
  readonly #isSettled: IsSettled;

  constructor(rows: FileRows, isSettled: IsSettled) {
    this.#rows = rows;
    this.#isSettled = isSettled;
  }

  /** Undefined: the engine must be asked. */
  find(key: Bytes): Bytes | undefined {
    return this.#isSettled(key) ? this.#rows.find(key) : undefined;
  }

  /** Values in the order of `keys`, which are of one kind; `ask` gives those of the keys that are not found here. */
  async findOrAsk(
    keys: readonly Bytes[],
    ask: (missing: readonly Bytes[]) => Promise<(Bytes | undefined)[]>,
  ): Promise<(Bytes | undefined)[]> {
    if (keys[0] === undefined || !this.#isSettled(keys[0])) return await ask(keys);
    const found = keys.map((key) => this.find(key));
    const missing = keys.filter((_, index) => found[index] === undefined);
    if (missing.length === 0) return found;
    const asked = await ask(missing);
    let next = 0;
    return found.map((value) => value ?? asked[next++]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#rows[Symbol.asyncDispose]());
  }
}
