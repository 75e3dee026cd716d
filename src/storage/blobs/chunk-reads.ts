// Reads the chunks of blobs. What is asked for in one turn of the event loop shares requests: who fetches many large messages reads
// many blobs of a chunk or two each, and a request costs a database half as much as a chunk.
// Invariant: reads are joined up to `sharedChunksMax` chunks. A request that fails fails all who share it.

import type { Clock } from '../../base/clock.ts';
import type { Bytes, Reader } from '../engine.ts';

/** 2 MiB: more would make the first wait for the last, where several connections could each bring some. */
const sharedChunksMax = 8;

interface Wanted {
  readonly keys: readonly Bytes[];
  readonly resolve: (values: (Bytes | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
}

export class ChunkReads {
  readonly #engine: Pick<Reader, 'getMany'>;
  readonly #clock: Pick<Clock, 'nextTurn'>;
  #wanted: Wanted[] = [];

  constructor(engine: Pick<Reader, 'getMany'>, clock: Pick<Clock, 'nextTurn'>) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** As Reader.getMany. */
  getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ keys, resolve, reject });
      if (this.#wanted.length === 1) void this.#clock.nextTurn().then(() => this.#readWanted());
    });
  }

  #readWanted(): void {
    const wanted = this.#wanted;
    this.#wanted = [];
    let from = 0;
    let chunks = 0;
    for (const [index, { keys }] of wanted.entries()) {
      if (index > from && chunks + keys.length > sharedChunksMax) {
        void this.#readTogether(wanted.slice(from, index));
        from = index;
        chunks = 0;
      }
      chunks += keys.length;
    }
    void this.#readTogether(wanted.slice(from));
  }

  /** Never rejects. */
  async #readTogether(wanted: readonly Wanted[]): Promise<void> {
    try {
      const values = await this.#engine.getMany(wanted.flatMap(({ keys }) => keys));
      let at = 0;
      for (const { keys, resolve } of wanted) {
        resolve(values.slice(at, at + keys.length));
        at += keys.length;
      }
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }
}
