import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { type AssignableNode, type PlacedShard, planMoves, planPlacement } from './assignment.ts';

const name = (text: string): NodeId => text as NodeId;
const nodes = (weights: Record<string, number>): AssignableNode[] =>
  Object.entries(weights).map(([node, weight]) => ({ node: name(node), weight }));
const nowhere = (count: number): PlacedShard[] => Array.from({ length: count }, () => ({ node: undefined }));

function carryOut(shards: readonly PlacedShard[], moves: ReturnType<typeof planMoves>): PlacedShard[] {
  const placed = shards.map((shard) => ({ ...shard }));
  for (const { shard, to } of moves) placed[shard] = { ...placed[shard], node: to };
  return placed;
}

function counts(shards: readonly PlacedShard[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { node } of shards) found[node ?? 'nowhere'] = (found[node ?? 'nowhere'] ?? 0) + 1;
  return found;
}

test('shards without a home are spread by weight', () => {
  const placed = carryOut(nowhere(256), planMoves(nodes({ a: 1, b: 1, c: 2 }), nowhere(256)));
  assert.deepEqual(counts(placed), { a: 64, b: 64, c: 128 });
});

test('a node that joins gets its share, and nothing else moves', () => {
  const before = carryOut(nowhere(256), planMoves(nodes({ a: 1, b: 1 }), nowhere(256)));
  const moves = planMoves(nodes({ a: 1, b: 1, c: 1 }), before);
  assert.equal(moves.length, 85);
  assert.ok(moves.every(({ to }) => to === 'c'));
  assert.deepEqual(counts(carryOut(before, moves)), { a: 85, b: 86, c: 85 });
});

test('a draining node gives everything away, and a lone one that drains keeps what nobody can take', () => {
  const before = carryOut(nowhere(9), planMoves(nodes({ a: 1, b: 1, c: 1 }), nowhere(9)));
  const moves = planMoves(nodes({ a: 1, b: 0, c: 1 }), before);
  assert.ok(moves.every(({ from }) => from === 'b'));
  assert.deepEqual(counts(carryOut(before, moves)), { a: 5, c: 4 });
  assert.deepEqual(planMoves(nodes({ b: 0 }), before), []);
});

test('a pinned shard stays with its node, and comes back to it', () => {
  const shards: PlacedShard[] = nowhere(10).map((_, at) => ({
    node: name('b'),
    pinned: at < 9 ? name('a') : undefined,
  }));
  const placed = carryOut(shards, planMoves(nodes({ a: 1, b: 1 }), shards));
  assert.deepEqual(counts(placed), { a: 9, b: 1 });
  assert.deepEqual(planMoves(nodes({ a: 1, b: 1 }), placed), []);
});

test('heavy shards are spread by their load, and small differences stay', () => {
  const loads = [100, 100, 1, 1, 1, 1, 1, 1];
  const shards: PlacedShard[] = loads.map(() => ({ node: name('a') }));
  const placed = carryOut(shards, planMoves(nodes({ a: 1, b: 1 }), shards, loads));
  const loadOf = (node: string) =>
    placed.reduce((sum, shard, at) => sum + (shard.node === node ? loads[at]! : 0), 0);
  assert.ok(Math.abs(loadOf('a') - loadOf('b')) <= 6, `${loadOf('a')} beside ${loadOf('b')}`);
  assert.deepEqual(planMoves(nodes({ a: 1, b: 1 }), placed, loads), []);
});

test('whatever changes: a plan that was carried out leaves nothing to do, and loads are even by weight', () => {
  const random = seededRandom(7);
  let shards = nowhere(64);
  for (let round = 0; round < 300; round++) {
    const list = Array.from({ length: 1 + random.integer(8) }, (_, at) => ({
      node: name(`n${at}`),
      weight: random.integer(4),
    }));
    const moves = planMoves(list, shards);
    assert.deepEqual(moves, planMoves([...list].reverse(), shards));
    shards = carryOut(shards, moves);
    assert.deepEqual(planMoves(list, shards), []);
    const able = list.filter(({ weight }) => weight > 0);
    const found = counts(shards);
    for (const one of able)
      for (const other of able)
        assert.ok((found[one.node] ?? 0) / one.weight <= ((found[other.node] ?? 0) + 1) / other.weight);
  }
});

/** Accounts on each node. */
function accountsOn(shards: readonly PlacedShard[], occupancy: Uint32Array): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [shard, { node }] of shards.entries())
    found[node!] = (found[node!] ?? 0) + (occupancy[shard] ?? 0);
  return found;
}

