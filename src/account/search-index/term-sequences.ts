// The texts of a segment's messages as sequences of the numbers of their terms and of what stands between them: a search
// for several words is a search for a few bytes, and no message is read. A single space between two words is left out.
// Numbers are written in seven bits a byte, the last byte marked: bytes that are found behind a marked one are whole numbers.
// Terms get their numbers in the order they are first met, which gives the frequent ones the short ones.
// Invariant: built once, never changed. A message without a sequence was not taken apart: only its bytes tell.

import { assert } from '../../base/assert.ts';
import type { Slicer } from '../../base/slicer.ts';
import { foldWhiteSpace } from '../text-folding.ts';
import { bytesOf, bytesOfText, packColumns, textOf, uint32sOf, unpackColumns } from './packed-columns.ts';
import { inHeader, matchMaybe, matchNo, matchYes, type TermTable } from './term-table.ts';
import { gapLengthMax, type SequenceStep } from './terms.ts';

/** Ends each text, so that nothing is found across two. */
const endNumber = 0;
/** Something between two terms that is too long to be told apart. */
const longGapNumber = 1;
const firstNumber = 2;
/** No number: is left out between two words. */
const singleSpace = -1;
/** What one costs in memory besides its text. */
const gapBytes = 60;

/** A number has at most so many bytes: far more terms than a segment may have. */
const numberBytesMax = 4;
const lastByteMark = 128;

/** A term of the segment that is being made; number 0: it has none yet. */
export interface NumberedTerm {
  number: number;
}

export class TermSequencesBuilder {
  #stream = Buffer.allocUnsafe(64 * 1024);
  #length = 0;
  #nextNumber = firstNumber;
  #gapBytes = 0;
  readonly #headerEnds: number[] = [];
  readonly #bodyEnds: number[] = [];
  /** By what is between two terms, white space as one space. */
  readonly #gaps = new Map<string, number>();
  /** By what is between two terms as it stands in the text. */
  readonly #rawGaps = new Map<string, number>();

  get bytes(): number {
    return this.#length + this.#gapBytes;
  }

  addTerm(term: NumberedTerm): void {
    this.addNumber(this.numberOf(term));
  }

  numberOf(term: NumberedTerm): number {
    if (term.number === endNumber) term.number = this.#nextNumber++;
    return term.number;
  }

  addNumber(number: number): void {
    if (this.#length + numberBytesMax > this.#stream.length) {
      this.#stream = Buffer.concat([this.#stream], this.#stream.length * 2);
    }
    this.#length = writeNumber(this.#stream, this.#length, number);
  }

  addGap(raw: string, isBetweenWords: boolean): void {
    const number = this.#rawGaps.get(raw) ?? this.#rawGapNumber(raw);
    if (number !== singleSpace) this.addNumber(number);
    else if (!isBetweenWords) this.addNumber(this.gapNumber(' '));
  }

