// The limits of accounts (STYLE 7), each with its reason. Frozen; what an operator may need to change is given
// to openAccountHosts, the rest stands here.

import { inlineBytesMax } from '../storage/blobs/blob-store.ts';

export interface AccountLimits {
  /** RFC 9051 names no limit; a client that makes more is broken, and every LIST walks them. */
  readonly mailboxesMax: number;
  /** Messages smaller than this lie in the engine beside their metadata, larger ones in the blob store. */
  readonly inlineBytesMax: number;
  /** Applied operations an account remembers, for retries, as a rule: few, because opening it reads them all. */
  readonly operationsKept: number;
  /** And while so many are younger than a retry may be; beyond, changes are refused with limitReached: 6,000 a second. */
  readonly operationsMax: number;
  /**
   * No retry of an operation comes later than this. Whoever waits for an answer begins the last one 33 s after the first (a
   * silent link's 3, and the patience of 30); the rest is for what is on its way then. 0 where accounts are reached over no
   * link: nobody asks again.
   */
  readonly operationLifeMs: number;
  /** Tombstone rows a mailbox keeps; a client that was away for more expunges compares UID lists. */
  readonly tombstonesMax: number;
  /** Of those, the latest ones kept in memory by an open mailbox. */
  readonly tombstonesInMemoryMax: number;
  /**
   * Messages one commit changes at the most, one by one; longer mutations are several commits (EXPUNGE, MOVE). Of flags as many
   * as cost the same when they are written page by page (uid-lists.ts).
   */
  readonly messagesPerCommit: number;
  /** Mutations that wait for an account; more are refused with limitReached: back-pressure. */
  readonly queueMax: number;
  /** Accounts held in memory, in bytes by estimate; the least recently used ones go first. */
  readonly memoryBytesMax: number;
  /** An account nobody used for this long is unloaded. */
  readonly idleUnloadMs: number;
  readonly subscriptionsMax: number;
  /** What searches and lists of header fields keep in memory, of all accounts together: indexes, orders, threads, fields. */
  readonly searchMemoryBytesMax: number;
  /** So many messages wait before they are indexed together: fewer are searched as they are as quickly. */
  readonly indexMessagesMin: number;
}

export const accountLimitsDefault: AccountLimits = Object.freeze({
  mailboxesMax: 10_000,
  inlineBytesMax,
  operationsKept: 100,
  operationsMax: 300_000,
  operationLifeMs: 50_000,
  tombstonesMax: 10_000,
  tombstonesInMemoryMax: 512,
  messagesPerCommit: 1_000,
  queueMax: 10_000,
  memoryBytesMax: 512 * 1024 * 1024,
  idleUnloadMs: 10 * 60_000,
  subscriptionsMax: 20_000,
  searchMemoryBytesMax: 256 * 1024 * 1024,
  indexMessagesMin: 128,
});

/** Mutations merged into one commit: enough to share a flush, few enough to keep its latency. */
export const groupMutationsMax = 256;
/** Bytes of messages merged into one commit. */
export const groupBytesMax = 4 * 1024 * 1024;
/** Rows read from the engine at a time: about a millisecond of work. */
export const pageRowsMax = 1_000;
export const pageBytesMax = 1024 * 1024;
/**
 * Staged appends of one account at the same time: each is a mailbox's columns in memory, and what it holds counts in the quota
 * of somebody who cannot see it.
 */
export const stagedAppendsMax = 16;
/** A staged append that nobody went on with for so long is given up: the next piece may wait for memory, and be read slowly. */
export const stagedAppendIdleMs = 3 * 60_000;
