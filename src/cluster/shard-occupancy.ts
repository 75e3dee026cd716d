// How many accounts each shard has, for the controller. With many accounts the hash makes shards alike and counting them is
// enough; with few it does not: of ten accounts on three nodes chance would leave a node without one every twentieth time.
// Invariant: only who is asked (the controller) reads, and only after the directory has changed; it reads little.
// From a change to the next read that works the answer is 'unknown'; one that fails is logged.

import { shardCount, shardOf } from '../account/shard.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { readAccountIds } from '../directory/account-ids.ts';
import { directoryTopic } from '../directory/rows.ts';
import type { Engine, Reader } from '../storage/engine.ts';
import type { Occupancy } from './membership/assignment.ts';

/** With four accounts a shard, nodes differ by chance no more than clients' habits make them differ anyway. */
const countedAccountsMax = 4 * shardCount;

/** After a change of the directory; a bulk import is many of them. */
const lookMs = 1_000;
/** Also without a change that was heard of: a signal may be lost. And how soon a large site is looked at again. */
const lookAgainMs = 60_000;

export async function readOccupancy(reader: Reader): Promise<Occupancy> {
  const ids = await readAccountIds(reader, countedAccountsMax);
  if (ids === undefined) return 'many';
  const counts = new Uint32Array(shardCount);
  for (const id of ids) counts[shardOf(id)]!++;
  return counts;
}

export interface OccupancyWatchOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether this node assigns the shards. */
  readonly isWanted: () => boolean;
  readonly changed: (occupancy: Occupancy) => void;
}

/** Says 'unknown' at once, and what is read whenever it is wanted; ends with the disposal. */
export class OccupancyWatch implements Disposable {
  readonly #options: OccupancyWatchOptions;
  readonly #unsubscribe: () => void;
  #timer: Timer;
  #occupancy: Occupancy = 'unknown';
  #isStale = true;
  #readAt = Number.NEGATIVE_INFINITY;
  #ended = false;

  constructor(options: OccupancyWatchOptions) {
    this.#options = options;
    options.changed('unknown');
    this.#unsubscribe = options.engine.subscribe(directoryTopic, () => {
      this.#isStale = true;
      // What is moved by an old count may have to be moved back. A large site is one for long.
      if (this.#occupancy !== 'many') this.#tell('unknown');
    });
    this.#timer = options.clock.after(0, () => void this.#look());
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#unsubscribe();
    this.#timer.cancel();
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    const { clock, log, isWanted } = this.#options;
    if (!isWanted()) {
      // Whoever assigns again later must not go by what was so long ago.
      this.#tell('unknown');
      this.#readAt = Number.NEGATIVE_INFINITY;
    } else if (this.#isDue()) {
      this.#isStale = false;
      this.#readAt = clock.monotonic();
      try {
        const occupancy = await readOccupancy(this.#options.engine);
        // Changed while it was read: once more.
        if (!this.#isStale || occupancy === 'many') this.#tell(occupancy);
      } catch (error) {
        this.#isStale = true;
        log.warn({ err: error }, 'the accounts could not be counted; trying again');
      }
    }
    if (!this.#ended) this.#timer = clock.after(lookMs, () => void this.#look());
  }

  #isDue(): boolean {
    const ageMs = this.#options.clock.monotonic() - this.#readAt;
    return ageMs >= lookAgainMs || (this.#isStale && this.#occupancy !== 'many');
  }

  #tell(occupancy: Occupancy): void {
    if (this.#ended || (occupancy === 'unknown' && this.#occupancy === 'unknown')) return;
    this.#occupancy = occupancy;
    this.#options.changed(occupancy);
  }
}
