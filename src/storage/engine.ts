// The storage contract (ARCHITECTURE 5): an ordered key-value space.
//
// Invariants every engine keeps, shown by engine-contract.ts against all of them:
// - keys are ordered by their bytes, unsigned; a snapshot sees one moment and nothing later;
// - a batch is applied whole or not at all, and is durable when `commit` resolves (fdatasync or its like);
// - a batch whose fence or condition does not hold changes nothing and says which one failed;
// - after `commit` resolves, every later read by this process sees it (read your writes).
// When the disk is full or broken, `commit` rejects with a Fault or MailError('storageFull') and nothing of the
// batch is visible, now or after a restart.

import type { Epoch } from '../mail/ids.ts';

export type Bytes = Uint8Array;

/** Keys are longer than 0 and at most this many bytes (LMDB's limit with 4 KiB pages is a little above). */
export const keyBytesMax = 1024;
/** Larger values belong in a blob store's files. */
export const valueBytesMax = 64 * 1024 * 1024;

export interface Entry {
  readonly key: Bytes;
  readonly value: Bytes;
}

/** Half-open: start <= key < end, in byte order; reverse walks from the last one down. */
export interface Range {
  readonly start: Bytes;
  readonly end: Bytes;
  readonly reverse?: boolean;
}

export interface Page {
  readonly entries: readonly Entry[];
  /** Pass as `start` (or `end` when reverse) of the next page; undefined when the range is exhausted. */
  readonly next?: Bytes;
}

export interface PageLimits {
  readonly entriesMax: number;
  /** Stop after the entry that reaches this many bytes of values; there is always progress of one entry. */
  readonly bytesMax: number;
}

/** Reads at one moment. Values are the caller's to keep: they are never overwritten by the engine. */
export interface Reader {
  get(key: Bytes): Promise<Bytes | undefined>;
  /** In the order of `keys`. One round trip on engines that have them. */
  getMany(keys: readonly Bytes[]): Promise<(Bytes | undefined)[]>;
  /** One bounded page of a range, in order. */
  page(range: Range, limits: PageLimits): Promise<Page>;
}

export interface Snapshot extends Reader, AsyncDisposable {
  /** Must be released; an engine may end a snapshot that lives longer than its limit (reads then reject with Fault). */
  release(): Promise<void>;
}

/** The current epoch of a shard, as a row in the engine; a commit naming another epoch is refused. */
export interface Fence {
  /** The row that holds the epoch, see fence.ts. */
  readonly key: Bytes;
  readonly epoch: Epoch;
}

/** Holds when the value at `key` equals `expected`, byte for byte; undefined: when there is none. */
export interface Condition {
  readonly key: Bytes;
  readonly expected: Bytes | undefined;
}

/** Applied in the order: fence, conditions (both against the state before), deleteRanges, deletes, puts. */
export interface Batch {
  readonly fence?: Fence;
  readonly conditions?: readonly Condition[];
  readonly deleteRanges?: readonly { readonly start: Bytes; readonly end: Bytes }[];
  readonly deletes?: readonly Bytes[];
  readonly puts?: readonly Entry[];
  /**
   * A small change that must go through on a full disk, because room is made by it: an expunge and the flag before it, a
   * collected blob, a removed account. It may use the room that is kept free; new mail may not.
   */
  readonly fromReserve?: boolean;
  /**
   * What is decided anew should the server be lost that has it, like a sign of life: it goes through also while the durability that
   * was asked for cannot be had. Nothing that anybody outside was told may hang on it.
   */
  readonly withoutStandby?: boolean;
  /** Topics told to subscribers on this and the cell's other nodes after the batch is durable. */
  readonly signals?: readonly string[];
}

/** `fenced`: another owner has the shard now; `conflict`: the condition at this index did not hold. */
export type CommitResult =
  | { readonly outcome: 'committed' }
  | { readonly outcome: 'fenced' }
  | { readonly outcome: 'conflict'; readonly condition: number };

export interface EngineStatistics {
  readonly commits: number;
  readonly batches: number;
  readonly bytesWritten: number;
  readonly bytesOnDisk: number;
  /** Of engines on a server: connections that hung and were left; requests to read that were sent again for it. */
  readonly hungConnections?: number;
  readonly repeatedReads?: number;
}

/** A copy of the store that another server keeps. */
export interface StandbyHealth {
  readonly name: string;
  /** As the server says it: "streaming", "catchup". */
  readonly state: string;
  readonly isSynchronous: boolean;
  /** Null: not known. */
  readonly lagBytes: number | null;
}

/** What the server says that an engine is kept on. */
export interface EngineHealth {
  /** Which server takes the writes: "host:port". */
  readonly server: string;
  readonly version: string;
  /** Whom the server knows this program as. */
  readonly role: string;
  /** False: that role has no right to see standbys; `standbys` has their number, and nothing of them. */
  readonly maySeeStandbys: boolean;
  readonly standbys: readonly StandbyHealth[];
  /** Nothing that would be missed is written while no synchronous one is attached. */
  readonly needsStandby: boolean;
}

export interface Engine extends Reader, AsyncDisposable {
  readonly name: string;
  snapshot(): Promise<Snapshot>;
  /**
   * All or nothing; durable when it resolves. Concurrent calls share a flush (group commit); batches are applied
   * in the order of the calls. The bytes passed are the engine's from then on: the caller must never change them.
   * Rejects with MailError('storageFull') when there is no room, MailError('unavailable') when the durability that was asked for
   * cannot be had now, UnknownOutcomeFault when nobody can tell whether it was applied (unknown-outcome.ts), Fault otherwise.
   */
  commit(batch: Batch): Promise<CommitResult>;
  /**
   * Of engines that send commits in line over a connection, which may hang: over another one, in no order with the others. For what
   * is small and must not wait behind them, like a sign of life.
   */
  commitApart?(batch: Batch): Promise<CommitResult>;
  /** Calls back once or more after a batch with this topic became durable. Signals may be lost, never late forever: poll behind it. */
  subscribe(topic: string, listener: () => void): () => void;
  /**
   * Of engines on a server that another may take over: calls back when that one lacks commits of this process that were
   * acknowledged, before anything more is committed. What is remembered of before is to be read again. `mayLackMail` false: they are
   * some that were committed `withoutStandby`.
   */
  onReverted?(listener: (mayLackMail: boolean) => void): () => void;
  statistics(): EngineStatistics;
  /** Of engines that are kept on a server. Rejects with a temporary Fault when that does not answer. */
  health?(): Promise<EngineHealth>;
  /** Waits for commits under way, refuses new ones with a temporary Fault, releases everything. Twice is fine. */
  close(): Promise<void>;
}
