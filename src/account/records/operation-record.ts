// An applied operation: its id and its result, small, in the same batch as what it did, so that a retry after a
// lost answer is applied once. A new one takes the row of one that no retry can come of any more (operation-slots.ts).
// Results are JSON: ids, counters, and UID sets as runs [first, count, first, count …].

import { decodeJsonRecord, encodeJsonRecord } from '../../storage/record.ts';

/** What a mutation leaves for its retry. On disk. */
export type OperationResult = readonly (number | string | boolean | readonly number[])[];

export interface OperationRecord {
  readonly operationId: string;
  /** Which mutation it was, to tell a retry from an id used twice. */
  readonly mutation: string;
  readonly result: OperationResult;
}

const version = 1;

/** `number`: how many were recorded before it. */
export function encodeOperation({ operationId, mutation, result }: OperationRecord, number: number): Buffer {
  return encodeJsonRecord('operation', version, [operationId, mutation, result, number]);
}

/** Throws RecordDamaged. Rows of before have no number. */
export function decodeOperation(
  value: Uint8Array,
): OperationRecord & { readonly number: number | undefined } {
  const [operationId, mutation, result, number] = decodeJsonRecord<
    [string, string, OperationResult, number | undefined]
  >('operation', version, value);
  return { operationId, mutation, result, number };
}

/** Runs of consecutive numbers: [first, count, first, count …]. */
export function encodeRuns(numbers: ArrayLike<number>): number[] {
  const runs: number[] = [];
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index]!;
    const last = runs.length - 2;
    if (last >= 0 && runs[last]! + runs[last + 1]! === number) runs[last + 1] = runs[last + 1]! + 1;
    else runs.push(number, 1);
  }
  return runs;
}

export function decodeRuns(runs: readonly number[]): Uint32Array {
  let length = 0;
  for (let index = 1; index < runs.length; index += 2) length += runs[index]!;
  const numbers = new Uint32Array(length);
  let position = 0;
  for (let index = 0; index < runs.length; index += 2) {
    for (let offset = 0; offset < runs[index + 1]!; offset++) numbers[position++] = runs[index]! + offset;
  }
  return numbers;
}
