// When to look how many messages of an index segment are gone, so that the text of expunged messages does not stay for
// long. Emails that are gone are only known as a number for the whole account: a segment is looked at when so many more are
// gone that they could be the missing part of its third. Owns that, in memory: after a restart segments are looked at again.
// Invariant: a segment of which more than a third is gone is due. Pure.

import type { SegmentInfo } from './segment-directory.ts';

/** A segment is written again when more than this part of its messages is gone. */
export const lostShareMax = 1 / 3;

export class SegmentLosses {
  /** By segment number: at how many removed emails of the account it may have lost too many. */
  readonly #dueAt = new Map<number, number>();

  /** `lost` of the segment's messages are gone, when `removed` emails of the account are. */
  looked(segment: SegmentInfo, lost: number, removed: number): void {
    this.#dueAt.set(segment.number, removed + Math.floor(segment.messages * lostShareMax) + 1 - lost);
  }

  /** A segment that must be looked at. */
  due(segments: readonly SegmentInfo[], removed: number): SegmentInfo | undefined {
    return segments.find((segment) => removed >= this.#dueAtOf(segment));
  }

  /** Forgets segments that are not there any more. */
  keepOnly(segments: readonly SegmentInfo[]): void {
    const numbers = new Set(segments.map(({ number }) => number));
    for (const number of this.#dueAt.keys()) if (!numbers.has(number)) this.#dueAt.delete(number);
  }

  #dueAtOf({ number, messages }: SegmentInfo): number {
    return this.#dueAt.get(number) ?? Math.floor(messages * lostShareMax) + 1;
  }
}
