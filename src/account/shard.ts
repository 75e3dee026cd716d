// Which slice of a cell an account belongs to (ARCHITECTURE 1): fixed for ever, so the hash and the number are too.

import { hash } from 'node:crypto';
import type { AccountId, ShardId } from '../mail/ids.ts';

/** A cell's shards. On disk: a change would move every account. */
export const shardCount = 256;

export function shardOf(accountId: AccountId): ShardId {
  return (hash('sha256', accountId, 'buffer')[0]! % shardCount) as ShardId;
}
