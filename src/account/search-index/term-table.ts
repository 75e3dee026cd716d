// The terms of a segment of the index and the messages they are in. All terms stand in two texts (one byte a character,
// and two), so that what is inside of terms is found by the engine's own substring search; behind each term its list of
// messages: differences of 4 × message + where, as variable-length numbers.
// Invariant: built once, never changed; messages are numbered from 0 in the segment.

import type { Slicer } from '../../base/slicer.ts';
import { bytesOf, packColumns, uint32sOf, unpackColumns } from './packed-columns.ts';
import type { NumberedTerm } from './term-positions-builder.ts';
import { type TermQuery, termMark } from './terms.ts';

/** Where in a message a term is; bits. */
export const inBody = 1;
export const inHeader = 2;

/** What is known of a message. */
export const matchNo = 0;
export const matchYes = 1;
/** Only its bytes tell. */
export const matchMaybe = 2;

const beyondLatin1 = /[^\x00-\xff]/;

/** A term while a segment is made. */
interface BuiltTerm extends NumberedTerm {
  /** 4 × message + where, ascending. */
  readonly list: number[];
}

/** Of messages whose terms are not here: only their bytes tell. It has no word character, so no message has it. */
const openTerm = '\u0003';

export class TermTableBuilder {
  readonly #terms = new Map<string, BuiltTerm>();
  /** Roughly what it costs, for the limit of a segment. */
  bytes = 0;

  /** `term` is in `message`; the term as it is kept here. */
  add(term: string, message: number, where: number): NumberedTerm {
    const known = this.#terms.get(term);
    if (known === undefined) {
      const built: BuiltTerm = { number: 0, list: [message * 4 + where] };
      this.#terms.set(term, built);
      this.bytes += term.length + 16;
      return built;
    }
    const { list } = known;
    const last = list.length - 1;
    const before = list[last]!;
    if (before >>> 2 === message) list[last] = before | where;
    else {
      list.push(message * 4 + where);
      this.bytes += 2;
    }
    return known;
  }

  /** The message is not taken apart: whatever is asked, its bytes must be looked at. */
  addOpen(message: number): void {
    this.add(openTerm, message, inBody | inHeader);
  }

  /** In slices: a large segment has hundreds of thousands of terms. `numbers`: by the index of the term. */
  async encode(slicer: Slicer): Promise<{ readonly table: Buffer; readonly numbers: Uint32Array }> {
    const narrow: string[] = [];
    const wide: string[] = [];
    for (const term of this.#terms.keys()) (beyondLatin1.test(term) ? wide : narrow).push(term);
    const ends = new Uint32Array(narrow.length + wide.length);
    const numbers = new Uint32Array(ends.length);
    let postings = Buffer.allocUnsafe(this.bytes + 64);
    let position = 0;
    let index = 0;
    for (const terms of [narrow, wide]) {
      for (const term of terms) {
        const { list, number } = this.#terms.get(term)!;
        if (position + list.length * 5 > postings.length) {
          postings = Buffer.concat([postings], (position + list.length * 5) * 2);
        }
        position = writeList(postings, position, list);
        numbers[index] = number;
        ends[index++] = position;
        if ((index & 255) === 0 && slicer.due()) await slicer.rest();
      }
    }
    const counts = Uint32Array.of(narrow.length, wide.length);
    const table = packColumns([
      bytesOf(counts),
      Buffer.from(marked(narrow), 'latin1'),
      Buffer.from(marked(wide), 'utf16le'),
      bytesOf(ends),
      postings.subarray(0, position),
    ]);
    return { table, numbers };
  }
}

function marked(terms: readonly string[]): string {
  return terms.length === 0 ? '' : `${termMark}${terms.join(termMark)}${termMark}`;
}

function writeList(bytes: Buffer, start: number, list: readonly number[]): number {
  let position = start;
  let before = 0;
  for (const value of list) {
    let difference = value - before;
    before = value;
    for (; difference > 127; difference >>>= 7) bytes[position++] = (difference & 127) | 128;
    bytes[position++] = difference;
  }
  return position;
}

interface MarkedTerms {
  readonly text: string;
  /** Where each term begins in `text`, and one more for the end. */
  readonly starts: Uint32Array;
  /** The number of the first one among all terms of the table. */
  readonly first: number;
}

function markedTerms(text: string, count: number, first: number): MarkedTerms {
  const starts = new Uint32Array(count + 1);
  let at = 1;
  for (let index = 0; index < count; index++) {
    starts[index] = at;
    at = text.indexOf(termMark, at) + 1;
  }
  starts[count] = at;
  return { text, starts, first };
}

/** A message that has a term, and where in it. */
export interface TermPlace {
  readonly message: number;
  readonly where: number;
}

export class TermTable {
  readonly #texts: readonly MarkedTerms[];
  readonly #ends: Uint32Array;
  readonly #postings: Buffer;
  /** About what it costs in memory. */
  readonly bytes: number;

  /** Throws RecordDamaged. */
  constructor(value: Uint8Array) {
    const [counts, narrow, wide, ends, postings] = unpackColumns(value) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    const [narrowCount, wideCount] = uint32sOf(counts) as unknown as [number, number];
    this.#texts = [
      markedTerms(narrow.toString('latin1'), narrowCount, 0),
      markedTerms(wide.toString('utf16le'), wideCount, narrowCount),
    ];
    this.#ends = uint32sOf(ends);
    this.#postings = postings;
    this.bytes = value.length + narrow.length + wide.length + (narrowCount + wideCount) * 4;
  }

