// `npm run simulate`: the cluster under simulated failures, as long and as often as one likes. Without --seed and --hours
// it is what `npm test` runs a thousand times. Exit code 1 when a promise was broken; what is printed then replays it exactly.

import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../src/base/clock.ts';
import { withMutation } from '../test/simulation/mutated-source.ts';
import { type Mutation, mutations } from '../test/simulation/mutations.ts';
import { runSeeds } from '../test/simulation/run-seeds.ts';
import type { SimulationResult } from '../test/simulation/simulation.ts';
import { positiveNumber, readOptions, wholeNumber } from './read-options.ts';

const examples = `
Examples:
  npm run simulate -- --seeds 10000                      more than npm test
  npm run simulate -- --seed 17 --trace | grep n3        what node n3 did in seed 17
  npm run simulate -- --hours 24                         a day in one world
  npm run simulate -- --without "old epoch" --seeds 20   the fence away: how it is found`;

function ruleWith(words: string): Mutation {
  const found = mutations.find(({ rule }) => rule.includes(words));
  if (found === undefined) throw new InvalidArgumentError('no rule has these words; --rules lists them');
  return found;
}

const program = new Command('npm run simulate --')
  .description(
    `Runs the cluster's own code for membership, leases, assignment and planned moves with simulated clocks, network and engine: nodes \
are killed, frozen, put to sleep, cut off, slowed down, drained, removed; requests and answers are lost or late. Meanwhile mail comes \
in. Checked all the time: one writer a shard and epoch, no acknowledged mail lost or doubled, UIDs and mod-sequences rise, views are \
exact; and once the faults stop, all shards are served, in balance, and left alone. A run depends on its seed only. What is simulated \
stands in docs/cluster.md, "The simulator".`,
  )
  .option('--seed <n>', 'the seed, or the first one', wholeNumber(0), 0)
  .option(
    '--seeds <count>',
    'so many seeds, each 20 to 39 seconds of faults; six in a second of a processor',
    wholeNumber(1),
  )
  .option('--threads <n>', 'for --seeds', wholeNumber(1), 2)
  .option('--hours <n>', 'one long world instead, so many hours of simulated time', positiveNumber)
  .option('--nodes <n>', 'for --hours', wholeNumber(1), 24)
  .option('--accounts <n>', 'for --hours', wholeNumber(1), 5000)
  .option('--trace', 'what happened, line by line: simulated milliseconds, who, what')
  .option(
    '--without <words>',
    'with a rule taken out, the first whose description has these words; the checks should find it',
    ruleWith,
  )
  .option('--rules', 'print the rules that can be taken out')
  .option('--scale', 'what decisions cost with 1,000 nodes and 10,000,000 accounts: time and memory')
  .addHelpText('after', examples);

const options = readOptions<{
  readonly seed: number;
  readonly seeds?: number;
  readonly threads: number;
  readonly hours?: number;
  readonly nodes: number;
  readonly accounts: number;
  readonly trace?: true;
  readonly without?: Mutation;
  readonly rules?: true;
  readonly scale?: true;
}>(program);
const { seed, without } = options;
const startedAt = systemClock.monotonic();
const seconds = (): string => ((systemClock.monotonic() - startedAt) / 1000).toFixed(1);

/** What runs this one again. */
function commandFor(broken: number): string {
  const { hours, nodes, accounts } = options;
  const long = hours === undefined ? '' : ` --hours ${hours} --nodes ${nodes} --accounts ${accounts}`;
  const mutated = without === undefined ? '' : ` --without "${without.rule}"`;
  return `npm run simulate -- --seed ${broken}${long}${mutated} --trace`;
}

function report(result: SimulationResult): void {
  const { violation, events, commits, acknowledged, nodes, hostedAfterMs, balancedAfterMs } = result;
  if (violation !== undefined) {
    console.log(`seed ${result.seed} breaks a promise: ${violation}`);
    console.log(`  to see it: ${commandFor(result.seed)}`);
    process.exitCode = 1;
    return;
  }
  console.log(
    `seed ${result.seed}: ${nodes} nodes, ${events} events, ${commits} commits, ${acknowledged} acknowledged, ` +
      `0 lost, 0 doubled; all shards served ${hostedAfterMs} ms after the faults, in balance after ${balancedAfterMs} ms`,
  );
}

async function runOne(): Promise<void> {
  const load = () => import('../test/simulation/simulation.ts');
  const { longSimulation, runSimulation, shortSimulation } = await (without === undefined
    ? load()
    : withMutation(without, load));
  const { hours, nodes, accounts } = options;
  const world =
    hours === undefined ? shortSimulation(seed) : longSimulation(seed, { hours, nodes, accounts });
  const trace = options.trace ? { trace: (line: string) => console.log(line) } : {};
  report(runSimulation({ ...world, ...trace }));
}

async function runMany(count: number): Promise<void> {
  const onResult = (result: SimulationResult): void => {
    if (result.violation !== undefined) report(result);
  };
  const { threads } = options;
  const mutated = without === undefined ? {} : { mutation: without };
  const results = await runSeeds({ first: seed, count, threads, onResult, ...mutated });
  const broken = results.filter(({ violation }) => violation !== undefined).length;
  const acknowledged = results.reduce((sum, result) => sum + result.acknowledged, 0);
  const hostedAfterMs = Math.max(...results.map((result) => result.hostedAfterMs));
  const balancedAfterMs = Math.max(...results.map((result) => result.balancedAfterMs));
  console.log(
    `seeds ${seed} to ${seed + count - 1}: ${broken} broken, ${acknowledged} acknowledged deliveries; all shards ` +
      `served at most ${hostedAfterMs} ms after the faults, in balance at most ${balancedAfterMs} ms after them`,
  );
}

async function simulate(): Promise<void> {
  if (options.rules) for (const { rule } of mutations) console.log(rule);
  else {
    if (options.scale) {
      const { measureScale } = await import('../test/simulation/scale.ts');
      measureScale((line) => console.log(line));
    } else if (options.seeds !== undefined) await runMany(options.seeds);
    else await runOne();
    console.log(`${seconds()} s`);
  }
}

await simulate();
