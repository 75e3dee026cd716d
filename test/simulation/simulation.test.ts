// The cluster under simulated failures. SIMULATION_SEEDS says how many seeds (1,000 without it), SIMULATION_FIRST where
// they begin. `npm run simulate -- --help` says how to look into one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planMoves } from '../../src/cluster/membership/assignment.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import { mutations } from './mutations.ts';
import { findViolation, runSeeds } from './run-seeds.ts';
import { runQuietHour, runSimulation, shortSimulation } from './simulation.ts';

const count = Number(process.env.SIMULATION_SEEDS ?? 1_000);
const first = Number(process.env.SIMULATION_FIRST ?? 0);
/** In one test: ten seconds of two cores, far from its time limit on a busy machine, too. */
const seedsPerTest = 100;
const threads = 2;
/** Within so many a rule that was taken out is found; most in a handful. */
const findSeeds = 200;

for (let from = first; from < first + count; from += seedsPerTest) {
  const seeds = Math.min(seedsPerTest, first + count - from);
  test(`seeds ${from} to ${from + seeds - 1}: every promise is kept`, async (context) => {
    const results = await runSeeds({ first: from, count: seeds, threads });
    assert.deepEqual(
      results.map(({ seed }) => seed),
      Array.from({ length: seeds }, (_, at) => from + at),
    );
    const broken = results.filter(({ violation }) => violation !== undefined);
    assert.deepEqual(
      broken.map(
        ({ seed, violation }) => `${violation}; to see it: npm run simulate -- --seed ${seed} --trace`,
      ),
      [],
    );
    const total = (figure: (result: (typeof results)[number]) => number): number =>
      results.reduce((sum, result) => sum + figure(result), 0);
    const acknowledged = total((result) => result.acknowledged);
    assert.ok(acknowledged > 100 * seeds, `${acknowledged} acknowledged deliveries prove little`);
    const hostedAfterMs = Math.max(...results.map((result) => result.hostedAfterMs));
    const balancedAfterMs = Math.max(...results.map((result) => result.balancedAfterMs));
    context.diagnostic(
      `${seeds} seeds, ${total((result) => result.events)} events, ${acknowledged} acknowledged deliveries, 0 lost, ` +
        `0 doubled; all shards served at most ${hostedAfterMs} ms after the faults ended, in balance ${balancedAfterMs} ms`,
    );
  });
}

test('a seed replays exactly', () => {
  for (const seed of [first, first + 1, first + 2]) {
    assert.deepEqual(runSimulation(shortSimulation(seed)), runSimulation(shortSimulation(seed)));
  }
  assert.notEqual(runSimulation(shortSimulation(1)).digest, runSimulation(shortSimulation(2)).digest);
});

for (const mutation of mutations) {
  test(`a test of the test: it is found when this does not hold: ${mutation.rule}`, async (context) => {
    const found = await findViolation(mutation, { first: 0, count: findSeeds });
    assert.match(found?.violation ?? `nothing was found in ${findSeeds} seeds`, mutation.found);
    context.diagnostic(`seed ${found!.seed}: ${found!.violation}`);
  });
}

test('an hour without faults: shards follow new accounts, a few for each, and stay where they are otherwise', (context) => {
  for (const [seed, nodes, accounts] of [
    [0, 3, 3],
    [1, 4, 40],
    [2, 7, 10],
    [3, 3, 150],
  ] as const) {
    const options = { ...shortSimulation(seed), nodes, accounts };
    const moves = runQuietHour(options, 30);
    context.diagnostic(`${nodes} nodes, ${accounts} accounts and 30 more: ${moves} shards moved`);
  }
});

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
