// What the LMDB engine and its writer thread say to each other. Both are always of one version.

import type { LmdbEnvironmentOptions } from './lmdb-environment.ts';

/** What the thread starts with. */
export interface WriterData {
  readonly environment: LmdbEnvironmentOptions;
  readonly groupsMax: number | undefined;
}

/** In a reply, one number for each batch of the group; from 0 up it is the index of the condition that failed. */
export const outcomeCodes = { committed: -1, fenced: -2, noRoom: -3 } as const;

export interface WriterFailure {
  /** The disk or a quota is full; otherwise it is an input/output error. */
  readonly noRoom: boolean;
  readonly message: string;
}

/**
 * `group`: an ArrayBuffer of packGroup's. `seen`: this thread's reads see that transaction. `close`: finish and end the
 * thread.
 */
export type WriterRequest =
  | { readonly group: ArrayBuffer }
  | { readonly seen: number }
  | { readonly close: true };

/**
 * The first reply of all is `ready`: so many groups of the journal were done again. `outcomes` answers one group, which is
 * durable; readers see it when the transaction is `flushed`. `failure`: the group, or the store, failed, and the thread ends.
 */
export type WriterReply =
  | { readonly ready: { readonly redone: number } }
  | { readonly outcomes: readonly number[]; readonly transaction: number }
  | { readonly flushed: number }
  | { readonly failure: WriterFailure };
