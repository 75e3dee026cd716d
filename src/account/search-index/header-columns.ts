// What searching, sorting and threading ask of headers, for the messages of one segment: numbers in columns, texts in text
// columns that are made strings when they are first asked for.
// Invariant: made from the messages' bytes alone, messages ascending by email id; never changed once built.

import { bytesOf, doublesOf, int32sOf, packColumns, uint32sOf, unpackColumns } from './packed-columns.ts';
import { packTexts, TextColumn } from './text-column.ts';

/** Header fields whose text is here; others are looked for in the message. */
export const searchedFields = ['subject', 'from', 'to', 'cc', 'bcc'] as const;
export type SearchedField = (typeof searchedFields)[number];

/** What is compared for order (RFC 5256 3, RFC 5957), ready for comparing: collationKey was applied. */
export const orderedTexts = ['subject', 'from', 'to', 'cc', 'displayFrom', 'displayTo'] as const;
export type OrderedText = (typeof orderedTexts)[number];

/** Begins each value of a searched field that is there; between them, so that none is found across two. */
export const fieldMark = '\u0001';
/** Alone: the field is too long to be kept here. */
export const fieldTooLong = '\u0002';

export interface HeaderRow {
  readonly emailId: number;
  readonly threadId: number;
  /** Seconds since 1970 UTC by the Date header; NaN when it has none that can be read. */
  readonly sentSeconds: number;
  /** Days since 1970 in the Date header's own zone. */
  readonly sentDay: number | undefined;
  /** 48-bit hashes of message identifiers; 0 when the message has none. */
  readonly messageId: number;
  readonly references: readonly number[];
  /** The subject says that it is a reply or a forward (RFC 5256 2.1). */
  readonly isReply: boolean;
  readonly searched: Readonly<Record<SearchedField, string>>;
  readonly ordered: Readonly<Record<OrderedText, string>>;
}

export const noDay = -0x8000_0000;

export function packHeaders(rows: readonly HeaderRow[]): Buffer {
  const referenceEnds = new Uint32Array(rows.length);
  const references: number[] = [];
  for (const [index, row] of rows.entries()) {
    references.push(...row.references);
    referenceEnds[index] = references.length;
  }
  return packColumns([
    bytesOf(Float64Array.from(rows, (row) => row.emailId)),
    bytesOf(Float64Array.from(rows, (row) => row.threadId)),
    bytesOf(Float64Array.from(rows, (row) => row.sentSeconds)),
    bytesOf(Int32Array.from(rows, (row) => row.sentDay ?? noDay)),
    bytesOf(Float64Array.from(rows, (row) => row.messageId)),
    bytesOf(referenceEnds),
    bytesOf(Float64Array.from(references)),
    Uint8Array.from(rows, (row) => Number(row.isReply)),
    ...searchedFields.map((field) => packTexts(rows.map((row) => row.searched[field]))),
    ...orderedTexts.map((name) => packTexts(rows.map((row) => row.ordered[name]))),
  ]);
}

const textsFrom = 8;

export class HeaderColumns {
  readonly emailIds: Float64Array;
  readonly threadIds: Float64Array;
  readonly sentSeconds: Float64Array;
  /** `noDay`: none. */
  readonly sentDays: Int32Array;
  readonly messageIds: Float64Array;
  readonly #referenceEnds: Uint32Array;
  readonly #references: Float64Array;
  readonly replies: Uint8Array;
  /** About what it costs in memory when all of it is used. */
  readonly bytes: number;
  readonly #columns: readonly Buffer[];
  readonly #texts: (TextColumn | undefined)[] = [];

  /** Throws RecordDamaged. */
  constructor(value: Uint8Array) {
    const columns = unpackColumns(value);
    this.#columns = columns;
    this.emailIds = doublesOf(columns[0]!);
    this.threadIds = doublesOf(columns[1]!);
    this.sentSeconds = doublesOf(columns[2]!);
    this.sentDays = int32sOf(columns[3]!);
    this.messageIds = doublesOf(columns[4]!);
    this.#referenceEnds = uint32sOf(columns[5]!);
    this.#references = doublesOf(columns[6]!);
    this.replies = columns[7]!;
    const texts = searchedFields.length + orderedTexts.length;
    this.bytes = value.length * 2 + this.count * 4 * texts;
  }

  get count(): number {
    return this.emailIds.length;
  }

  searched(field: SearchedField): TextColumn {
    return this.#text(searchedFields.indexOf(field));
  }

  ordered(name: OrderedText): TextColumn {
    return this.#text(searchedFields.length + orderedTexts.indexOf(name));
  }

  /** The oldest first. */
  referencesOf(index: number): Float64Array {
    const from = index === 0 ? 0 : this.#referenceEnds[index - 1]!;
    return this.#references.subarray(from, this.#referenceEnds[index]);
  }

  row(index: number): HeaderRow {
    const day = this.sentDays[index]!;
    const texts = <Name extends string>(names: readonly Name[], value: (name: Name) => TextColumn) =>
      Object.fromEntries(names.map((name) => [name, value(name).value(index)])) as Record<Name, string>;
    return {
      emailId: this.emailIds[index]!,
      threadId: this.threadIds[index]!,
      sentSeconds: this.sentSeconds[index]!,
      sentDay: day === noDay ? undefined : day,
      messageId: this.messageIds[index]!,
      references: [...this.referencesOf(index)],
      isReply: this.replies[index] === 1,
      searched: texts(searchedFields, (field) => this.searched(field)),
      ordered: texts(orderedTexts, (name) => this.ordered(name)),
    };
  }

  /** The index of an email, -1 when it is not here; `guess` is tried first: lists are mostly runs. */
  indexOf(emailId: number, guess: number): number {
    const { emailIds } = this;
    if (emailIds[guess] === emailId) return guess;
    let low = 0;
    let high = emailIds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (emailIds[middle]! < emailId) low = middle + 1;
      else high = middle;
    }
    return emailIds[low] === emailId ? low : -1;
  }

  #text(which: number): TextColumn {
    this.#texts[which] ??= new TextColumn(this.#columns[textsFrom + which]!, this.count);
    return this.#texts[which];
  }
}