  #rawGapNumber(raw: string): number {
    const gap = foldWhiteSpace(raw);
    const number = gap === ' ' ? singleSpace : this.gapNumber(gap);
    if (number === longGapNumber) return number;
    this.#rawGaps.set(raw, number);
    this.#gapBytes += raw.length + gapBytes;
    return number;
  }

  /** `gap`: with white space folded. */
  gapNumber(gap: string): number {
    if (gap.length > gapLengthMax) return longGapNumber;
    const known = this.#gaps.get(gap);
    if (known !== undefined) return known;
    const number = this.#nextNumber++;
    this.#gaps.set(gap, number);
    this.#gapBytes += gap.length + gapBytes;
    return number;
  }

  endText(): void {
    this.addNumber(endNumber);
  }

  endHeader(): void {
    this.#headerEnds.push(this.#length);
  }

  endMessage(): void {
    // Of a message that was not taken apart there is nothing.
    if (this.#headerEnds.length === this.#bodyEnds.length) this.endHeader();
    this.#bodyEnds.push(this.#length);
  }

  /** `termNumbers`: by the term's index in its table. */
  encode(termNumbers: Uint32Array): Buffer {
    return packColumns([
      bytesOf(termNumbers),
      bytesOfText([...this.#gaps.keys()].join('\n')),
      bytesOf(Uint32Array.from(this.#gaps.values())),
      bytesOf(Uint32Array.from(this.#headerEnds)),
      bytesOf(Uint32Array.from(this.#bodyEnds)),
      this.#stream.subarray(0, this.#length),
    ]);
  }
}

function writeNumber(bytes: Buffer, start: number, number: number): number {
  let position = start;
  if (number >= 128 * 128 * 128) bytes[position++] = number >>> 21;
  if (number >= 128 * 128) bytes[position++] = (number >>> 14) & 127;
  if (number >= 128) bytes[position++] = (number >>> 7) & 127;
  bytes[position++] = (number & 127) | lastByteMark;
  return position;
}

/** Sequences of exact numbers that are looked for one after the other; more of them are looked for all at once. */
const exactSequencesMax = 6;

export interface SequenceQuery {
  readonly sequence: readonly SequenceStep[];
  /** Every message with the sequence has what is asked for. */
  readonly isExact: boolean;
}

export class TermSequences {
  readonly #termNumbers: Uint32Array;
  readonly #gapText: Buffer;
  readonly #gapNumbers: Uint32Array;
  #gaps: ReadonlyMap<string, number> | undefined;
  readonly #headerEnds: Uint32Array;
  readonly #bodyEnds: Uint32Array;
  readonly #stream: Buffer;
  /** About what it costs in memory. */
  readonly bytes: number;

  /** Throws RecordDamaged. */
  constructor(value: Uint8Array) {
    const columns = unpackColumns(value);
    this.#termNumbers = uint32sOf(columns[0]!);
    this.#gapText = columns[1]!;
    this.#gapNumbers = uint32sOf(columns[2]!);
    this.#headerEnds = uint32sOf(columns[3]!);
    this.#bodyEnds = uint32sOf(columns[4]!);
    this.#stream = columns[5]!;
    this.bytes = value.length + this.#gapNumbers.length * 100;
  }

  /** `index`: of the term in its table. Undefined: it is in no sequence. */
  termNumber(index: number): number | undefined {
    const number = this.#termNumbers[index]!;
    return number === endNumber ? undefined : number;
  }

  /** Decides of the messages that `states` says matchMaybe of, where it can. In slices. */
  async refine(
    states: Uint8Array,
    query: SequenceQuery,
    { terms, where, slicer }: { readonly terms: TermTable; readonly where: number; readonly slicer: Slicer },
  ): Promise<void> {
    const steps = query.sequence.map((step) => this.#numbers(step, terms));
    const found = new Uint8Array(states.length);
    if (steps.every((numbers) => numbers.length > 0)) {
      const isFew = steps.reduce((product, { length }) => product * length, 1) <= exactSequencesMax;
      if (!isFew) await this.#findAny(steps, found, { states, where, slicer });
      else {
        for (const bytes of exactSequences(steps)) {
          this.#findExact(bytes, found, { states, where });
          if (slicer.due()) await slicer.rest();
        }
      }
    }
    const foundState = query.isExact ? matchYes : matchMaybe;
    for (let message = 0; message < states.length; message++) {
      if (states[message] !== matchMaybe || this.#startOf(message) === this.#bodyEnds[message]) continue;
      states[message] = found[message] === 1 ? foundState : matchNo;
    }
  }

  /**
   * For putting segments together. `numbers`: those of the builder, by the numbers here; they are given for all that is
   * in the messages taken.
   */
  copyMessage(message: number, builder: TermSequencesBuilder, numbers: Int32Array): void {
    const headerEnd = this.#headerEnds[message]!;
    const end = this.#bodyEnds[message]!;
    let number = 0;
    for (let at = this.#startOf(message); at < end; at++) {
      const byte = this.#stream[at]!;
      number = (number << 7) | (byte & 127);
      if (byte < lastByteMark) continue;
      assert(numbers[number]! >= 0, 'a sequence has a term that its message has not');
      builder.addNumber(numbers[number]!);
      number = 0;
      if (at + 1 === headerEnd) builder.endHeader();
    }
    builder.endMessage();
  }

  /** The builder's numbers by those here, as far as they are known without the terms: -1 for these. */
  newNumbers(builder: TermSequencesBuilder): Int32Array {
    const highest = Math.max(longGapNumber, highestOf(this.#termNumbers), highestOf(this.#gapNumbers));
    const numbers = new Int32Array(highest + 1).fill(-1);
    numbers[endNumber] = endNumber;
    numbers[longGapNumber] = longGapNumber;
    for (const [gap, number] of this.#gapTable()) numbers[number] = builder.gapNumber(gap);
    return numbers;
  }

  #numbers(step: SequenceStep, terms: TermTable): readonly number[] {
    if ('needle' in step) {
      return terms.indexesWith(step.needle).flatMap((index) => this.termNumber(index) ?? []);
    }
    const number = this.#gapTable().get(step.gap);
    return number === undefined ? [] : [number];
  }

  #gapTable(): ReadonlyMap<string, number> {
    this.#gaps ??= new Map(
      this.#gapNumbers.length === 0
        ? []
        : textOf(this.#gapText)
            .split('\n')
            .map((gap, index) => [gap, this.#gapNumbers[index]!]),
    );
    return this.#gaps;
  }

  #startOf(message: number): number {
    return message === 0 ? 0 : this.#bodyEnds[message - 1]!;
  }

  /** Marks in `found` the messages, of those that may have it, that have these bytes. */
  #findExact(
    bytes: Buffer,
    found: Uint8Array,
    { states, where }: { readonly states: Uint8Array; readonly where: number },
  ): void {
    const stream = this.#stream;
    const bodyEnds = this.#bodyEnds;
    // First bytes of longer numbers are so frequent that looking for them takes ten times as long.
    const unmarked = bytes.findIndex((byte) => byte >= lastByteMark);
    const needle = bytes.subarray(unmarked);
    for (let at = stream.indexOf(needle); at !== -1; ) {
      const message = firstAbove(bodyEnds, at);
      const from = this.#from(message, where) + unmarked;
      if (states[message] !== matchMaybe || found[message] === 1) at = bodyEnds[message]!;
      else if (at < from) at = from;
      else if (this.#isAt(bytes, at - unmarked)) {
        found[message] = 1;
        at = bodyEnds[message]!;
      } else at++;
      at = stream.indexOf(needle, at);
    }
  }

  /** `bytes`, up to the first marked one, and before them nothing that belongs to their first number. */
  #isAt(bytes: Buffer, start: number): boolean {
    const stream = this.#stream;
    if (start > 0 && stream[start - 1]! < lastByteMark) return false;
    for (let at = 0; bytes[at]! < lastByteMark; at++) if (stream[start + at] !== bytes[at]) return false;
    return true;
  }

  /** The same for steps that many terms fit. */
  async #findAny(
    steps: readonly (readonly number[])[],
    found: Uint8Array,
    given: { readonly states: Uint8Array; readonly where: number; readonly slicer: Slicer },
  ): Promise<void> {
    const { states, where, slicer } = given;
    const sets = memberTables(steps);
    for (let message = 0; message < states.length; message++) {
      if (states[message] !== matchMaybe) continue;
      if (this.#hasSequence(sets, this.#from(message, where), this.#bodyEnds[message]!)) found[message] = 1;
      if (slicer.due()) await slicer.rest();
    }
  }

  #hasSequence(sets: readonly Uint8Array[], from: number, end: number): boolean {
    const stream = this.#stream;
    const first = sets[0]!;
    for (let at = from; at < end; ) {
      let number = 0;
      let byte = 0;
      do {
        byte = stream[at++]!;
        number = (number << 7) | (byte & 127);
      } while (byte < lastByteMark);
      if (first[number] === 1 && this.#follows(sets, at, end)) return true;
    }
    return false;
  }

  /** Whether all steps but the first stand at `start`. */
  #follows(sets: readonly Uint8Array[], start: number, end: number): boolean {
    let at = start;
    for (let step = 1; step < sets.length; step++) {
      let number = 0;
      let byte = 0;
      do {
        if (at >= end) return false;
        byte = this.#stream[at++]!;
        number = (number << 7) | (byte & 127);
      } while (byte < lastByteMark);
      if (sets[step]![number] !== 1) return false;
    }
    return true;
  }

  #from(message: number, where: number): number {
    return (where & inHeader) !== 0 ? this.#startOf(message) : this.#headerEnds[message]!;
  }
}

function highestOf(numbers: Uint32Array): number {
  let highest = 0;
  for (const number of numbers) if (number > highest) highest = number;
  return highest;
}

/** The index of the first of ascending numbers that is above `value`. */
function firstAbove(numbers: Uint32Array, value: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** All ways to take one number of each step, as they are written. */
function exactSequences(steps: readonly (readonly number[])[]): Buffer[] {
  let sequences: readonly (readonly number[])[] = [[]];
  for (const numbers of steps) {
    sequences = sequences.flatMap((before) => numbers.map((number) => [...before, number]));
  }
  return sequences.map((numbers) => {
    const bytes = Buffer.alloc(numbers.length * numberBytesMax);
    return bytes.subarray(
      0,
      numbers.reduce((at, number) => writeNumber(bytes, at, number), 0),
    );
  });
}

/** For each step 1 at the numbers that fit it. */
function memberTables(steps: readonly (readonly number[])[]): Uint8Array[] {
  const highest = steps.reduce((most, numbers) => Math.max(most, highestOf(Uint32Array.from(numbers))), 0);
  return steps.map((numbers) => {
    const table = new Uint8Array(highest + 1);
    for (const number of numbers) table[number] = 1;
    return table;
  });
}
