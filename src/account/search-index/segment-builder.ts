// Makes a segment of the search index from messages, or from segments that are put together. Owns the memory of one
// segment while it is made; bounded by its limits. Invariant: messages come ascending by email id.

import type { Slicer } from '../../base/slicer.ts';
import { type AnalysedMessage, addTerms, headerRow, type IdentifiedHeader } from './analyse-message.ts';
import { type HeaderColumns, type HeaderRow, packHeaders } from './header-columns.ts';
import { type TermTable, TermTableBuilder } from './term-table.ts';

/** A segment made from messages has at most so many: what is lost when its making is cut off. */
const messagesMax = 1_024;
/** Terms and lists in memory while a segment is made. */
const termBytesMax = 16 * 1024 * 1024;

export interface PackedSegment {
  readonly headers: Buffer;
  readonly terms: Buffer;
  readonly firstEmailId: number;
  readonly lastEmailId: number;
  readonly messages: number;
}

export class SegmentBuilder {
  readonly #rows: HeaderRow[] = [];
  readonly #terms = new TermTableBuilder();

  get isFull(): boolean {
    return this.#rows.length >= messagesMax || this.#terms.bytes >= termBytesMax;
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0;
  }

  async addMessage(
    header: IdentifiedHeader,
    message: AnalysedMessage & { readonly slicer: Slicer },
  ): Promise<void> {
    await addTerms(this.#terms, this.#rows.length, message);
    this.#rows.push(headerRow(header));
  }

  /** Takes over those messages of a segment that are in `alive`. */
  async addSegment(
    { headers, terms }: { readonly headers: HeaderColumns; readonly terms: TermTable },
    alive: ReadonlySet<number>,
    slicer: Slicer,
  ): Promise<void> {
    const numbers = new Int32Array(headers.count).fill(-1);
    for (let index = 0; index < headers.count; index++) {
      if (!alive.has(headers.emailIds[index]!)) continue;
      numbers[index] = this.#rows.length;
      this.#rows.push(headers.row(index));
      if ((index & 63) === 63 && slicer.due()) await slicer.rest();
    }
    await terms.each(slicer, (term, message, where) => {
      if (numbers[message]! >= 0) this.#terms.add(term, numbers[message]!, where);
    });
  }

  async pack(slicer: Slicer): Promise<PackedSegment> {
    const terms = await this.#terms.encode(slicer);
    return {
      headers: packHeaders(this.#rows),
      terms,
      firstEmailId: this.#rows[0]!.emailId,
      lastEmailId: this.#rows[this.#rows.length - 1]!.emailId,
      messages: this.#rows.length,
    };
  }
}
