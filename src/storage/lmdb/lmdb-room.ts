// Whether the disk has room for a batch. A batch for which there is none is refused before LMDB hears of it: this build of
// LMDB damages its heap when a write fails half-way (seen: ENOSPC in a flush, then an abort by malloc), so it must
// not come to that.

import { countBatches } from '../group-codec.ts';
import { roomBytes } from '../reserve.ts';

/** A batch may rewrite that much of the tree beside its own rows: some leaves and the way down to each. */
const treeBytesPerBatch = 64 * 1024;
/** What makes room is small beside what it frees; a larger batch is no such thing, whatever it says. */
const reservePutBytesMax = 1024 * 1024;
/** LMDB rounds large values up to pages, and a leaf that is split is written twice; and the journal has it too. */
const growthFactor = 3;

export class LmdbRoom {
  readonly #directory: string;
  readonly #reserve: number;
  /** What the file system has beyond the reserve, less what transactions that are not on disk have taken of it. */
  #left = 0;
  /** By the open transaction, and by the one that is being written. */
  #taken = 0;
  #takenBefore = 0;

  constructor({ directory, reserveBytes }: { readonly directory: string; readonly reserveBytes: number }) {
    this.#directory = directory;
    this.#reserve = reserveBytes;
  }

  /** Before each group of the open transaction. */
  measure(): void {
    this.#left = roomBytes(this.#directory, this.#reserve) - this.#taken - this.#takenBefore;
  }

  /** False: what transactions have taken that are not on disk is in the way of these groups; flush them and measure again. */
  suffices(groups: readonly Buffer[]): boolean {
    if (this.#taken + this.#takenBefore === 0) return true;
    let needed = countBatches(groups) * treeBytesPerBatch;
    for (const group of groups) needed += group.length * growthFactor;
    return needed <= this.#left;
  }

  /** The open transaction is being written. */
  finished(): void {
    this.#takenBefore = this.#taken;
    this.#taken = 0;
  }

  /** It is on disk, and so in the measure. */
  flushed(): void {
    this.#takenBefore = 0;
  }

  /** A batch that only deletes, or is small and makes room, lives from the reserve: so users can make room. */
  take(putBytes: number, fromReserve: boolean): boolean {
    const needed = putBytes * growthFactor + treeBytesPerBatch;
    const mayUseReserve = putBytes === 0 || (fromReserve && putBytes <= reservePutBytesMax);
    if (needed > this.#left + (mayUseReserve ? this.#reserve / 2 : 0)) return false;
    this.#left -= needed;
    this.#taken += needed;
    return true;
  }
}
