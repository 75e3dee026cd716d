// What a group in the journal says: how each of its batches ended, and the batches as they were packed. So whoever does it
// (again) need not know what was there when it was decided.

import { joinGroups } from '../group-codec.ts';

/** `outcomes`: one a batch (commit-outcomes.ts); `groups`: of packGroup's, as one. */
export function encodePayload(outcomes: readonly number[], groups: readonly Buffer[]): Buffer[] {
  const bytes = Buffer.allocUnsafe(4 + 4 * outcomes.length);
  bytes.writeUInt32LE(outcomes.length, 0);
  for (const [index, outcome] of outcomes.entries()) bytes.writeInt32LE(outcome, 4 + 4 * index);
  return [bytes, ...joinGroups(groups)];
}

/** The group is a view into the payload. */
export function decodePayload(payload: Buffer): { readonly outcomes: number[]; readonly group: Buffer } {
  const count = payload.readUInt32LE(0);
  const outcomes = Array.from({ length: count }, (_, index) => payload.readInt32LE(4 + 4 * index));
  return { outcomes, group: payload.subarray(4 + 4 * count) };
}
