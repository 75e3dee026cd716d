// The writer's LMDB transactions: each stays open for many groups, which so share the pages they change, and goes to disk
// as a whole. The journal is what makes the groups durable meanwhile.
//
// Invariants: the row `journalKey` says up to which group of the journal the file is complete, in the same transaction;
// transaction n + 1 does not go to disk before readers have said that they see n, so what they see is never newer than what
// they were told (lmdb-engine.ts).
// A transaction that fails is aborted; its groups are in the journal, and the next opening does them again.

import { assert } from '../base/assert.ts';
import { systemClock, type Timer } from '../base/clock.ts';
import type { Journal } from './journal.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';
import { encodeTuple } from './tuple.ts';

const journalKey = Buffer.from(encodeTuple(['store', 'journal']));
/** A transaction goes to disk when it has so many groups or bytes, or is so old: readers look less far, a crash costs less. */
const groupsMax = 512;
const bytesMax = 4 * 1024 * 1024;
const ageMsMax = 50;
/** However slow readers are to follow, it goes no further than this; then groups wait. */
const bytesWithoutReadersMax = 256 * 1024 * 1024;

/** Up to which group of the journal the file is complete. */
export function recordedSequence(database: LmdbDatabase): number {
  const value = database.get(journalKey);
  return value === undefined ? 0 : Number(value.readBigUInt64BE());
}

interface OpenTransaction {
  readonly finish: () => void;
  readonly abort: (error: Error) => void;
  readonly ended: Promise<void>;
  readonly timer: Timer;
  groups: number;
  bytes: number;
}

export interface LmdbTransactionsOptions {
  readonly database: LmdbDatabase;
  /** How many groups a transaction takes at the most, for tests that want more of them. */
  readonly groupsMax?: number | undefined;
  readonly journal: Journal;
  /** Called when a transaction is on disk; `seen` is then waited for. */
  readonly flushed: (transaction: number) => void;
  readonly failed: (error: unknown) => void;
}

export class LmdbTransactions {
  readonly #options: LmdbTransactionsOptions;
  #open: OpenTransaction | undefined;
  /** The number of the open transaction or of the next one. */
  #number = 1;
  #seen = 0;
  #whenSeen: (() => void) | undefined;
  #flushing: Promise<void> | undefined;

  constructor(options: LmdbTransactionsOptions) {
    this.#options = options;
  }

  get number(): number {
    return this.#number;
  }

  /** Makes sure that one is open: reads and writes of the database are then in it. */
  begin(): void {
    if (this.#open !== undefined) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const ended = this.#options.database.transactionSync(() => promise) as unknown as Promise<void>;
    // Whoever ends it looks at the outcome.
    ended.catch(() => undefined);
    const timer = systemClock.after(ageMsMax, () => this.#flushSoon());
    this.#open = { finish: resolve, abort: reject, ended, timer, groups: 0, bytes: 0 };
  }

  /** A group of so many bytes is in the journal and in the open transaction. */
  added(bytes: number): void {
    assert(this.#open !== undefined, 'no transaction is open');
    this.#open.groups++;
    this.#open.bytes += bytes;
    if (this.#open.groups >= (this.#options.groupsMax ?? groupsMax) || this.#open.bytes >= bytesMax)
      this.#flushSoon();
  }

  /** Readers see this transaction. */
  seen(transaction: number): void {
    this.#seen = transaction;
    this.#whenSeen?.();
  }

  /** False: a group must wait for a flush. */
  get mayGrow(): boolean {
    return (this.#open?.bytes ?? 0) < bytesWithoutReadersMax;
  }

  /** Puts the open transaction on disk, if there is one, as soon as readers have followed. Rejects when that fails. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /** Readers are gone: none is waited for. */
  readersGone(): void {
    this.seen(Number.POSITIVE_INFINITY);
  }

  /** Throws away what is open. */
  abort(): void {
    if (this.#open === undefined) return;
    this.#open.timer.cancel();
    this.#open.abort(new Error('the transaction is thrown away'));
    this.#open = undefined;
  }

  #flushSoon(): void {
    this.flush().catch((error: unknown) => this.#options.failed(error));
  }

  async #flush(): Promise<void> {
    while (this.#seen < this.#number - 1) {
      await new Promise<void>((resolve) => {
        this.#whenSeen = resolve;
      });
    }
    const open = this.#open;
    if (open === undefined) return;
    const { database, journal } = this.#options;
    open.timer.cancel();
    const sequence = Buffer.alloc(8);
    sequence.writeBigUInt64BE(BigInt(journal.sequence));
    database.put(journalKey, sequence);
    this.#open = undefined;
    open.finish();
    // It is committed in the microtasks that follow: no group comes between.
    await open.ended;
    journal.startOver();
    this.#options.flushed(this.#number++);
  }
}
