// An applied operation: its id and its result, small, in the same batch as what it did, so that a retry after a
// lost answer is applied once. Rows form a ring of slots: a new one overwrites the oldest, nothing needs pruning.
// Results are JSON: ids, counters, and UID sets as runs [first, count, first, count …].

import { decodeJsonRecord, encodeJsonRecord } from '../storage/record.ts';

/** What a mutation leaves for its retry. On disk. */
export type OperationResult = readonly (number | string | boolean | readonly number[])[];

export interface OperationRecord {
  readonly operationId: string;
  /** Which mutation it was, to tell a retry from an id used twice. */
  readonly mutation: string;
  readonly result: OperationResult;
}

const version = 1;

export function encodeOperation(operationId: string, mutation: string, result: OperationResult): Buffer {
  return encodeJsonRecord('operation', version, [operationId, mutation, result]);
}

/** Throws RecordDamaged. */
export function decodeOperation(value: Uint8Array): OperationRecord {
  const [operationId, mutation, result] = decodeJsonRecord<[string, string, OperationResult]>(
    'operation',
    version,
    value,
  );
  return { operationId, mutation, result };
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
