// `npm run simulate`: the cluster under simulated failures, as long and as often as one likes. Without --seed and --hours
// it is what `npm test` runs a thousand times. Exit code 1 when a promise was broken; what is printed then replays it exactly.

import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { withMutation } from '../test/simulation/mutated-source.ts';
import { mutations } from '../test/simulation/mutations.ts';
import { runSeeds } from '../test/simulation/run-seeds.ts';
import type { SimulationResult } from '../test/simulation/simulation.ts';

const usage = `npm run simulate -- [options]

Runs the cluster's own code for membership, leases, assignment and planned moves with simulated clocks, network and
engine: nodes are killed, frozen, put to sleep, cut off, slowed down, drained, removed; requests and answers are lost or
late. Meanwhile mail comes in. Checked all the time: one writer a shard and epoch, no acknowledged mail lost or doubled,
UIDs and mod-sequences rise, views are exact; and once the faults stop, all shards are served, in balance, and left alone.
A run depends on its seed only. What is simulated stands in docs/cluster.md, "The simulator".

  --seed N          the seed, or the first one (0)
  --seeds COUNT     so many seeds, each 20 to 39 seconds of faults; six in a second of a processor's time
  --threads N       for --seeds (2)
  --hours H         one long world instead, H hours of simulated time,
  --nodes N           with so many nodes (24)
  --accounts N        and accounts (5000)
  --trace           what happened, line by line: simulated milliseconds, who, what
  --without WORDS   with a rule taken out, the first whose description has these words; the checks should find it
  --rules           the rules that can be taken out
  --scale           what decisions cost with 1,000 nodes and 10,000,000 accounts: time and memory

  npm run simulate -- --seeds 10000                          more than npm test
  npm run simulate -- --seed 17 --trace | grep n3            what node n3 did in seed 17
  npm run simulate -- --hours 24                             a day in one world
  npm run simulate -- --without "old epoch" --seeds 20       the fence away: how it is found
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string' },
    hours: { type: 'string' },
    nodes: { type: 'string', default: '24' },
    accounts: { type: 'string', default: '5000' },
    threads: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
    without: { type: 'string' },
    rules: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
  },
});

const numberOf = (name: string, text: string): number => {
  const number = Number(text);
  if (text !== '' && number >= 0) return number;
  console.error(`--${name} takes a number, not "${text}"; --help says more`);
  process.exit(2);
};

const seed = numberOf('seed', values.seed);
const startedAt = systemClock.monotonic();
const seconds = (): string => ((systemClock.monotonic() - startedAt) / 1000).toFixed(1);

const mutation =
  values.without === undefined ? undefined : mutations.find(({ rule }) => rule.includes(values.without!));
if (values.without !== undefined && mutation === undefined) {
  console.error(`no rule has "${values.without}" in its description; --rules lists them`);
  process.exit(2);
}

/** What runs this one again. */
function commandFor(broken: number): string {
  const { hours, nodes, accounts, without } = values;
  const long = hours === undefined ? '' : ` --hours ${hours} --nodes ${nodes} --accounts ${accounts}`;
  const mutated = without === undefined ? '' : ` --without "${without}"`;
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
  const { longSimulation, runSimulation, shortSimulation } = await (mutation === undefined
    ? load()
    : withMutation(mutation, load));
  const options =
    values.hours === undefined
      ? shortSimulation(seed)
      : longSimulation(seed, {
          hours: numberOf('hours', values.hours),
          nodes: numberOf('nodes', values.nodes),
          accounts: numberOf('accounts', values.accounts),
        });
  const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
  report(runSimulation({ ...options, ...trace }));
}

async function runMany(count: number): Promise<void> {
  const onResult = (result: SimulationResult): void => {
    if (result.violation !== undefined) report(result);
  };
  const threads = numberOf('threads', values.threads);
  const mutated = mutation === undefined ? {} : { mutation };
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
  if (values.help) console.log(usage);
  else if (values.rules) for (const { rule } of mutations) console.log(rule);
  else {
    if (values.scale) {
      const { measureScale } = await import('../test/simulation/scale.ts');
      measureScale((line) => console.log(line));
    } else if (values.seeds !== undefined) await runMany(numberOf('seeds', values.seeds));
    else await runOne();
    console.log(`${seconds()} s`);
  }
}

await simulate();
