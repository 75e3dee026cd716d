// What THREAD asks of headers beside subject and date: each message's identifier, those it refers to, and whether its subject
// says that it is a reply. Identifiers are hashes. Pure.

import type { HeaderRow } from './header-columns.ts';
import { bytesOf, doublesOf, uint32sOf } from './packed-columns.ts';

type AncestryRow = Pick<HeaderRow, 'messageId' | 'references' | 'isReply'>;

export function packAncestry(rows: readonly AncestryRow[]): readonly Uint8Array[] {
  const referenceEnds = new Uint32Array(rows.length);
  const references: number[] = [];
  for (const [index, row] of rows.entries()) {
    references.push(...row.references);
    referenceEnds[index] = references.length;
  }
  return [
    bytesOf(Float64Array.from(rows, (row) => row.messageId)),
    bytesOf(referenceEnds),
    bytesOf(Float64Array.from(references)),
    Uint8Array.from(rows, (row) => Number(row.isReply)),
  ];
}

export class AncestryColumn {
  readonly messageIds: Float64Array;
  readonly replies: Uint8Array;
  readonly #referenceEnds: Uint32Array;
  readonly #references: Float64Array;

  constructor(columns: readonly Buffer[]) {
    const [messageIds, referenceEnds, references, replies] = columns;
    this.messageIds = doublesOf(messageIds!);
    this.#referenceEnds = uint32sOf(referenceEnds!);
    this.#references = doublesOf(references!);
    this.replies = replies!;
  }

  /** The oldest first. */
  referencesOf(index: number): Float64Array {
    const from = index === 0 ? 0 : this.#referenceEnds[index - 1]!;
    return this.#references.subarray(from, this.#referenceEnds[index]);
  }

  row(index: number): AncestryRow {
    return {
      messageId: this.messageIds[index]!,
      references: [...this.referencesOf(index)],
      isReply: this.replies[index] === 1,
    };
  }
}
