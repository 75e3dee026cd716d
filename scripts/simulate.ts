// `npm run simulate`: the cluster under simulated failures, as long and as often as one likes.
//   --seed N               the short form of one seed (the default is seed 0)
//   --seed N --hours H     hours of simulated time in one world, with --nodes and --accounts
//   --seed N --seeds COUNT the short form of COUNT seeds, on --threads threads
//   --trace                everything that happened, line by line
//   --scale                what assignment and location cost with 1,000 nodes and 10,000,000 accounts
// Exit code 1 when a promise was broken; what is printed then replays it exactly.

import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.ts';
import { runSeeds } from '../test/simulation/run-seeds.ts';
import { measureScale } from '../test/simulation/scale.ts';
import {
  longSimulation,
  runSimulation,
  type SimulationResult,
  shortSimulation,
} from '../test/simulation/simulation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string' },
    hours: { type: 'string' },
    nodes: { type: 'string', default: '24' },
    accounts: { type: 'string', default: '5000' },
    threads: { type: 'string', default: '2' },
    trace: { type: 'boolean', default: false },
    scale: { type: 'boolean', default: false },
  },
});

const seed = Number(values.seed);
const startedAt = systemClock.monotonic();
const seconds = (): string => ((systemClock.monotonic() - startedAt) / 1000).toFixed(1);

/** What runs this one again. */
function commandFor(broken: number): string {
  const { hours, nodes, accounts } = values;
  const long = hours === undefined ? '' : ` --hours ${hours} --nodes ${nodes} --accounts ${accounts}`;
  return `npm run simulate -- --seed ${broken}${long} --trace`;
}

function report(result: SimulationResult): void {
  const { violation, events, commits, acknowledged, nodes, hostedAfterMs } = result;
  if (violation !== undefined) {
    console.log(`seed ${result.seed} breaks a promise: ${violation}`);
    console.log(`  again: ${commandFor(result.seed)}`);
    process.exitCode = 1;
    return;
  }
  console.log(
    `seed ${result.seed}: ${nodes} nodes, ${events} events, ${commits} commits, ${acknowledged} acknowledged, ` +
      `0 lost, 0 doubled; all shards served ${hostedAfterMs} ms after the faults`,
  );
}

function runOne(): void {
  const options =
    values.hours === undefined
      ? shortSimulation(seed)
      : longSimulation(seed, {
          hours: Number(values.hours),
          nodes: Number(values.nodes),
          accounts: Number(values.accounts),
        });
  const trace = values.trace ? { trace: (line: string) => console.log(line) } : {};
  report(runSimulation({ ...options, ...trace }));
}

async function runMany(count: number): Promise<void> {
  const onResult = (result: SimulationResult): void => {
    if (result.violation !== undefined) report(result);
  };
  const results = await runSeeds({ first: seed, count, threads: Number(values.threads), onResult });
  const broken = results.filter(({ violation }) => violation !== undefined).length;
  const acknowledged = results.reduce((sum, result) => sum + result.acknowledged, 0);
  const hostedAfterMs = Math.max(...results.map((result) => result.hostedAfterMs));
  console.log(
    `seeds ${seed} to ${seed + count - 1}: ${broken} broken, ${acknowledged} acknowledged deliveries; ` +
      `all shards served at most ${hostedAfterMs} ms after the faults`,
  );
}

if (values.scale) measureScale((line) => console.log(line));
else if (values.seeds !== undefined) await runMany(Number(values.seeds));
else runOne();
console.log(`${seconds()} s`);
