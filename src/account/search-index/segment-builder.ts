// Makes a segment of the search index from messages, or from segments that are put together. Owns the memory of one
// segment while it is made; bounded by its limits. Invariant: messages come ascending by email id.

import type { Slicer } from '../../base/slicer.ts';
import { type AnalysedMessage, addTerms, headerRow, type IdentifiedHeader } from './analyse-message.ts';
import { type HeaderColumns, type HeaderRow, packHeaders } from './header-columns.ts';
import { type TermSequences, TermSequencesBuilder } from './term-sequences.ts';
import { type TermTable, TermTableBuilder } from './term-table.ts';

/** A segment made from messages has at most so many: what is lost when its making is cut off. */
const messagesMax = 1_024;
/** Terms and lists in memory while a segment is made. */
const termBytesMax = 16 * 1024 * 1024;

export interface PackedSegment {
  /** By the order of headerColumnNames. */
  readonly headers: readonly Buffer[];
  readonly terms: Buffer;
  readonly sequences: Buffer;
  readonly firstEmailId: number;
  readonly lastEmailId: number;
  readonly messages: number;
}

/** A segment as it is read. */
export interface SegmentParts {
  readonly headers: HeaderColumns;
  readonly terms: TermTable;
  readonly sequences: TermSequences;
}

export class SegmentBuilder {
  readonly #rows: HeaderRow[] = [];
  readonly #terms = new TermTableBuilder();
  readonly #sequences = new TermSequencesBuilder();

  get isFull(): boolean {
    return this.#rows.length >= messagesMax || this.#terms.bytes + this.#sequences.bytes >= termBytesMax;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  async addMessage(
    header: IdentifiedHeader,
    message: AnalysedMessage & { readonly slicer: Slicer },
  ): Promise<void> {
    const row = headerRow(header);
    await addTerms({ terms: this.#terms, sequences: this.#sequences }, this.#rows.length, message);
    this.#rows.push(row);
  }

  /** Takes over those messages of a segment that are in `alive`. */
  async addSegment(
    { headers, terms, sequences }: SegmentParts,
    alive: ReadonlySet<number>,
    slicer: Slicer,
  ): Promise<void> {
    const { emailIds } = headers;
    const placeOf = new Int32Array(emailIds.length).fill(-1);
    for (let index = 0; index < emailIds.length; index++) {
      if (!alive.has(emailIds[index]!)) continue;
      placeOf[index] = this.#rows.length;
      this.#rows.push(headers.row(index));
      if ((index & 63) === 63 && slicer.due()) await slicer.rest();
    }
    const numbers = sequences.newNumbers(this.#sequences);
    await terms.each(slicer, (term, index, { message, where }) => {
      if (placeOf[message]! < 0) return;
      const built = this.#terms.add(term, placeOf[message]!, where);
      const number = sequences.termNumber(index);
      if (number !== undefined) numbers[number] = this.#sequences.numberOf(built);
    });
    for (let index = 0; index < emailIds.length; index++) {
      if (placeOf[index]! < 0) continue;
      sequences.copyMessage(index, this.#sequences, numbers);
      if (slicer.due()) await slicer.rest();
    }
  }

  async pack(slicer: Slicer): Promise<PackedSegment> {
    const { table, numbers } = await this.#terms.encode(slicer);
    return {
      headers: await packHeaders(this.#rows, slicer),
      terms: table,
      sequences: this.#sequences.encode(numbers),
      firstEmailId: this.#rows[0]!.emailId,
      lastEmailId: this.#rows[this.#rows.length - 1]!.emailId,
      messages: this.#rows.length,
    };
  }
}
