import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { AccountId, Epoch } from '../mail/ids.ts';
import { raiseEpoch } from '../storage/fence.ts';
import { openAccountHosts } from './account-hosts.ts';
import type { AccountEvent } from './port.ts';
import { shardOf } from './shard.ts';
import { openTestHosts, testAccountId } from './testing.ts';
import { append, refusedWith } from './testing-engines.ts';

const inbox = { role: 'inbox' } as const;

test('a shard that is closed is forgotten: its sessions end, others go on, and it is read anew', async () => {
  const { hosts } = await openTestHosts();
  const other = 'bbbbccccddddeeee' as AccountId;
  assert.notEqual(shardOf(other), shardOf(testAccountId));
  await hosts.create(other);
  const accounts = [await hosts.open(testAccountId), await hosts.open(other)] as const;
  const events: AccountEvent[][] = [[], []];
  for (const [index, account] of accounts.entries()) account.watch((event) => events[index]!.push(event));
  await append(accounts[0], inbox);
  await hosts.closeShard(shardOf(testAccountId));
  await assert.rejects(accounts[0].quota(), refusedWith('unavailable'));
  await append(accounts[1], inbox);
  assert.deepEqual(
    events.map((list) => list.at(-1)!.type),
    ['closed', 'mailbox'],
  );
  const again = await hosts.open(testAccountId);
  assert.equal((await again.quota()).messagesUsed, 1);
  await hosts.close();
});

test('what was loaded under one epoch is never written under a later one of the same node', async () => {
  const { hosts: before, engine, blobs } = await openTestHosts();
  const shard = shardOf(testAccountId);
  let epoch = 1 as Epoch;
  const shards = { epochOf: () => epoch };
  const hosts = openAccountHosts({ engine, blobs, shards, clock: systemClock, log: silentLog });
  const stale = await hosts.open(testAccountId);
  // Another node wrote meanwhile, and the shard came back to us.
  await append(await before.open(testAccountId), inbox);
  epoch = 2 as Epoch;
  await engine.commit({ puts: [raiseEpoch(shard, undefined, epoch).put] });
  await assert.rejects(append(stale, inbox), refusedWith('unavailable'));
  await hosts.closeShard(shard);
  assert.equal((await append(await hosts.open(testAccountId), inbox)).uids[0], 2);
  await hosts.close();
});

test('a shard leaves without waiting for an index that waits for its turn', async () => {
  const { hosts: before, engine, blobs } = await openTestHosts();
  const [asked, turn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const clock: Clock = {
    ...systemClock,
    sleep: () => {
      asked.resolve();
      return turn.promise;
    },
  };
  const shards = { epochOf: () => 1 as Epoch };
  const limits = { indexMessagesMin: 1 };
  const hosts = openAccountHosts({ engine, blobs, shards, clock, log: silentLog, limits });
  await append(await hosts.open(testAccountId), inbox);
  await asked.promise;
  await hosts.closeShard(shardOf(testAccountId));
  turn.resolve();
  await hosts.close();
  await before.close();
});
