import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { type AssignableNode, type PlacedShard, planMoves } from './assignment.ts';

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