test('few accounts are spread by number: no node is left without one, and the shards are as even as before', () => {
  const random = seededRandom(11);
  let shards = carryOut(nowhere(256), planMoves(nodes({ a: 1, b: 1, c: 1 }), nowhere(256)));
  for (let round = 0; round < 300; round++) {
    const occupancy = new Uint32Array(256);
    // As many accounts as nodes at the least, all in shards of their own or with few others.
    const accounts = 10 + random.integer(60);
    for (let account = 0; account < accounts; account++) occupancy[random.integer(256)]!++;
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, 2 + random.integer(5));
    const list = names.map((node) => ({ node: name(node), weight: 100 }));
    const moves = planPlacement(list, shards, occupancy);
    assert.deepEqual(moves, planPlacement([...list].reverse(), shards, occupancy));
    shards = carryOut(shards, moves);
    assert.deepEqual(planPlacement(list, shards, occupancy), [], 'a plan that was carried out leaves work');
    const found = accountsOn(shards, occupancy);
    const fullest = Math.max(...occupancy);
    for (const node of names) {
      const share = accounts / names.length;
      const least = Math.floor(0.9 * share) - fullest;
      assert.ok((found[node] ?? 0) > Math.max(0, least), `${node} has ${found[node]} of ${accounts}`);
      assert.ok(found[node]! <= share / 0.9 + fullest, `${node} has ${found[node]} of ${accounts}`);
    }
    const numbers = names.map((node) => counts(shards)[node] ?? 0);
    assert.ok(Math.max(...numbers) - Math.min(...numbers) <= 1, `shards ${numbers}`);
  }
});

test('an account more moves at most a shard or two, and none when it makes little difference', () => {
  const random = seededRandom(12);
  const list = nodes({ a: 1, b: 1, c: 1, d: 1 });
  let shards = carryOut(nowhere(256), planMoves(list, nowhere(256)));
  const occupancy = new Uint32Array(256);
  let moved = 0;
  for (let account = 1; account <= 1024; account++) {
    occupancy[random.integer(256)]!++;
    const moves = planPlacement(list, shards, occupancy);
    assert.ok(moves.length <= 4, `${moves.length} shards move for account ${account}`);
    moved += moves.length;
    shards = carryOut(shards, moves);
  }
  assert.ok(moved < 150, `${moved} shards moved while 1024 accounts were made`);
});

test('weights and pins hold for few accounts as for many', () => {
  const occupancy = new Uint32Array(256).fill(1, 0, 12);
  const shards: PlacedShard[] = nowhere(256).map((_, shard) => ({
    node: name('b'),
    pinned: shard < 2 ? name('b') : undefined,
  }));
  const placed = carryOut(shards, planPlacement(nodes({ a: 2, b: 1 }), shards, occupancy));
  assert.deepEqual(accountsOn(placed, occupancy), { a: 8, b: 4 });
  assert.deepEqual([placed[0]!.node, placed[1]!.node], ['b', 'b']);
  assert.deepEqual(planPlacement(nodes({ a: 0 }), placed, occupancy), []);
});

test('until accounts are counted nothing moves for balance; what has no home gets one', () => {
  const shards: PlacedShard[] = nowhere(6).map((_, shard) => ({
    node: shard < 4 ? name('a') : shard === 4 ? name('gone') : undefined,
    pinned: shard === 0 ? name('b') : undefined,
  }));
  const moves = planPlacement(nodes({ a: 1, b: 1 }), shards, 'unknown');
  assert.deepEqual(
    moves.map(({ shard, to }) => `${shard} ${to}`),
    ['0 b', '4 b', '5 b'],
  );
  const many = planPlacement(nodes({ a: 1, b: 1 }), shards, 'many');
  assert.deepEqual(counts(carryOut(shards, many)), { a: 3, b: 3 });
});

test('the hash alone bounds the skew of large domains, whatever nodes there are', () => {
  const random = seededRandom(13);
  for (const size of [2, 3, 5, 8, 16]) {
    const list = Array.from({ length: size }, (_, at) => ({ node: name(`n${at}`), weight: 100 }));
    const placed = carryOut(nowhere(256), planMoves(list, nowhere(256)));
    for (let domain = 0; domain < 5; domain++) {
      const occupancy = new Uint32Array(256);
      for (let account = 0; account < 20_000; account++) occupancy[random.integer(256)]!++;
      const found = Object.values(accountsOn(placed, occupancy));
      // Shards divide unevenly by one at the most; the rest is chance: five standard deviations.
      const [most, share] = [Math.ceil(256 / size) * (20_000 / 256), 20_000 / size];
      assert.ok(Math.max(...found) <= most + 5 * Math.sqrt(share), `${found} on ${size} nodes`);
    }
  }
});
