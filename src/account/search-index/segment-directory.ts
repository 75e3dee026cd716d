// The list of an account's index segments, one small row: which emails each covers, and up to which email all that
// could be indexed was. Invariant: segments cover ascending, separate ranges of email ids; their numbers are never reused.

import { RecordDamaged } from '../../storage/record.ts';
import { packColumns, unpackColumns } from './packed-columns.ts';

export interface SegmentInfo {
  /** From 1; 0 is the directory's own row. */
  readonly number: number;
  readonly firstEmailId: number;
  readonly lastEmailId: number;
  readonly messages: number;
  /** Of its rows. */
  readonly bytes: number;
}

export interface SegmentDirectory {
  /** Emails up to this one were indexed, or could not be. */
  readonly indexedThrough: number;
  readonly nextNumber: number;
  readonly segments: readonly SegmentInfo[];
}

/** Raised when what segments hold, or how texts are folded, changes: older indexes are built again. */
export const indexVersion = 3;

export const emptyDirectory: SegmentDirectory = Object.freeze({
  indexedThrough: 0,
  nextNumber: 1,
  segments: Object.freeze([]),
});

export function packDirectory(directory: SegmentDirectory): Buffer {
  const numbers = [indexVersion, directory.indexedThrough, directory.nextNumber];
  for (const { number, firstEmailId, lastEmailId, messages, bytes } of directory.segments) {
    numbers.push(number, firstEmailId, lastEmailId, messages, bytes);
  }
  return packColumns([Buffer.from(JSON.stringify(numbers))]);
}

/** Of an older version, which has the same list, nothing counts as indexed. Throws RecordDamaged. */
export function unpackDirectory(value: Uint8Array): SegmentDirectory {
  const [column] = unpackColumns(value);
  const numbers: unknown = JSON.parse(column?.toString('latin1') ?? '');
  if (!Array.isArray(numbers) || !numbers.every((number) => Number.isSafeInteger(number))) {
    throw new RecordDamaged('the directory of a search index is no list of numbers');
  }
  const [version, indexedThrough, nextNumber, ...rest] = numbers as number[];
  const segments: SegmentInfo[] = [];
  for (let at = 0; at + 5 <= rest.length; at += 5) {
    segments.push({
      number: rest[at]!,
      firstEmailId: rest[at + 1]!,
      lastEmailId: rest[at + 2]!,
      messages: rest[at + 3]!,
      bytes: rest[at + 4]!,
    });
  }
  if (version !== indexVersion) return { ...emptyDirectory, nextNumber: nextNumber! };
  return { indexedThrough: indexedThrough!, nextNumber: nextNumber!, segments };
}
