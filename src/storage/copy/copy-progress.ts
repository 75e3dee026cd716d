// How far a copy got: a row of the target, changed with every step on condition that it is as it was left. So a copy that
// was broken off goes on where it stopped, and two copies never mix. While the row is there the target is no whole store.
// It says of which source it is, by the digest of that source's rows: a source that was served since is another one.

import { Fault } from '../../base/fault.ts';
import type { Bytes, Engine, Entry, Reader } from '../engine.ts';
import { decodeJsonRecord, decodeRecord, encodeJsonRecord } from '../record.ts';
import { copyProgressKey, isEmptyStore } from './copied-rows.ts';

/** 1 had no blobs and was in no release. */
const version = 2;

export interface CopyState {
  /** SHA-256 of the source's rows, in hexadecimal. */
  readonly source: string;
  /** 'engine', or the directory where the target's blobs go. */
  readonly blobsTo: string;
  /** Which part is under way; blobs come first. */
  readonly part: 'blobs' | 'rows';
  /** Where that part goes on: a key, base64; undefined at its beginning. */
  readonly next?: string;
  /** Rows and bytes that are there already. */
  readonly rows: number;
  readonly bytes: number;
  /** Blobs that could not be read at the source, hexadecimal. */
  readonly damaged: readonly string[];
}

/** Whether the store is the target of a copy that did not come to its end: it must not be served. */
export async function isCopyUnfinished(engine: Reader): Promise<boolean> {
  return (await engine.get(copyProgressKey)) !== undefined;
}

/** Whether a copy in the target is to be resumed. Rejects with Fault when the target holds something else. */
export async function isCopyResumed(target: Engine): Promise<boolean> {
  if (await isCopyUnfinished(target)) return true;
  if (await isEmptyStore(target)) return false;
  throw new Fault('the target is not empty: a store is copied into an empty one', { temporary: false });
}

/** The state as it is in the target, and the only way to change it. */
export class CopyProgressRow {
  readonly #engine: Engine;
  #value: Bytes | undefined;
  #state: CopyState;

  private constructor(engine: Engine, value: Bytes | undefined, state: CopyState) {
    this.#engine = engine;
    this.#value = value;
    this.#state = state;
  }

  /** That of a copy which was broken off; undefined when there is none. Rejects with Fault when it is none that can go on. */
  static async left(engine: Engine): Promise<CopyProgressRow | undefined> {
    const value = await engine.get(copyProgressKey);
    if (value === undefined) return undefined;
    if (decodeRecord('storeCopy', version, value).version !== version)
      throw new Fault('the copy in the target is that of an older Rookery: empty the target and copy anew', {
        temporary: false,
      });
    return new CopyProgressRow(engine, value, decodeJsonRecord<CopyState>('storeCopy', version, value));
  }

  static async begin(engine: Engine, state: CopyState): Promise<CopyProgressRow> {
    const row = new CopyProgressRow(engine, undefined, state);
    await row.save(state);
    return row;
  }

  get state(): CopyState {
    return this.#state;
  }

  /** Commits rows of the copy with the state they make true. */
  async save(state: CopyState, puts: readonly Entry[] = []): Promise<void> {
    const value = encodeJsonRecord('storeCopy', version, state);
    const result = await this.#engine.commit({
      conditions: [{ key: copyProgressKey, expected: this.#value }],
      puts: [...puts, { key: copyProgressKey, value }],
    });
    if (result.outcome !== 'committed') throw rival();
    this.#value = value;
    this.#state = state;
  }

  /** The copy is whole. */
  async finish(): Promise<void> {
    const conditions = [{ key: copyProgressKey, expected: this.#value }];
    const result = await this.#engine.commit({ conditions, deletes: [copyProgressKey] });
    if (result.outcome !== 'committed') throw rival();
  }
}

function rival(): Fault {
  return new Fault('somebody else copies into this store', { temporary: false });
}
