// Members of a cluster on one engine: who hosts which shard while nodes come, go, die, sleep and are moved about.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, test } from 'node:test';
import type { Epoch, NodeId, ShardId } from '../mail/ids.ts';
import { isMailError } from '../mail/mail-error.ts';
import { drain, moveShard, rebalance, remove, undrain } from './membership/cluster-requests.ts';
import { ClusterView } from './membership/cluster-view.ts';
import { ShardTable } from './membership/shard-table.ts';
import {
  assertHosted,
  cluster,
  endAll,
  refused,
  request,
  shardCount,
  start,
  type TestNode,
} from './testing-cluster-members.ts';

afterEach(endAll);

test('a single node has all shards without any time passing', async () => {
  const parts = cluster();
  const a = start('a', parts);
  await a.member.whenJoined();
  assert.equal(await a.member.whenHosted(1), true);
  assert.deepEqual(await assertHosted(parts.engine, [a]), [shardCount]);
  const status = a.member.status();
  assert.deepEqual(status.controller, { node: 'a', term: 1 });
  assert.deepEqual([status.shardsUnhosted, status.shardsMoving, status.nodes[0]!.shards], [0, 0, shardCount]);
});

test('after a stop in good order the next start has all shards at once', async () => {
  const parts = cluster();
  const first = start('a', parts);
  await parts.clock.settle();
  await first.member.close();
  assert.equal(first.open.size, 0);
  refused(() => first.member.epochOf(0 as ShardId));
  const second = start('a', parts);
  await parts.clock.settle();
  assert.deepEqual(await assertHosted(parts.engine, [second]), [shardCount]);
});

test('after a crash it waits for the lease of the one before, unless that one is known to be gone', async () => {
  const parts = cluster();
  const first = start('a', parts);
  await parts.clock.settle();
  first.connected = false;
  const second = start('a', parts);
  await second.member.whenJoined();
  await parts.clock.advance(2_000);
  assert.equal(second.open.size, 0);
  await parts.clock.advance(2_000);
  assert.deepEqual(await assertHosted(parts.engine, [second]), [shardCount]);
  second.connected = false;
  const third = start('a', parts, { predecessorGone: true });
  await parts.clock.settle();
  assert.deepEqual(await assertHosted(parts.engine, [third]), [shardCount]);
});

test('nodes that join get their share by planned moves, in which nobody is dropped', async () => {
  const parts = cluster();
  const a = start('a', parts);
  await parts.clock.settle();
  const b = start('b', parts);
  const c = start('c', parts);
  await parts.clock.advance(1_000);
  assert.deepEqual((await assertHosted(parts.engine, [a, b, c])).sort(), [4, 4, 4]);
  assert.ok([a, b, c].every(({ log }) => log.every((line) => line.startsWith('releasing'))));
});

test('a dead node: it stops by itself first, then others have its shards', async () => {
  const parts = cluster();
  const nodes = ['a', 'b', 'c'].map((name) => start(name, parts));
  const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, nodes);
  const shard = [...b.open.keys()][0]!;
  b.connected = false;
  await parts.clock.advance(2_750);
  refused(() => b.member.epochOf(shard));
  assert.ok(!a.open.has(shard) && !c.open.has(shard));
  await parts.clock.advance(1_250);
  assert.deepEqual(await assertHosted(parts.engine, [a, c]), [6, 6]);
  assert.equal(a.member.status().nodes.find(({ node }) => node === 'b')!.state, 'dead');
  // It comes back, finds what happened, drops what it had and gets a share again.
  b.connected = true;
  await parts.clock.advance(5_000);
  assert.ok(b.log.includes(`dropped ${shard}`));
  assert.deepEqual((await assertHosted(parts.engine, nodes)).sort(), [4, 4, 4]);
});

