// One moment of a store that another process owns: held there under a number, until it is released here or the connection ends.

import { Fault } from '../../base/fault.ts';
import type { Bytes, Page, PageLimits, Range, Snapshot } from '../engine.ts';

/** What the served engine does for its snapshots; `reader` says which. */
export interface SnapshotReads {
  readOne(reader: number, key: Bytes): Promise<Bytes | undefined>;
  readMany(reader: number, keys: readonly Bytes[]): Promise<(Bytes | undefined)[]>;
  readPage(reader: number, range: Range, limits: PageLimits): Promise<Page>;
  release(reader: number): void;
}

export class ServedSnapshot implements Snapshot {
  readonly #engine: SnapshotReads;
  readonly #reader: number;
  #isReleased = false;

  constructor(engine: SnapshotReads, reader: number) {
    this.#engine = engine;
    this.#reader = reader;
  }

  async get(key: Bytes): Promise<Bytes | undefined> {
    return this.#engine.readOne(this.#held(), key);
  }

  async getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return this.#engine.readMany(this.#held(), keys);
  }

  async page(range: Range, limits: PageLimits): Promise<Page> {
    return this.#engine.readPage(this.#held(), range, limits);
  }

  async release(): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#engine.release(this.#reader);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #held(): number {
    if (this.#isReleased) throw new Fault('the snapshot is released', { temporary: true });
    return this.#reader;
  }
}
