// Makes a segment of the search index from messages, or from segments that are put together. Owns the memory of one
// segment while it is made; bounded by its limits. Invariant: messages come ascending by email id.

import type { Slicer } from '../../base/slicer.ts';
import { type AnalysedMessage, addTerms, headerRow, type IdentifiedHeader } from './analyse-message.ts';
import { type HeaderColumns, type HeaderRow, packHeaders } from './header-columns.ts';
import { type ListChunks, type TermPositions, unlisted } from './term-positions.ts';
import { type PackedPositions, TermPositionsBuilder } from './term-positions-builder.ts';
import { type TermTable, TermTableBuilder } from './term-table.ts';

/** A segment made from messages has at most so many: what is lost when its making is cut off. */
const messagesMax = 1_024;
/** Terms and lists in memory while a segment is made. */
const termBytesMax = 16 * 1024 * 1024;

export interface PackedSegment extends PackedPositions {
  /** By the order of headerColumnNames. */
  readonly headers: readonly Buffer[];
  readonly terms: Buffer;
  readonly firstEmailId: number;
  readonly lastEmailId: number;
  readonly messages: number;
}

/** A segment as it is read. */
export interface SegmentParts {
  readonly headers: HeaderColumns;
  readonly terms: TermTable;
  readonly positions: TermPositions;
  /** All of them. */
  readonly chunks: ListChunks;
}

export class SegmentBuilder {
  readonly #rows: HeaderRow[] = [];
  readonly #terms = new TermTableBuilder();
  readonly #positions = new TermPositionsBuilder();

  get isFull(): boolean {
    return this.#rows.length >= messagesMax || this.#terms.bytes + this.#positions.bytes >= termBytesMax;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  async addMessage(
    header: IdentifiedHeader,
    message: AnalysedMessage & { readonly slicer: Slicer },
  ): Promise<void> {
    const row = headerRow(header);
    await addTerms({ terms: this.#terms, positions: this.#positions }, this.#rows.length, message);
    this.#rows.push(row);
  }

  /** Takes over those messages of a segment that are in `alive`. */
  async addSegment(
    { headers, terms, positions, chunks }: SegmentParts,
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
    const numbers = new Uint32Array(positions.lists).fill(unlisted);
    await terms.each(slicer, (term, index, { message, where }) => {
      if (placeOf[message]! < 0) return;
      const built = this.#terms.add(term, placeOf[message]!, where);
      if (positions.listBytes(index) > 0) numbers[index] = this.#positions.numberOf(built);
    });
    const lists = await positions.listsAt({ chunks, slicer });
    for (let index = 0; index < emailIds.length; index++) {
      if (placeOf[index]! < 0) continue;
      positions.copyMessage(index, this.#positions, { lists, numbers });
      if (slicer.due()) await slicer.rest();
    }
  }

  async pack(slicer: Slicer): Promise<PackedSegment> {
    const { table, numbers } = await this.#terms.encode(slicer);
    return {
      headers: await packHeaders(this.#rows, slicer),
      terms: table,
      ...(await this.#positions.pack(numbers, slicer)),
      firstEmailId: this.#rows[0]!.emailId,
      lastEmailId: this.#rows[this.#rows.length - 1]!.emailId,
      messages: this.#rows.length,
    };
  }
}
