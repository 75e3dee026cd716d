// What a change to an account is, as the writer sees it: a decision over a draft, and what of its result a retry needs.
// Invariants: `decide` refuses (throws) only before it changes the draft; it may wait for reads, never for commits.

import type { OperationId } from '../../mail/ids.ts';
import type { OperationResult } from '../records/operation-record.ts';
import type { Draft } from '../writing/draft.ts';

export interface Mutation<T> {
  /** Stored with the result, so that an id used twice for different things is noticed. On disk. */
  readonly name: string;
  /** Undefined: background work, which is not retried by others. */
  readonly operation: OperationId | undefined;
  /** Bytes it adds to the batch, roughly: bounds a group. */
  readonly bytes: number;
  /** Thread rows it will look at: read for the whole group at once. */
  readonly threadHashes?: readonly number[];
  /** Blobs it links: made durable before, and again when a commit finds one collected. */
  readonly blobs?: readonly { readonly digest: Uint8Array; readonly bytes: Uint8Array }[];
  /** Decided and committed with nothing beside it: it writes ahead of its commit (staged-copy.ts). */
  readonly exclusive?: boolean;
  decide(draft: Draft): T | Promise<T>;
  /** What is stored of the result. */
  result(value: T): OperationResult;
  /** The result of a mutation that was applied before. */
  replay(result: OperationResult, draft: Draft): T | Promise<T>;
}

/** A mutation that leaves no trace of having been applied: loading, background work. */
export function internalMutation<T>(name: string, decide: (draft: Draft) => T | Promise<T>): Mutation<T> {
  const impossible = (): never => {
    throw new Error('internal mutations have no operation');
  };
  return { name, operation: undefined, bytes: 0, decide, result: () => [], replay: impossible };
}
