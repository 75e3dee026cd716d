// What the LMDB engine and its writer thread say to each other. Both are always of one version.

import type { GroupOutcome } from './embedded-engine.ts';
import type { LmdbEnvironmentOptions } from './lmdb-environment.ts';

/** What the thread starts with. */
export interface WriterData {
  readonly environment: LmdbEnvironmentOptions;
  readonly groupsMax: number | undefined;
}

export interface WriterFailure {
  /** The disk or a quota is full; otherwise it is an input/output error. */
  readonly noRoom: boolean;
  readonly message: string;
}

/**
 * `groups`: of packGroup's, to be written as one. `seen`: this thread's reads see that transaction. `close`: finish and end
 * the thread.
 */
export type WriterRequest =
  | { readonly groups: readonly Uint8Array[] }
  | { readonly seen: number }
  | { readonly close: true };

/**
 * The first reply of all is `ready`: so many groups of the journal were done again. `outcomes` answers one request, whose
 * groups are durable; readers see them when the transaction is `flushed`. `failure`: the groups, or the store, failed, and the
 * thread ends.
 */
export type WriterReply =
  | { readonly ready: { readonly redone: number } }
  | GroupOutcome
  | { readonly flushed: number }
  | { readonly failure: WriterFailure };