  /** Of the row that says where the lists of its terms are (term-positions.ts), about. */
  get positionsRowBytes(): number {
    return this.#ends.byteLength;
  }

  /** What each of `count` messages is to the query; `where`: the bits of which one must be set. In slices. */
  async match(
    query: TermQuery,
    { where, count, slicer }: { readonly where: number; readonly count: number; readonly slicer: Slicer },
  ): Promise<Uint8Array> {
    // How many needles were found so far, all that came before included.
    const met = new Uint8Array(count);
    let left = count;
    for (const [index, needle] of query.needles.entries()) {
      const before = left;
      left = 0;
      const walk = this.#termsWith(needle);
      for (let term = walk.next(); term !== -1 && left < before; term = walk.next()) {
        this.#eachPosting(term, (value) => {
          const message = value >>> 2;
          if ((value & where) === 0 || met[message] !== index) return;
          met[message] = index + 1;
          left++;
        });
        if (walk.isStepDone(this.#listBytes(term)) && slicer.due()) await slicer.rest();
      }
      if (left === 0) return this.#withOpen(met.fill(matchNo));
      if (slicer.due()) await slicer.rest();
    }
    const wanted = query.needles.length;
    const state = query.isExact ? matchYes : matchMaybe;
    for (let message = 0; message < count; message++)
      met[message] = met[message] === wanted ? state : matchNo;
    return this.#withOpen(met);
  }

  /** The indexes of the terms that, between their marks, contain `needle`, ascending. In slices. */
  async indexesWith(needle: string, slicer: Slicer): Promise<number[]> {
    const indexes: number[] = [];
    const walk = this.#termsWith(needle);
    for (let term = walk.next(); term !== -1; term = walk.next()) {
      indexes.push(term);
      if (walk.isStepDone(0) && slicer.due()) await slicer.rest();
    }
    return indexes;
  }

  /** For putting segments together: each term, by its index, and each message it is in. Sliced. */
  async each(slicer: Slicer, visit: (term: string, index: number, place: TermPlace) => void): Promise<void> {
    for (const { text, starts, first } of this.#texts) {
      for (let index = 0; index + 1 < starts.length; index++) {
        const term = text.slice(starts[index]!, starts[index + 1]! - 1);
        this.#eachPosting(first + index, (value) =>
          visit(term, first + index, { message: value >>> 2, where: value & 3 }),
        );
        if ((index & 255) === 255 && slicer.due()) await slicer.rest();
      }
    }
  }

  #withOpen(states: Uint8Array): Uint8Array {
    const walk = this.#termsWith(termMark + openTerm + termMark);
    for (let term = walk.next(); term !== -1; term = walk.next()) {
      this.#eachPosting(term, (value) => {
        states[value >>> 2] = matchMaybe;
      });
    }
    return states;
  }

  #termsWith(needle: string): TermsWith {
    return new TermsWith(this.#texts, needle);
  }

  #listBytes(term: number): number {
    return this.#ends[term]! - (term === 0 ? 0 : this.#ends[term - 1]!);
  }

  #eachPosting(term: number, visit: (value: number) => void): void {
    const bytes = this.#postings;
    const end = this.#ends[term]!;
    let value = 0;
    for (let at = term === 0 ? 0 : this.#ends[term - 1]!; at < end; ) {
      let byte = bytes[at++]!;
      let difference = byte & 127;
      for (let shift = 7; byte > 127; shift += 7) {
        byte = bytes[at++]!;
        difference |= (byte & 127) << shift;
      }
      value += difference;
      visit(value);
    }
  }
}

/** Bytes of lists, and terms at eight each, that are looked at between two looks at the clock: some ten microseconds. */
const stepBytes = 8 * 1024;
const termStepBytes = 8;

/** The terms that contain a needle, ascending. */
class TermsWith {
  readonly #texts: readonly MarkedTerms[];
  readonly #needle: string;
  /** Behind the beginning of a hit: a needle may begin with the mark before its term. */
  readonly #termStart: number;
  #textIndex = 0;
  #from = 0;
  /** Of the last term found, in its text. */
  #index = 0;
  #bytes = 0;

  constructor(texts: readonly MarkedTerms[], needle: string) {
    this.#texts = texts;
    this.#needle = needle;
    this.#termStart = needle.startsWith(termMark) ? 1 : 0;
  }

  /** Its index; -1: there are no more. */
  next(): number {
    for (; this.#textIndex < this.#texts.length; this.#textIndex++) {
      const { text, starts, first } = this.#texts[this.#textIndex]!;
      const at = text.indexOf(this.#needle, this.#from);
      if (at !== -1) {
        const index = lastNotAboveFrom(starts, at + this.#termStart, this.#index);
        this.#from = starts[index + 1]! - 1;
        this.#index = index;
        return first + index;
      }
      this.#from = 0;
      this.#index = 0;
    }
    return -1;
  }

  /** `listBytes`: what was read of the term's list. */
  isStepDone(listBytes: number): boolean {
    this.#bytes += listBytes + termStepBytes;
    if (this.#bytes < stepBytes) return false;
    this.#bytes = 0;
    return true;
  }
}

/** As lastNotAbove, which is not before `from`, and seldom far behind it where there are many. */
function lastNotAboveFrom(numbers: Uint32Array, value: number, from: number): number {
  let low = from;
  let step = 1;
  while (low + step < numbers.length && numbers[low + step]! <= value) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, numbers.length) - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (numbers[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The index of the last of ascending numbers that is not above `value`; the first one is not. */
export function lastNotAbove(numbers: Uint32Array, value: number): number {
  let low = 0;
  let high = numbers.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (numbers[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
