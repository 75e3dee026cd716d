// The rows of shards that this process holds, read from the embedded engine's file by a process that does not have the engine
// and is the only one that writes them: the mapped file, and over it what this process committed and the file may still lack.
//
// Invariant: a row is read here only while its shard is held under an epoch, and only from a state of the file whose fence
// row says that epoch. What is written under an earlier epoch comes before the fence row in the writer's order, so it is in that
// state; what is written under this one is ours, and what the file lacks of it lies over it; of later ones there is none in that state,
// or the fence row would say so. So what is found is what the engine would have found, and what is not found is not there.
// Whoever has to stop serving the shard because another may hold it says so (`letGo`) before anybody hears of it; until then
// its rows are as he left them, and not as the next one made them: the same as all he has in memory.

import type { Epoch, ShardId } from '../../mail/ids.ts';
import type { Batch, Bytes, Range } from '../engine.ts';
import { decodeEpoch, fenceKey } from '../fence.ts';
import type { GroupOutcome } from './embedded-engine.ts';
import type { LmdbDatabase } from './lmdb-environment.ts';
import type { LmdbView } from './lmdb-reads.ts';
import { recordedSequence } from './recorded-sequence.ts';
import { UnflushedRows } from './unflushed-rows.ts';

/** Whose rows are whose. Undefined: no shard's, or of more than one. */
export interface ShardsOfRows {
  ofKey(key: Bytes): ShardId | undefined;
  ofRange(range: Range): ShardId | undefined;
}

interface HeldShard {
  readonly epoch: Epoch;
  readonly fence: Buffer;
  /** The file was seen to have come to this epoch. */
  isReached: boolean;
}

/** How a batch was committed. */
type Committed = Pick<GroupOutcome, 'transaction' | 'sequence'>;

export class HeldRows {
  readonly #database: LmdbDatabase;
  readonly #shards: ShardsOfRows;
  readonly #held = new Map<ShardId, HeldShard>();
  readonly #own = new UnflushedRows();
  readonly #view: LmdbView;
  /** The newest group of ours in each transaction of the writer that `own` has rows of, in order. */
  #transactions: Committed[] = [];

  /** `database`: the file, opened for reading. */
  constructor(database: LmdbDatabase, shards: ShardsOfRows) {
    this.#database = database;
    this.#shards = shards;
    this.#view = { database, options: {}, unflushed: this.#own };
  }

  /** From now on this process alone writes the shard's rows, under this epoch. */
  hold(shard: ShardId, epoch: Epoch): void {
    this.#held.set(shard, { epoch, fence: Buffer.from(fenceKey(shard)), isReached: false });
  }

  letGo(shard: ShardId): void {
    this.#held.delete(shard);
  }

  /** What the key is to be read from, in this turn; undefined: the engine must be asked. */
  viewOf(key: Bytes): LmdbView | undefined {
    return this.#viewOfShard(this.#shards.ofKey(key));
  }

  /** Keys of several shards are not read here. */
  viewOfAll(keys: readonly Bytes[]): LmdbView | undefined {
    const shard = keys[0] && this.#shards.ofKey(keys[0]);
    for (const key of keys) if (this.#shards.ofKey(key) !== shard) return undefined;
    return this.#viewOfShard(shard);
  }

  viewOfRange(range: Range): LmdbView | undefined {
    return this.#viewOfShard(this.#shards.ofRange(range));
  }

  /** This process committed the batch; told before it can hear that it holds the shard under another epoch. */
  add(batch: Batch, { transaction, sequence }: Committed): void {
    // Rows of shards are written under their fences; nothing else is read here.
    if (batch.fence === undefined) return;
    this.#own.add(transaction, batch);
    if (this.#transactions.at(-1)?.transaction === transaction) this.#transactions.pop();
    // One by one they would cost a look at the file each; so there are a few transactions at the most.
    else this.#forgetRecorded();
    this.#transactions.push({ transaction, sequence });
  }

  #viewOfShard(shard: ShardId | undefined): LmdbView | undefined {
    const held = shard === undefined ? undefined : this.#held.get(shard);
    if (held === undefined || decodeEpoch(this.#database.get(held.fence)) !== held.epoch) return undefined;
    if (!held.isReached) {
      // What we wrote under an earlier epoch is in the file too, and somebody may have changed it since.
      this.#forgetRecorded();
      held.isReached = true;
    }
    return this.#view;
  }

  /** A transaction is in the file as a whole, so what it has of ours need not lie over it. */
  #forgetRecorded(): void {
    if (this.#transactions.length === 0) return;
    const recorded = recordedSequence(this.#database);
    for (let first = this.#transactions[0]; first !== undefined; first = this.#transactions[0]) {
      if (first.sequence > recorded) return;
      this.#own.flushed(first.transaction);
      this.#transactions.shift();
    }
  }
}
