import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { AccountId } from '../mail/ids.ts';
import { encodeTuple, tuplePrefixRange } from '../storage/tuple.ts';
import { AccountKeys } from './records/account-keys.ts';
import { RowShards } from './row-shards.ts';
import { shardOf } from './shard.ts';

const id = '0123456789abcdef' as AccountId;
const keys = new AccountKeys(id);
const shard = shardOf(id);

it('knows the shard of an account’s rows, and that other rows have none', () => {
  const rows = new RowShards();
  for (const key of [keys.account, keys.thread(3), keys.message(1, 2 ** 40), keys.subscription('a')])
    assert.equal(rows.ofKey(key), shard);
  for (const tuple of [['fence', 1], ['a'], ['account', id], ['b', id], ['blob', 'a'.repeat(40)]])
    assert.equal(rows.ofKey(encodeTuple(tuple)), undefined, String(tuple));
  assert.equal(rows.ofKey(keys.account.subarray(0, -1)), undefined);
});

it('knows the shard of ranges of one account, and that wider ones have none', () => {
  const rows = new RowShards();
  const other = new AccountKeys('fedcba9876543210' as AccountId);
  for (const range of [keys.rows('t'), keys.messages(3), keys.tombstones(3, 5)])
    assert.equal(rows.ofRange(range), shard);
  assert.equal(rows.ofRange({ start: keys.thread(1), end: other.thread(1) }), undefined);
  assert.equal(rows.ofRange(tuplePrefixRange(['a'])), undefined);
  assert.equal(rows.ofRange(tuplePrefixRange(['cluster'])), undefined);
});

it('forgets accounts rather than grow', () => {
  const rows = new RowShards();
  for (let number = 0; number < 25_000; number++) {
    const account = number.toString(16).padStart(16, '0') as AccountId;
    assert.equal(rows.ofKey(new AccountKeys(account).account), shardOf(account));
  }
});
