// Makes the positions of a segment's terms (term-positions.ts). While messages are added their texts are kept as numbers in a
// row; when all are there, the numbers are turned into a list of positions for each term.
// Invariant: messages come in the order of their numbers; a message without texts was not taken apart.

import type { Slicer } from '../../base/slicer.ts';
import { foldWhiteSpace } from '../search/text-folding.ts';
import { NumberStream } from './number-stream.ts';
import { bytesOf, bytesOfText, packColumns } from './packed-columns.ts';
import { differenceBytes, writeDifference } from './position-lists.ts';
import { chunkBytes, unlisted } from './term-positions.ts';
import { gapLengthMax } from './terms.ts';

/** No number: is left out between two words. */
const singleSpace = -1;
/** What one costs in memory besides its text. */
const gapBytes = 60;

/** Numbers worked off between two looks at the clock: less than half a millisecond. */
const numbersPerStep = 32 * 1024;

/** A term of the segment that is being made. */
export interface NumberedTerm {
  /** `unlisted`: it has none yet. */
  number: number;
}

export interface PackedPositions {
  /** What TermPositions is made of. */
  readonly positions: Buffer;
  readonly chunks: readonly Buffer[];
}

export class TermPositionsBuilder {
  readonly #stream = new NumberStream();
  #count = 0;
  #nextNumber = unlisted + 1;
  /** By number: how many bytes its list has, and its last position. */
  #sizes = new Int32Array(1024);
  #last = new Int32Array(1024);
  #listBytes = 0;
  #gapBytes = 0;
  /** Positions, as bodyEnds. */
  readonly #headerEnds: number[] = [];
  readonly #bodyEnds: number[] = [];
  /** By what is between two terms, white space as one space. */
  readonly #gaps = new Map<string, number>();
  /** By what is between two terms as it stands in the text. */
  readonly #rawGaps = new Map<string, number>();

  /** About what it costs on disk; in memory it is up to three times as much while it is packed. */
  get bytes(): number {
    return this.#listBytes + this.#gapBytes;
  }

  addTerm(term: NumberedTerm): void {
    this.addNumber(this.numberOf(term));
  }

  numberOf(term: NumberedTerm): number {
    if (term.number === unlisted) term.number = this.#nextNumber++;
    return term.number;
  }

  addNumber(number: number): void {
    const position = this.#count++;
    this.#stream.append(number);
    if (number >= this.#sizes.length) this.#grow(number + 1);
    const bytes = differenceBytes(position - this.#last[number]!);
    this.#sizes[number]! += bytes;
    this.#last[number] = position;
    this.#listBytes += bytes;
  }

  /** What is kept by number. */
  #grow(least: number): void {
    const length = Math.max(least, this.#sizes.length * 2);
    this.#sizes = grown(this.#sizes, length);
    this.#last = grown(this.#last, length);
  }

  addGap(raw: string, isBetweenWords: boolean): void {
    const number = this.#rawGaps.get(raw) ?? this.#rawGapNumber(raw);
    if (number !== singleSpace) this.addNumber(number);
    else if (!isBetweenWords) this.addNumber(this.gapNumber(' '));
  }

  #rawGapNumber(raw: string): number {
    const gap = foldWhiteSpace(raw);
    const number = gap === ' ' ? singleSpace : this.gapNumber(gap);
    if (number === unlisted) return number;
    this.#rawGaps.set(raw, number);
    this.#gapBytes += raw.length + gapBytes;
    return number;
  }

  /** `gap`: with white space folded. */
  gapNumber(gap: string): number {
    if (gap.length > gapLengthMax) return unlisted;
    const known = this.#gaps.get(gap);
    if (known !== undefined) return known;
    const number = this.#nextNumber++;
    this.#gaps.set(gap, number);
    this.#gapBytes += gap.length + gapBytes;
    return number;
  }

  endText(): void {
    this.addNumber(unlisted);
  }

  endHeader(): void {
    this.#headerEnds.push(this.#count);
  }

  endMessage(): void {
    // Of a message that was not taken apart there is nothing.
    if (this.#headerEnds.length === this.#bodyEnds.length) this.endHeader();
    this.#bodyEnds.push(this.#count);
  }

  /** `termNumbers`: by the term's index in its table. In slices. */
  async pack(termNumbers: Uint32Array, slicer: Slicer): Promise<PackedPositions> {
    const gapNumbers = Uint32Array.from(this.#gaps.values());
    const ends = new Uint32Array(termNumbers.length + gapNumbers.length);
    /** By number: where its list is written. */
    const starts = new Int32Array(this.#nextNumber);
    let total = 0;
    for (const [first, numbers] of [
      [0, termNumbers],
      [termNumbers.length, gapNumbers],
    ] as const) {
      for (let index = 0; index < numbers.length; index++) {
        const number = numbers[index]!;
        starts[number] = total;
        if (number !== unlisted) total += this.#sizes[number]!;
        ends[first + index] = total;
      }
      if (slicer.due()) await slicer.rest();
    }
    const lists = await this.#lists(starts, total, slicer);
    const chunks: Buffer[] = [];
    for (let start = 0; start < total; start += chunkBytes) {
      chunks.push(packColumns([lists.subarray(start, start + chunkBytes)]));
      if (slicer.due()) await slicer.rest();
    }
    const positions = packColumns([
      bytesOf(ends),
      bytesOfText([...this.#gaps.keys()].map((gap) => `${gap}\n`).join('')),
      bytesOf(Uint32Array.from(this.#headerEnds)),
      bytesOf(Uint32Array.from(this.#bodyEnds)),
    ]);
    return { positions, chunks };
  }

  /** `next`: by number, where its list begins. */
  async #lists(next: Int32Array, bytes: number, slicer: Slicer): Promise<Buffer> {
    const lists = Buffer.allocUnsafe(bytes);
    const last = new Int32Array(this.#nextNumber);
    const numbers = new Int32Array(numbersPerStep);
    let position = 0;
    for (let count = this.#stream.read(numbers); count > 0; count = this.#stream.read(numbers)) {
      for (let at = 0; at < count; at++, position++) {
        const number = numbers[at]!;
        if (number === unlisted) continue;
        next[number] = writeDifference(lists, next[number]!, position - last[number]!);
        last[number] = position;
      }
      if (slicer.due()) await slicer.rest();
    }
    return lists;
  }
}

function grown(numbers: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const all = new Int32Array(length);
  all.set(numbers);
  return all;
}
