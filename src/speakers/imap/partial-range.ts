// RFC 9394: the part of a result that a PARTIAL range names. Pure.

import type { PartialRange } from '../../wire/imap/search-command.ts';

/** A view into `numbers`; empty when the range names nothing that is there. */
export function partOf(numbers: Uint32Array, { from, to, fromEnd }: PartialRange): Uint32Array {
  const { length } = numbers;
  if (fromEnd) return numbers.subarray(Math.max(0, length - to), Math.max(0, length - from + 1));
  return numbers.subarray(Math.min(length, from - 1), Math.min(length, to));
}
