// An immutable ordered map for the memory engine: a list of sorted chunks, copied where it changes. Keeping an old
// one is how a snapshot is made. Keys are latin1 strings of the key bytes: their order is the order of the bytes.
// Invariant: no chunk is empty, chunks and the keys in them ascend.

import type { Bytes } from './engine.ts';
import { lowerBound } from './ordered-rows.ts';

/** Split above this: a copy of a chunk stays small beside the cost of a promise. */
const chunkEntriesMax = 256;

interface Chunk {
  readonly keys: string[];
  readonly values: Bytes[];
}

export class SortedMap {
  readonly #chunks: readonly Chunk[];

  constructor(chunks: readonly Chunk[] = []) {
    this.#chunks = chunks;
  }

  get(key: string): Bytes | undefined {
    const chunk = this.#chunks[chunkFor(this.#chunks, key)];
    if (chunk === undefined) return undefined;
    const index = lowerBound(chunk.keys, key);
    return chunk.keys[index] === key ? chunk.values[index] : undefined;
  }

  /** Entries with start <= key < end, ascending, or descending when `reverse`. */
  *entries(start: string, end: string, reverse: boolean): Generator<[string, Bytes]> {
    const chunks = this.#chunks;
    const step = reverse ? -1 : 1;
    for (let at = chunkFor(chunks, reverse ? end : start); at >= 0 && at < chunks.length; at += step) {
      const { keys, values } = chunks[at]!;
      const from = lowerBound(keys, start);
      const to = lowerBound(keys, end);
      for (let offset = 0; offset < to - from; offset++) {
        const index = reverse ? to - 1 - offset : from + offset;
        yield [keys[index]!, values[index]!];
      }
      if (reverse ? from > 0 : to < keys.length) return;
    }
  }

  /** A new map with the changes; this one stays as it is. */
  edit(): SortedMapEdit {
    return new SortedMapEdit([...this.#chunks]);
  }
}

/** The last chunk that starts at or below `key` (0 when there is none below). */
function chunkFor(chunks: readonly Chunk[], key: string): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (chunks[middle]!.keys[0]! <= key) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Changes to a map on their way; `finish` gives the new map, after which this must not be used. */
export class SortedMapEdit {
  readonly #chunks: Chunk[];
  readonly #own = new Set<Chunk>();

  constructor(chunks: Chunk[]) {
    this.#chunks = chunks;
  }

  set(key: string, value: Bytes): void {
    if (this.#chunks.length === 0) this.#chunks.push({ keys: [], values: [] });
    const at = chunkFor(this.#chunks, key);
    const chunk = this.#writable(at);
    const index = lowerBound(chunk.keys, key);
    if (chunk.keys[index] === key) {
      chunk.values[index] = value;
      return;
    }
    chunk.keys.splice(index, 0, key);
    chunk.values.splice(index, 0, value);
    if (chunk.keys.length > chunkEntriesMax) this.#split(at, chunk);
  }

  delete(key: string): void {
    if (this.#chunks.length === 0) return;
    const at = chunkFor(this.#chunks, key);
    const found = this.#chunks[at]!;
    if (found.keys[lowerBound(found.keys, key)] !== key) return;
    const chunk = this.#writable(at);
    const index = lowerBound(chunk.keys, key);
    chunk.keys.splice(index, 1);
    chunk.values.splice(index, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(at, 1);
  }

  finish(): SortedMap {
    return new SortedMap(this.#chunks);
  }

  #writable(at: number): Chunk {
    const chunk = this.#chunks[at]!;
    if (this.#own.has(chunk)) return chunk;
    const copy = { keys: [...chunk.keys], values: [...chunk.values] };
    this.#own.add(copy);
    this.#chunks[at] = copy;
    return copy;
  }

  #split(at: number, chunk: Chunk): void {
    const half = chunk.keys.length >>> 1;
    const upper = { keys: chunk.keys.splice(half), values: chunk.values.splice(half) };
    this.#own.add(upper);
    this.#chunks.splice(at + 1, 0, upper);
  }
}
