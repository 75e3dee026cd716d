// Decides by the positions of terms which messages have several of them in a row. Two words that are each in most messages
// cost the reading of their two lists.
// Invariant: what is decided is what a scan of the message's bytes would say; what cannot be decided stays open.

import type { Slicer } from '../../base/slicer.ts';
import type { SegmentInfo } from './segment-directory.ts';
import type { SegmentReader } from './segment-reader.ts';
import { chunkBytes, type ListChunks, positionsAtOnce, type TermPositions } from './term-positions.ts';
import { inHeader, matchMaybe, matchNo, matchYes, type TermTable } from './term-table.ts';
import type { SequenceStep } from './terms.ts';

/** While one message is read, decoded and folded, so much of a segment is read. */
const segmentBytesPerMessage = 256 * 1024;

export interface SequenceQuery {
  readonly sequence: readonly SequenceStep[];
  /** Every message with the sequence has what is asked for. */
  readonly isExact: boolean;
}

export interface SequenceOptions {
  readonly info: SegmentInfo;
  readonly segments: SegmentReader;
  readonly terms: TermTable;
  /** Bits as in the term table. */
  readonly where: number;
  readonly slicer: Slicer;
}

/** What may stand at one place of the sequence. */
interface Step {
  /** How many places after the first. */
  readonly offset: number;
  readonly lists: readonly number[];
  readonly bytes: number;
}

/**
 * Decides of the messages that `states` says matchMaybe of, where it can: not when there are so few of them that reading
 * them is cheaper than reading lists.
 */
export async function refineBySequence(
  states: Uint8Array,
  query: SequenceQuery,
  options: SequenceOptions,
): Promise<void> {
  const { info, segments, terms, where, slicer } = options;
  const left = states.reduce((sum, state) => sum + (state === matchMaybe ? 1 : 0), 0);
  const bytesWorth = left * segmentBytesPerMessage;
  const isWorth = segments.keptPositions(info) !== undefined || bytesWorth > terms.positionsRowBytes;
  const positions = isWorth ? await segments.positions(info) : undefined;
  if (positions === undefined) return;
  const steps = await stepsOf(query, { positions, terms, slicer });
  const isSomewhere = steps.every(({ lists }) => lists.length > 0);
  let begins: Int32Array | undefined;
  if (isSomewhere) {
    const numbers = positions.chunksOf(steps.flatMap(({ lists }) => lists));
    if (segments.unkeptChunks(info, numbers).length * chunkBytes > bytesWorth) return;
    const chunks = await segments.chunks(info, numbers, slicer);
    if (chunks === undefined) return;
    begins = await beginsOf(steps, { positions, chunks, slicer });
  }
  const foundState = query.isExact ? matchYes : matchMaybe;
  for (let message = 0; message < states.length; message++) {
    if (states[message] !== matchMaybe || !positions.hasPositions(message)) continue;
    const from = (where & inHeader) !== 0 ? positions.headerStart(message) : positions.bodyStart(message);
    const isFound = begins !== undefined && hasBitBetween(begins, from, positions.bodyEnd(message));
    states[message] = isFound ? foundState : matchNo;
  }
}

/** Those with the shortest lists first: they leave the fewest places. */
async function stepsOf(
  { sequence }: SequenceQuery,
  given: { readonly positions: TermPositions; readonly terms: TermTable; readonly slicer: Slicer },
): Promise<readonly Step[]> {
  const { positions, terms, slicer } = given;
  const steps: Step[] = [];
  for (const [offset, step] of sequence.entries()) {
    const lists = await positions.listsOf(step, terms, slicer);
    let bytes = 0;
    for (const list of lists) bytes += positions.listBytes(list);
    steps.push({ offset, lists, bytes });
    if (slicer.due()) await slicer.rest();
  }
  return steps.sort((a, b) => a.bytes - b.bytes);
}

interface ListOptions {
  readonly positions: TermPositions;
  readonly chunks: ListChunks;
  readonly slicer: Slicer;
}

/** A bit for each position, set where the sequence begins. */
async function beginsOf(steps: readonly Step[], options: ListOptions): Promise<Int32Array> {
  const { positions } = options.positions;
  let begins: Int32Array | undefined;
  for (const step of steps) {
    const { offset } = step;
    const before = begins;
    const after = new Int32Array((positions >>> 5) + 1);
    await eachPiece(step, options, (piece, count) => {
      for (let at = 0; at < count; at++) {
        const begin = piece[at]! - offset;
        if (begin < 0) continue;
        const bit = 1 << (begin & 31);
        if (before === undefined || (before[begin >>> 5]! & bit) !== 0) after[begin >>> 5]! |= bit;
      }
    });
    begins = after;
    if (!hasBitBetween(begins, 0, positions)) break;
  }
  return begins!;
}

/** Whether one is set from `from` on and before `end`. */
function hasBitBetween(bits: Int32Array, from: number, end: number): boolean {
  if (from >= end) return false;
  const first = from >>> 5;
  const last = (end - 1) >>> 5;
  const fromMask = -1 << (from & 31);
  const endMask = -1 >>> (31 - ((end - 1) & 31));
  if (first === last) return (bits[first]! & fromMask & endMask) !== 0;
  if ((bits[first]! & fromMask) !== 0) return true;
  for (let word = first + 1; word < last; word++) if (bits[word] !== 0) return true;
  return (bits[last]! & endMask) !== 0;
}

/** All positions of a step, in pieces; of one list they ascend. */
async function eachPiece(
  { lists }: Step,
  { positions, chunks, slicer }: ListOptions,
  visit: (piece: Int32Array, count: number) => void,
): Promise<void> {
  const piece = new Int32Array(positionsAtOnce);
  for (const list of lists) {
    const reader = positions.list(list, chunks);
    for (let count = reader.read(piece); count > 0; count = reader.read(piece)) {
      visit(piece, count);
      if (slicer.due()) await slicer.rest();
    }
  }
}
