// What the LMDB engine and its writer thread say to each other, and the writer and the thread that follows it. All are always of
// one version.

import type { GroupOutcome } from './embedded-engine.ts';
import type { JournalPlace } from './journal.ts';
import type { LmdbEnvironmentOptions } from './lmdb-environment.ts';

/** What the writer starts with. */
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

/**
 * `do`: this group, in the open transaction. `finish`: put the transaction on disk, it goes up to this group of the journal. `end`:
 * throw away what is open, and end the thread.
 */
export type FollowerRequest =
  | { readonly do: JournalPlace }
  | { readonly finish: number }
  | { readonly end: true };

/** `finished` answers `finish`. `failure`: of the file; the thread ends. */
export type FollowerReply = { readonly finished: true } | { readonly failure: WriterFailure };

const noRoomCodes: readonly unknown[] = [
  -30792, // MDB_MAP_FULL
  28, // ENOSPC of LMDB, and of Node
  'ENOSPC',
  122, // EDQUOT
  'EDQUOT',
];

export function writerFailure(error: unknown): WriterFailure {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const text = error instanceof Error ? error.message : String(error);
  const message = code === undefined ? text : `${text} (${String(code)})`;
  return { noRoom: noRoomCodes.includes(code), message };
}
