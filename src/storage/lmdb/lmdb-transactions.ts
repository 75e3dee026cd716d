// When LMDB's file takes what is in the journal: some hundred groups are one transaction of it, which so share the pages they
// change. The groups of the next one go into the journal's other file meanwhile.
//
// Invariant: a transaction is finished only when the one before is on disk, and readers have said that they see it: so
// that one's file of the journal is free, and what readers see is never newer than what they were told (lmdb-engine.ts).

import { systemClock, type Timer } from '../../base/clock.ts';

/** A transaction is due when it has so many groups or bytes, or is so old: readers look less far, a crash costs less. */
const groupsMax = 512;
const bytesMax = 4 * 1024 * 1024;
const ageMsMax = 50;
/** However slow the disk or readers are, the journal goes no further beyond the file than this; then groups wait. */
const bytesAheadMax = 64 * 1024 * 1024;

export interface LmdbTransactionsOptions {
  /** How many groups a transaction takes at the most, for tests that want more of them. */
  readonly groupsMax?: number | undefined;
  /** The open transaction is complete: put it on disk, then say `flushed`. Groups that are added later are the next one's. */
  readonly finish: () => void;
}

export class LmdbTransactions {
  readonly #options: LmdbTransactionsOptions;
  /** Of the open transaction. */
  #number = 1;
  #groups = 0;
  #bytes = 0;
  #timer: Timer | undefined;
  #isDue = false;
  #flushed = 0;
  #seen = 0;
  /** Who wait for the next that is flushed. */
  #waiting: (() => void)[] = [];

  constructor(options: LmdbTransactionsOptions) {
    this.#options = options;
  }

  /** Of the open transaction. */
  get number(): number {
    return this.#number;
  }

  /** False: a group must wait for a flush. */
  get mayGrow(): boolean {
    return this.#bytes < bytesAheadMax;
  }

  /** A group of so many bytes is in the journal, and is the open transaction's. */
  added(bytes: number): void {
    this.#groups++;
    this.#bytes += bytes;
    this.#timer ??= systemClock.after(ageMsMax, () => this.#due());
    if (this.#groups >= (this.#options.groupsMax ?? groupsMax) || this.#bytes >= bytesMax) this.#due();
  }

  /** The transaction that was finished is on disk; gives its number. */
  flushed(): number {
    this.#flushed++;
    for (const wake of this.#waiting.splice(0)) wake();
    this.#finishIfDue();
    return this.#flushed;
  }

  /** Readers see this transaction. */
  seen(transaction: number): void {
    this.#seen = transaction;
    this.#finishIfDue();
  }

  /** Readers are gone: none is waited for. */
  readersGone(): void {
    this.seen(Number.POSITIVE_INFINITY);
  }

  /** Resolves when every group that was added is on disk in the file. */
  async flush(): Promise<void> {
    while (this.#groups > 0 || this.#flushed < this.#number - 1) {
      const next = new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (this.#groups > 0) this.#due();
      await next;
    }
  }

  /** Nothing is finished any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#seen = Number.NEGATIVE_INFINITY;
  }

  #due(): void {
    this.#isDue = true;
    this.#finishIfDue();
  }

  #finishIfDue(): void {
    if (!this.#isDue || Math.min(this.#flushed, this.#seen) < this.#number - 1) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isDue = false;
    this.#groups = 0;
    this.#bytes = 0;
    this.#number++;
    this.#options.finish();
  }
}
