// What searching, sorting and threading ask of headers, for the messages of one segment: a column each, and each a row of
// the engine of its own, so that a question reads nothing but its own columns.
// Invariant: made from the messages' bytes alone, messages ascending by email id; never changed once built.
// Damage: opening a column throws RecordDamaged.

import type { Slicer } from '../../base/slicer.ts';
import { AncestryColumn, packAncestry } from './ancestry-column.ts';
import { OrderedColumn, packOrdered } from './ordered-column.ts';
import { bytesOf, doublesOf, int32sOf, packColumns, unpackColumns } from './packed-columns.ts';
import { packTexts, TextColumn } from './text-column.ts';

/** Header fields whose text is here; others are looked for in the message. */
export const searchedFields = ['subject', 'from', 'to', 'cc', 'bcc'] as const;
export type SearchedField = (typeof searchedFields)[number];

/** What is compared for order (RFC 5256 3, RFC 5957), ready for comparing: collationKey was applied. */
const orderedTexts = ['subject', 'from', 'to', 'cc', 'displayFrom', 'displayTo'] as const;
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

interface HeaderColumnTypes
  extends Record<`searched ${SearchedField}`, TextColumn>,
    Record<`order ${OrderedText}`, OrderedColumn> {
  readonly emailIds: Float64Array;
  readonly threadIds: Float64Array;
  readonly sentSeconds: Float64Array;
  /** `noDay`: none. */
  readonly sentDays: Int32Array;
  readonly ancestry: AncestryColumn;
}

export type HeaderColumnName = keyof HeaderColumnTypes;
export type HeaderColumn<Name extends HeaderColumnName> = HeaderColumnTypes[Name];

/** How a column is made of rows and of bytes. */
interface ColumnForm<Column> {
  pack(rows: readonly HeaderRow[], slicer: Slicer): Buffer | Promise<Buffer>;
  open(columns: readonly Buffer[]): Column;
}

function doubleForm(value: (row: HeaderRow) => number): ColumnForm<Float64Array> {
  return {
    pack: (rows) => packColumns([bytesOf(Float64Array.from(rows, value))]),
    open: ([numbers]) => doublesOf(numbers!),
  };
}

function searchedForm(field: SearchedField): ColumnForm<TextColumn> {
  return {
    pack: (rows) => packColumns(packTexts(rows.map(({ searched }) => searched[field]))),
    open: (columns) => new TextColumn(columns),
  };
}

function orderForm(name: OrderedText): ColumnForm<OrderedColumn> {
  return {
    pack: async (rows, slicer) =>
      packColumns(
        await packOrdered(
          rows.map(({ ordered }) => ordered[name]),
          slicer,
        ),
      ),
    open: (columns) => new OrderedColumn(columns),
  };
}

/** In the order of their numbers on disk. */
const forms: { readonly [Name in HeaderColumnName]: ColumnForm<HeaderColumn<Name>> } = {
  emailIds: doubleForm((row) => row.emailId),
  threadIds: doubleForm((row) => row.threadId),
  sentSeconds: doubleForm((row) => row.sentSeconds),
  sentDays: {
    pack: (rows) => packColumns([bytesOf(Int32Array.from(rows, (row) => row.sentDay ?? noDay))]),
    open: ([numbers]) => int32sOf(numbers!),
  },
  ancestry: {
    pack: (rows) => packColumns(packAncestry(rows)),
    open: (columns) => new AncestryColumn(columns),
  },
  'searched subject': searchedForm('subject'),
  'searched from': searchedForm('from'),
  'searched to': searchedForm('to'),
  'searched cc': searchedForm('cc'),
  'searched bcc': searchedForm('bcc'),
  'order subject': orderForm('subject'),
  'order from': orderForm('from'),
  'order to': orderForm('to'),
  'order cc': orderForm('cc'),
  'order displayFrom': orderForm('displayFrom'),
  'order displayTo': orderForm('displayTo'),
};

/** In memory a column has its bytes, and what is made of them. */
export const bytesInMemory = 2;

export const headerColumnNames = Object.keys(forms) as readonly HeaderColumnName[];

/** Throws RecordDamaged. */
export function openHeaderColumn<Name extends HeaderColumnName>(
  name: Name,
  value: Uint8Array,
): HeaderColumn<Name> {
  return forms[name].open(unpackColumns(value));
}

/** By their names' order. Sliced. */
export async function packHeaders(rows: readonly HeaderRow[], slicer: Slicer): Promise<readonly Buffer[]> {
  const packed: Buffer[] = [];
  for (const name of headerColumnNames) {
    packed.push(await forms[name].pack(rows, slicer));
    if (slicer.due()) await slicer.rest();
  }
  return packed;
}

/** All columns of some messages. */
export class HeaderColumns {
  readonly #columns: HeaderColumnTypes;
  /** About what it costs in memory when all of it is used. */
  readonly bytes: number;

  /** What `packHeaders` gave. Throws RecordDamaged. */
  constructor(values: readonly Uint8Array[]) {
    this.bytes = values.reduce((sum, value) => sum + value.length * bytesInMemory, 0);
    const columns = headerColumnNames.map((name, index) => [name, openHeaderColumn(name, values[index]!)]);
    this.#columns = Object.fromEntries(columns) as HeaderColumnTypes;
  }

  get emailIds(): Float64Array {
    return this.#columns.emailIds;
  }

  column<Name extends HeaderColumnName>(name: Name): HeaderColumn<Name> {
    return this.#columns[name];
  }

  row(index: number): HeaderRow {
    const day = this.column('sentDays')[index]!;
    const searched = (field: SearchedField): string => this.column(`searched ${field}`).value(index);
    const ordered = (name: OrderedText): string => this.column(`order ${name}`).value(index);
    return {
      emailId: this.column('emailIds')[index]!,
      threadId: this.column('threadIds')[index]!,
      sentSeconds: this.column('sentSeconds')[index]!,
      sentDay: day === noDay ? undefined : day,
      ...this.column('ancestry').row(index),
      searched: byName(searchedFields, searched),
      ordered: byName(orderedTexts, ordered),
    };
  }
}

function byName<Name extends string>(
  names: readonly Name[],
  value: (name: Name) => string,
): Record<Name, string> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, string>;
}
