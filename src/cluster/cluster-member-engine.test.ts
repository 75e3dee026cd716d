// Members of a cluster whose engine is away, hangs, or lost what it had acknowledged.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Epoch, ShardId } from '../mail/ids.ts';
import { encodeEpoch, fenceFor, raiseEpoch } from '../storage/fence.ts';
import { moveShard } from './membership/cluster-requests.ts';
import {
  assertHosted,
  cluster,
  endAll,
  refused,
  request,
  shardCount,
  start,
} from './testing-cluster-members.ts';

afterEach(endAll);

test('the lease running out refuses commits, and an engine that comes back finds all as it was', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(2_000);
  const before = [a.open, b.open].map((open) => new Map(open));
  a.connected = false;
  b.connected = false;
  await parts.clock.advance(10_000);
  for (const node of [a, b]) for (const shard of node.open.keys()) refused(() => node.member.epochOf(shard));
  a.connected = true;
  b.connected = true;
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, [a, b]);
  assert.deepEqual([a.open, b.open], before);
});

test('a heartbeat that hangs goes out again on another connection: the node serves on, and what hung changes nothing', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(5_000);
  const { promise, resolve } = Promise.withResolvers<void>();
  const before = [a.open, b.open].map((open) => new Map(open));
  for (const node of [a, b]) node.holdCommits = promise;
  for (let passedMs = 0; passedMs < 4_000; passedMs += 50) {
    await parts.clock.advance(50);
    for (const node of [a, b]) for (const shard of node.open.keys()) node.member.epochOf(shard);
  }
  for (const node of [a, b]) node.holdCommits = undefined;
  resolve();
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, [a, b]);
  assert.deepEqual([a.open, b.open], before);
});

test('a node whose commits hang on does not live by its heartbeats alone: others have its shards', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(5_000);
  const shard = [...b.open.keys()][0]!;
  b.holdCommits = new Promise(() => undefined);
  await parts.clock.advance(6_500);
  refused(() => b.member.epochOf(shard));
  await parts.clock.advance(3_000);
  assert.deepEqual(await assertHosted(parts.engine, [a]), [shardCount]);
});

test('a read that hangs is asked again: the node serves on', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(5_000);
  const before = new Map(b.open);
  // Each of the next four is followed by a second one that is answered, or is that one.
  for (let round = 0; round < 4; round++) {
    b.readsToHold = 1;
    for (let passedMs = 0; passedMs < 2_500; passedMs += 50) {
      await parts.clock.advance(50);
      for (const held of before.keys()) b.member.epochOf(held);
    }
  }
  await assertHosted(parts.engine, [a, b]);
  assert.deepEqual(b.open, before);
});

test('a fence that was raised past the cluster: the host takes the shard again under a higher epoch', async () => {
  const parts = cluster();
  const a = start('a', parts);
  await parts.clock.settle();
  const shard = 3 as ShardId;
  const epoch = a.member.epochOf(shard);
  const raised = raiseEpoch(shard, encodeEpoch(epoch), (epoch + 5) as Epoch);
  await parts.engine.commit({ conditions: [raised.condition], puts: [raised.put] });
  assert.deepEqual(await parts.engine.commit({ fence: fenceFor(shard, epoch) }), { outcome: 'fenced' });
  a.member.reportFenced(shard, epoch);
  refused(() => a.member.epochOf(shard));
  await parts.clock.advance(100);
  assert.equal(a.member.epochOf(shard), epoch + 6);
  await assertHosted(parts.engine, [a]);
});

test('a database that lost its last commits: the nodes go by the rows that there are, and go on', async () => {
  const parts = cluster();
  const { engine, clock } = parts;
  const a = start('a', parts);
  const b = start('b', parts);
  await clock.advance(5_000);
  const everything = { start: Buffer.of(0), end: Buffer.of(255) };
  const { entries } = await engine.page(everything, { entriesMax: 10_000, bytesMax: 1e9 });
  // Heartbeats are lost, a move, and a node that joined.
  const [shard] = [...a.open.keys()] as [ShardId];
  await request(engine, moveShard(shard, b.member.self));
  await clock.advance(3_000);
  const lostEpoch = b.member.epochOf(shard);
  const c = start('c', parts);
  await clock.advance(3_000);
  await engine.commit({ deleteRanges: [everything], puts: entries });
  await clock.advance(10_000);
  const shares = await assertHosted(engine, [a, b, c]);
  assert.deepEqual(shares, [4, 4, 4]);
  assert.ok(b.member.status().nodes.every(({ state }) => state === 'active'));
  // What was begun under an epoch that is lost must not come in under it when it is given again.
  await request(engine, moveShard(shard, c.member.self));
  await clock.advance(3_000);
  assert.ok(c.member.epochOf(shard) > lostEpoch);
});

test('when the database lost commits, every shard is let go, and hosted again under a higher epoch', async () => {
  const parts = cluster();
  const nodes = [start('a', parts), start('b', parts)];
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, nodes);
  const everything = { start: Buffer.of(0), end: Buffer.of(255) };
  const limits = { entriesMax: 10_000, bytesMax: 1e9 };
  const { entries } = await parts.engine.page(everything, limits);
  await parts.clock.advance(1_500);
  const before = nodes.map(({ open }) => new Map(open));
  for (const { log } of nodes) log.length = 0;
  // A standby takes over that has the heartbeats of before.
  await parts.engine.commit({ puts: entries });
  await parts.clock.advance(3_000);
  await assertHosted(parts.engine, nodes);
  for (const [index, { open, log }] of nodes.entries()) {
    for (const [shard, epoch] of before[index]!) {
      assert.ok(log.includes(`dropped ${shard}`));
      assert.ok(open.get(shard)! > epoch, `shard ${shard} is served under epoch ${open.get(shard)}`);
    }
  }
});

test('a database that lost commits and no heartbeat: the node whose they were lets its shards go, and says so', async () => {
  const parts = cluster();
  const reverts: ((mayLackMail: boolean) => void)[] = [];
  parts.engine.onReverted = (listener) => {
    reverts.push(listener);
    return () => {};
  };
  const load = () => ({ openAccounts: 0, sessions: 0, commitsPerSecond: 0 });
  const [a, b] = [start('a', parts, { load }), start('b', parts, { load })];
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, [a, b]);
  const before = [new Map(a.open), new Map(b.open)] as const;
  const lostAt = parts.clock.now();
  reverts[0]!(true);
  assert.deepEqual([...a.open], []);
  await parts.clock.advance(3_000);
  await assertHosted(parts.engine, [a, b]);
  for (const [shard, epoch] of before[0]) assert.ok(a.open.get(shard)! > epoch);
  assert.deepEqual(b.open, before[1]);
  const seen = b.member.status().nodes.map(({ node, load: { lostCommitsAt } }) => [node, lostCommitsAt]);
  assert.deepEqual(seen, [
    ['a', lostAt],
    ['b', undefined],
  ]);
  // What was lost was no mail: shards are let go all the same, and the operator is not told of mail.
  reverts[1]!(false);
  assert.deepEqual([...b.open], []);
  await parts.clock.advance(3_000);
  assert.equal(b.member.status().nodes.find(({ node }) => node === 'b')!.load.lostCommitsAt, undefined);
});
