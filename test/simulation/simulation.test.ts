// The cluster under simulated failures. SIMULATION_SEEDS says how many seeds (200 without it), SIMULATION_FIRST where
// they begin. `npm run simulate -- --seed N --trace` shows what happened in one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planMoves } from '../../src/cluster/membership/assignment.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { findViolation, runSeeds } from './run-seeds.ts';
import { runSimulation, shortSimulation } from './simulation.ts';
import type { Mutations } from './world.ts';

const count = Number(process.env.SIMULATION_SEEDS ?? 200);
const first = Number(process.env.SIMULATION_FIRST ?? 0);
const threads = 2;

test(`seeds ${first} to ${first + count - 1}: every promise is kept`, async (context) => {
  const results = await runSeeds({ first, count, threads });
  assert.equal(results.length, count);
  const broken = results.filter(({ violation }) => violation !== undefined);
  assert.deepEqual(
    broken.map(({ seed, violation }) => `npm run simulate -- --seed ${seed}: ${violation}`),
    [],
  );
  const total = (figure: (result: (typeof results)[number]) => number): number =>
    results.reduce((sum, result) => sum + figure(result), 0);
  const acknowledged = total((result) => result.acknowledged);
  assert.ok(acknowledged > 100 * count, `${acknowledged} acknowledged deliveries prove little`);
  const hostedAfterMs = Math.max(...results.map((result) => result.hostedAfterMs));
  context.diagnostic(
    `${total((result) => result.events)} events, ${acknowledged} acknowledged deliveries, 0 lost, 0 doubled; ` +
      `all shards served at most ${hostedAfterMs} ms after the faults ended`,
  );
});

test('a seed replays exactly', () => {
  for (const seed of [first, first + 1, first + 2]) {
    assert.deepEqual(runSimulation(shortSimulation(seed)), runSimulation(shortSimulation(seed)));
  }
  assert.notEqual(runSimulation(shortSimulation(1)).digest, runSimulation(shortSimulation(2)).digest);
});

/** What is switched off, the words in which the checks say so, and within how many seeds. */
const mutations: readonly (readonly [keyof Mutations, RegExp, number])[] = [
  ['fenceCheck', /committed under epoch|mod-sequence|given again|two writers/, 200],
  ['selfFencing', /is served by .* and by/, 20],
  ['deathWait', /is served by .* and by/, 20],
  ['resolvedCommits', /mod-sequence|given again|stored twice|lost/, 50],
];

for (const [mutation, words, seeds] of mutations) {
  test(`a test of the test: without ${mutation} a promise is broken`, (context) => {
    const found = findViolation(mutation, { first: 0, count: seeds });
    assert.match(found?.violation ?? 'nothing was found', words);
    context.diagnostic(`seed ${found!.seed}: ${found!.violation}`);
  });
}

test('a thousand nodes: shards are even by weight, and the loss of a node moves its shards alone', () => {
  const nodes = Array.from({ length: 1_000 }, (_, at) => ({ node: `n${at}` as NodeId, weight: 1 }));
  const shards = Array.from({ length: 65_536 }, () => ({ node: undefined as NodeId | undefined }));
  for (const { shard, to } of planMoves(nodes, shards)) shards[shard] = { node: to };
  const counts = new Map<NodeId | undefined, number>();
  for (const { node } of shards) counts.set(node, (counts.get(node) ?? 0) + 1);
  assert.deepEqual([...new Set(counts.values())].sort(), [65, 66]);
  const moves = planMoves(nodes.slice(1), shards);
  assert.ok(moves.every(({ from }) => from === 'n0'));
  assert.equal(moves.length, counts.get('n0' as NodeId));
});
