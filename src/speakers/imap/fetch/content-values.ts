// The values of a message's content items, made ready before its answer is begun: once a line is begun, it can only be
// finished or the connection cut. Small values are in memory, of large ones the beginning, the rest is streamed.

import type { MessageSummary } from '../../../account/port-reads.ts';
import { summaryHeader, summaryHeaderBlock } from '../../../account/summary.ts';
import { assert } from '../../../base/assert.ts';
import { headerFields } from '../../../mail/header.ts';
import { isMailError } from '../../../mail/mail-error.ts';
import { type ContentItem, chosenFields, isWhole } from './fetch-plan.ts';
import { type Located, type MessageParts, UnknownEncoding } from './message-parts.ts';

/** Values up to this are pulled before they are written; several messages are pulled at once. */
export const valueBytesInMemory = 256 * 1024;

/** Undefined: NIL. */
export type ContentValue =
  | {
      readonly total: number;
      /** The first bytes. */
      readonly bytes: Uint8Array;
      /** False: there is no NUL in all of it. */
      readonly mayHaveNul: boolean;
      /** The rest is the message's range from here to `end`. */
      readonly restStart: number;
      readonly end: number;
      /** The rest has to be decoded, and the first `skip` bytes of that are not told. */
      readonly decoded?: { readonly encoding: string; readonly skip: number };
    }
  | undefined;

export type ContentValues = 'gone' | 'unknownEncoding' | readonly ContentValue[];

const none = new Uint8Array(0);

/** Values for all items, in their order. */
export async function contentValues(
  parts: MessageParts,
  items: readonly ContentItem[],
): Promise<ContentValues> {
  try {
    const values: ContentValue[] = [];
    for (const item of items) values.push(await contentValue(parts, item, await parts.locate(item)));
    return values;
  } catch (error) {
    if (error instanceof UnknownEncoding) return 'unknownEncoding';
    if (isMailError(error, 'noSuchMessage')) return 'gone';
    throw error;
  }
}

async function contentValue(parts: MessageParts, item: ContentItem, located: Located): Promise<ContentValue> {
  if (located === undefined) return undefined;
  const { isNulFree } = parts.source;
  if (located.type === 'bytes') {
    // Decoding makes NULs.
    const mayHaveNul = item.type !== 'section' || !isNulFree;
    return wholeValue(located.bytes, located.bytes.length, mayHaveNul);
  }
  const { start, end } = located;
  const mayHaveNul = located.type === 'encoded' ? located.mayHaveNul : !isNulFree;
  const total = located.type === 'encoded' ? located.total : end - start;
  if (item.type === 'binarySize') return { total, bytes: none, mayHaveNul, restStart: end, end };
  if (located.type === 'encoded') {
    const { encoding, skip } = located;
    return { total, bytes: none, mayHaveNul, restStart: start, end, decoded: { encoding, skip } };
  }
  if (end - start > valueBytesInMemory && parts.source.bytes === undefined) {
    return { total: end - start, bytes: none, mayHaveNul, restStart: start, end };
  }
  return wholeValue(await parts.read(start, end), end - start, mayHaveNul);
}

/** Values of the message's own header, from its summary; undefined when the summary does not hold it. */
export function keptHeaderValues(
  { summary, isNulFree }: MessageSummary,
  size: number,
  items: readonly ContentItem[],
): ContentValues | undefined {
  if (summary === undefined) return 'gone';
  const header = summaryHeader(summary);
  if (header === undefined) return undefined;
  const block = summaryHeaderBlock(summary) ?? headerFields(header);
  const hasBody = size > block.end;
  return items.map((item) => {
    assert(item.type === 'section', 'headers are sections');
    const { partial } = item;
    const all = chosenFields(item, header, { block, hasBody });
    const told = partial === undefined ? all : all.subarray(partial.offset, partial.offset + partial.bytes);
    return wholeValue(told, told.length, !isNulFree);
  });
}

/** The value of BODY[] from the message's first bytes, which may be all of them. */
export function wholeValue(bytes: Uint8Array, size: number, mayHaveNul: boolean): ContentValue {
  return { total: size, bytes, mayHaveNul, restStart: bytes.length, end: size };
}

/** True when a message's bytes are the answer to all items: no promise is needed for such a message. */
export function areAllWhole(items: readonly ContentItem[]): boolean {
  return items.every((item) => item.type === 'section' && item.partial === undefined && isWhole(item));
}
