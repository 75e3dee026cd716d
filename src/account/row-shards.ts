// Which shard a row of the engine is in, by its key: for whoever reads rows without knowing what they are.
// Invariant: a row of an account has the shard of that account (shard.ts), every other row none. Never fails.

import type { AccountId, ShardId } from '../mail/ids.ts';
import type { Bytes, Range } from '../storage/engine.ts';
import { accountOfKey } from './records/account-keys.ts';
import { shardOf } from './shard.ts';

/** A hash each is saved for so many accounts; beyond it they are forgotten and hashed again. */
const accountsMax = 10_000;

export class RowShards {
  readonly #shards = new Map<AccountId, ShardId>();

  ofKey(key: Bytes): ShardId | undefined {
    const account = accountOfKey(key);
    return account === undefined ? undefined : this.#ofAccount(account);
  }

  /** Undefined also for a range that goes beyond one account's rows. */
  ofRange({ start, end }: Range): ShardId | undefined {
    const account = accountOfKey(start);
    return account === undefined || accountOfKey(end) !== account ? undefined : this.#ofAccount(account);
  }

  #ofAccount(account: AccountId): ShardId {
    const known = this.#shards.get(account);
    if (known !== undefined) return known;
    const shard = shardOf(account);
    if (this.#shards.size >= accountsMax) this.#shards.clear();
    this.#shards.set(account, shard);
    return shard;
  }
}