test('when the controller dies another one takes over, and its shards with it', async () => {
  const parts = cluster();
  const nodes = ['a', 'b', 'c'].map((name) => start(name, parts));
  await parts.clock.advance(5_000);
  const { node: before, term } = nodes[0]!.member.status().controller!;
  const controller = nodes.find(({ member }) => member.self === before)!;
  const others = nodes.filter((each) => each !== controller);
  controller.connected = false;
  await parts.clock.advance(4_500);
  assert.deepEqual(await assertHosted(parts.engine, others), [6, 6]);
  const after = others[0]!.member.status().controller!;
  assert.notEqual(after.node, before);
  assert.equal(after.term, term + 1);
});

test('drain moves everything away and holds over a restart; undrain brings it back', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  await request(parts.engine, drain('a' as NodeId));
  await parts.clock.advance(200);
  assert.deepEqual(await assertHosted(parts.engine, [a, b]), [0, shardCount]);
  await a.member.close();
  const again = start('a', parts);
  await parts.clock.advance(1_000);
  assert.deepEqual(await assertHosted(parts.engine, [again, b]), [0, shardCount]);
  await request(parts.engine, undrain('a' as NodeId));
  await parts.clock.advance(200);
  assert.deepEqual(await assertHosted(parts.engine, [again, b]), [6, 6]);
});

test('a node that leaves hands its shards over at once', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  const closed = a.member.close();
  await parts.clock.advance(100);
  await closed;
  assert.deepEqual(await assertHosted(parts.engine, [b]), [shardCount]);
  assert.ok(a.log.every((line) => line.startsWith('releasing')));
  assert.equal(b.member.status().controller!.node, 'b');
});

test('a host that does not finish is made to drop its shard; the new one has it all the same', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  a.holdReleases = new Promise(() => undefined);
  const shard = [...a.open.keys()][0]!;
  await request(parts.engine, moveShard(shard, 'b' as NodeId));
  await parts.clock.advance(1_000);
  assert.equal(typeof a.member.epochOf(shard), 'number');
  await parts.clock.advance(1_500);
  refused(() => a.member.epochOf(shard));
  assert.ok(a.log.includes(`dropped ${shard}`));
  assert.equal(b.member.epochOf(shard), b.open.get(shard));
  a.holdReleases = undefined;
  await parts.clock.advance(2_000);
  // Another one came in return.
  assert.deepEqual(await assertHosted(parts.engine, [a, b]), [6, 6]);
  const pinned = () => b.member.status().shards.filter((each) => each.pinned !== undefined);
  assert.deepEqual(
    pinned().map((each) => [each.shard, each.pinned]),
    [[shard, 'b']],
  );
  await request(parts.engine, rebalance);
  await parts.clock.advance(500);
  assert.deepEqual(pinned(), []);
});

test('where the operator wants a shard outlives the death of the node that he wants it on', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  const shard = [...a.open.keys()][0]!;
  await request(parts.engine, moveShard(shard, 'b' as NodeId));
  await parts.clock.advance(500);
  b.connected = false;
  await parts.clock.advance(5_000);
  assert.deepEqual(await assertHosted(parts.engine, [a]), [shardCount]);
  b.connected = true;
  await parts.clock.advance(5_000);
  await assertHosted(parts.engine, [a, b]);
  assert.ok(b.open.has(shard));
  const row = b.member.status().shards.find((each) => each.shard === shard);
  assert.equal(row?.pinned, 'b');
});

test('a shard that its host cannot hand over is taken from it when it surely serves it no more', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  const [host, other] = a.member.status().controller!.node === 'a' ? [b, a] : [a, b];
  const shard = [...host.open.keys()][0]!;
  host.mute = true;
  await request(parts.engine, moveShard(shard, other.member.self));
  await parts.clock.advance(4_500);
  refused(() => host.member.epochOf(shard));
  refused(() => other.member.epochOf(shard));
  await parts.clock.advance(1_500);
  assert.equal(other.member.epochOf(shard), other.open.get(shard));
});

test('a machine that slept serves nothing before its lease is renewed', async () => {
  const parts = cluster();
  const a = start('a', parts);
  await parts.clock.settle();
  parts.clock.sleptMs(60_000);
  refused(() => a.member.epochOf(0 as ShardId));
  await parts.clock.advance(1_500);
  assert.equal(typeof a.member.epochOf(0 as ShardId), 'number');
});

