// Where the terms of a segment stand in its messages' texts: a list of positions for each term, and for what stands between
// two terms, which has a position of its own; only a single space between two words is left out. Several words stand in a row
// where their positions do: a search for them reads their lists, and no message. The lists lie behind each other in chunks of one size,
// each a row of its own; here is where each list begins, and which positions are whose.
// Invariant: built once, never changed; messages are numbered from 0, and their positions ascend with them. A message
// without positions was not taken apart: only its bytes tell.

import { assert } from '../../base/assert.ts';
import type { Slicer } from '../../base/slicer.ts';
import { textOf, uint32sOf, unpackColumns } from './packed-columns.ts';
import { PositionReader } from './position-lists.ts';
import type { TermPositionsBuilder } from './term-positions-builder.ts';
import type { TermTable } from './term-table.ts';
import type { SequenceStep } from './terms.ts';

/** Of lists, in one row: with all that lies around it in LMDB it fills 16 of its pages. On disk. */
export const chunkBytes = 64 * 1024 - 64;

/** The number of what has a position but no list: the end of a text, what is too long between two terms. */
export const unlisted = 0;

const noList = 0xffff_ffff;

/** By number: those that were read. */
export type ListChunks = ReadonlyMap<number, Buffer>;

/** What a gap costs in memory besides its text. */
const gapBytes = 100;
/** Read from a list between two looks at the clock: a few microseconds, and what they are read into stays near. */
export const positionsAtOnce = 4_096;

export class TermPositions {
  /** Of lists, among the bytes of all: those of the terms in the order of their table, then those of gaps. */
  readonly #ends: Uint32Array;
  readonly #gaps: readonly string[];
  readonly #headerEnds: Uint32Array;
  readonly #bodyEnds: Uint32Array;
  /** About what it costs in memory. */
  readonly bytes: number;

  /** Throws RecordDamaged. */
  constructor(value: Uint8Array) {
    const [ends, gapText, headerEnds, bodyEnds] = unpackColumns(value) as [Buffer, Buffer, Buffer, Buffer];
    this.#ends = uint32sOf(ends);
    this.#headerEnds = uint32sOf(headerEnds);
    this.#bodyEnds = uint32sOf(bodyEnds);
    const text = textOf(gapText);
    this.#gaps = text.split('\n').slice(0, -1);
    this.bytes = value.length + text.length * 2 + this.#gaps.length * gapBytes;
  }

  /** How many there are. */
  get positions(): number {
    return this.#bodyEnds[this.#bodyEnds.length - 1] ?? 0;
  }

  get chunks(): number {
    return Math.ceil((this.#ends[this.#ends.length - 1] ?? 0) / chunkBytes);
  }

  /** The lists of all that may stand at this step, ascending. In slices. */
  async listsOf(step: SequenceStep, terms: TermTable, slicer: Slicer): Promise<readonly number[]> {
    if ('needle' in step) {
      const indexes = await terms.indexesWith(step.needle, slicer);
      return indexes.filter((list) => this.listBytes(list) > 0);
    }
    const gap = this.#gaps.indexOf(step.gap);
    return gap === -1 ? [] : [this.#ends.length - this.#gaps.length + gap];
  }

  listBytes(list: number): number {
    return this.#ends[list]! - this.#startOfList(list);
  }

  /** The numbers of the chunks that these lists lie in, ascending. */
  chunksOf(lists: readonly number[]): number[] {
    const numbers = new Set<number>();
    let added = -1;
    for (const list of lists) {
      const last = Math.floor((this.#ends[list]! - 1) / chunkBytes);
      const first = Math.floor(this.#startOfList(list) / chunkBytes);
      // Neighbours lie in one chunk mostly.
      for (let number = first; number <= last; number++) if (number !== added) numbers.add(number);
      added = last;
    }
    return [...numbers].sort((a, b) => a - b);
  }

  /** `chunks` has all that the list lies in. */
  list(list: number, chunks: ListChunks): PositionReader {
    const start = this.#startOfList(list);
    const end = this.#ends[list]!;
    const first = Math.floor(start / chunkBytes);
    const pieces: Buffer[] = [];
    for (let number = first; number * chunkBytes < end; number++) {
      const from = Math.max(0, start - number * chunkBytes);
      pieces.push(chunks.get(number)!.subarray(from, end - number * chunkBytes));
    }
    return new PositionReader(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
  }

  /** For putting segments together: which list has each position; `noList`: none. In slices. */
  async listsAt({
    chunks,
    slicer,
  }: {
    readonly chunks: ListChunks;
    readonly slicer: Slicer;
  }): Promise<Uint32Array> {
    const lists = new Uint32Array(this.positions).fill(noList);
    const some = new Int32Array(positionsAtOnce);
    for (let list = 0; list < this.#ends.length; list++) {
      if (this.listBytes(list) === 0) continue;
      const reader = this.list(list, chunks);
      for (let count = reader.read(some); count > 0; count = reader.read(some)) {
        for (let at = 0; at < count; at++) lists[some[at]!] = list;
        if (slicer.due()) await slicer.rest();
      }
    }
    return lists;
  }

  /**
   * `lists`: as listsAt gave them. `numbers`: the builder's, by list; those of the terms of all messages that are copied are
   * there, those of gaps come when they are met: what only other messages have must not stay.
   */
  copyMessage(
    message: number,
    builder: TermPositionsBuilder,
    { lists, numbers }: { readonly lists: Uint32Array; readonly numbers: Uint32Array },
  ): void {
    const headerEnd = this.#headerEnds[message]!;
    const end = this.#bodyEnds[message]!;
    for (let position = this.headerStart(message); position < end; position++) {
      if (position === headerEnd) builder.endHeader();
      const list = lists[position]!;
      if (list === noList) builder.addNumber(unlisted);
      else {
        if (numbers[list] === unlisted) numbers[list] = builder.gapNumber(this.#gapOf(list));
        builder.addNumber(numbers[list]!);
      }
    }
    builder.endMessage();
  }

  get lists(): number {
    return this.#ends.length;
  }

  /** Whether it was taken apart. */
  hasPositions(message: number): boolean {
    return this.headerStart(message) < this.#bodyEnds[message]!;
  }

  headerStart(message: number): number {
    return message === 0 ? 0 : this.#bodyEnds[message - 1]!;
  }

  bodyStart(message: number): number {
    return this.#headerEnds[message]!;
  }

  bodyEnd(message: number): number {
    return this.#bodyEnds[message]!;
  }

  #startOfList(list: number): number {
    return list === 0 ? 0 : this.#ends[list - 1]!;
  }

  #gapOf(list: number): string {
    const gap = list - (this.#ends.length - this.#gaps.length);
    assert(gap >= 0, 'a message has the position of a term that it has not');
    return this.#gaps[gap]!;
  }
}
