// A text of each message as it is ordered: the different texts of a segment in their order, and for each message which one
// it has. Sorting a mailbox is then putting the texts of few segments together (merged-texts.ts). What texts begin with is
// there as numbers: nearly all comparing is of numbers, and texts are made strings when two agree for longer.
// Invariant: texts ascend by code units; heads order them as far as they tell them apart.

import type { Slicer } from '../../base/slicer.ts';
import { sortSteps } from '../search/sort-steps.ts';
import { bytesOf, doublesOf, uint32sOf } from './packed-columns.ts';
import { asLine, packTexts, TextColumn } from './text-column.ts';

/** Numbers a text, the first one decides first; fixed on disk. */
const headLevels = 3;
/** Bytes a number: a whole number of 48 bits is exact in a double. */
const headBytes = 6;

/** Texts between two looks at the clock. */
const textsInStep = 128;

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Sliced. */
export async function packOrdered(values: readonly string[], slicer: Slicer): Promise<readonly Uint8Array[]> {
  const lines = values.map(asLine);
  const texts = await slicer.finish(sortSteps([...new Set(lines)], compareTexts));
  const rankOf = new Map<string, number>();
  const heads = new Float64Array(texts.length * headLevels);
  for (const [rank, text] of texts.entries()) {
    rankOf.set(text, rank);
    for (const [level, head] of headsOf(text).entries()) heads[level * texts.length + rank] = head;
    if (rank % textsInStep === 0 && slicer.due()) await slicer.rest();
  }
  const ranks = Uint32Array.from(lines, (line) => rankOf.get(line)!);
  return [bytesOf(ranks), bytesOf(heads), ...packTexts(texts)];
}

/**
 * The first bytes of the text, each UTF-16 unit in the form UTF-8 has for its number, so that bytes are in the order of
 * units; zeros behind its end.
 */
function headsOf(text: string): Float64Array {
  const bytes = new Uint8Array(headLevels * headBytes + 2);
  for (let at = 0, end = 0; at < text.length && end < headLevels * headBytes; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes[end++] = unit;
    else if (unit < 0x800) {
      bytes[end++] = 0xc0 | (unit >> 6);
      bytes[end++] = 0x80 | (unit & 63);
    } else {
      bytes[end++] = 0xe0 | (unit >> 12);
      bytes[end++] = 0x80 | ((unit >> 6) & 63);
      bytes[end++] = 0x80 | (unit & 63);
    }
  }
  const heads = Buffer.from(bytes.buffer);
  return Float64Array.from({ length: headLevels }, (_, level) =>
    heads.readUIntBE(level * headBytes, headBytes),
  );
}

export class OrderedColumn {
  /** By message: which of the texts it has. */
  readonly ranks: Uint32Array;
  readonly texts: TextColumn;
  readonly #heads: Float64Array;

  /** What `packOrdered` gave. */
  constructor(columns: readonly Buffer[]) {
    const [ranks, heads, ...texts] = columns;
    this.ranks = uint32sOf(ranks!);
    this.#heads = doublesOf(heads!);
    this.texts = new TextColumn(texts);
  }

  /** Of all texts in their order. */
  heads(level: number): Float64Array {
    const { count } = this.texts;
    return this.#heads.subarray(level * count, (level + 1) * count);
  }

  value(index: number): string {
    return this.texts.value(this.ranks[index]!);
  }
}