test('removal: the node gives its shards away, stops, and may not come back by itself', async () => {
  const parts = cluster();
  const removed: string[] = [];
  const a = start('a', parts);
  start('b', parts, { onRemoved: () => removed.push('b') });
  await parts.clock.advance(1_000);
  await request(parts.engine, remove('b' as NodeId));
  await parts.clock.advance(500);
  assert.deepEqual(removed, ['b']);
  assert.deepEqual(await assertHosted(parts.engine, [a]), [shardCount]);
  await assert.rejects(request(parts.engine, remove('a' as NodeId)), (error) => isMailError(error, 'inUse'));
  const again = start('b', parts, { onRemoved: () => removed.push('again') });
  await parts.clock.advance(100);
  await again.member.whenJoined();
  assert.deepEqual(removed, ['b', 'again']);
});

test('two processes of one name do not drive each other out in turn: the later one is the member', async () => {
  const parts = cluster();
  let wakeUps = 0;
  const load = () => {
    wakeUps++;
    return { openAccounts: 0, sessions: 0, commitsPerSecond: 0 };
  };
  const first = start('a', parts, { load });
  await parts.clock.advance(1_000);
  const second = start('a', parts);
  wakeUps = 0;
  await parts.clock.advance(20_000);
  assert.ok(wakeUps < 200, `${wakeUps} times awake in 20 s`);
  assert.deepEqual(await assertHosted(parts.engine, [second]), [shardCount]);
  assert.equal(first.open.size, 0);
  refused(() => first.member.epochOf(0 as ShardId));
  // When the later one stops, the earlier one is a member again.
  second.connected = false;
  await parts.clock.advance(10_000);
  assert.deepEqual([...first.open.keys()].length, shardCount);
});

test('a node without the engine finds shards by the rows that another one passes on', async () => {
  const parts = cluster();
  const nodes = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  const view = new ClusterView(shardCount);
  view.merge(nodes[0]!.member.view.entries());
  const table = new ShardTable({ self: 'c' as NodeId, clock: parts.clock, refresh: () => undefined });
  table.update(view);
  assert.equal(table.hosted, shardCount);
  for (const { member, open } of nodes) {
    for (const shard of open.keys()) assert.equal(table.placeOf(shard)?.node, member.self);
  }
});

test('whenMoved: resolves at the next place, or after its time', async () => {
  const parts = cluster();
  const [a, b] = [start('a', parts), start('b', parts)];
  await parts.clock.advance(1_000);
  const shard = [...a.open.keys()][0]!;
  const seen = b.member.placeOf(shard)!;
  let waited = false;
  const none = b.member.whenMoved(shard, seen, 300).then(() => {
    waited = true;
  });
  await parts.clock.advance(200);
  assert.equal(waited, false);
  await parts.clock.advance(200);
  await none;
  const moved = b.member.whenMoved(shard, seen, 60_000);
  await request(parts.engine, drain('a' as NodeId));
  await parts.clock.advance(200);
  await moved;
  assert.deepEqual(b.member.placeOf(shard), {
    node: 'b',
    epoch: (seen.epoch + 1) as Epoch,
    address: { host: '127.0.0.1', port: 1000 + 'b'.charCodeAt(0) },
  });
});

test('a bug in what a node does with an answer of the engine ends the process', () => {
  const script = `
    import { cluster, start } from ${JSON.stringify(new URL('testing-cluster-members.ts', import.meta.url).href)};
    const parts = cluster();
    const fail = () => { throw new Error('an assertion failed'); };
    start('a', parts, { host: { onShardOpened: fail, onShardReleasing: fail, onShardDropped: fail } });
    await parts.clock.advance(5_000);
    console.log('went on');
  `;
  const argv = ['--input-type=module', '--eval', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  assert.match(stderr, /an assertion failed/);
});
