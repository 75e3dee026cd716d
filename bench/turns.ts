// `node bench/turns.ts`: how long a server's event loop is held by everything long that it does, in processor time. docs/benchmarks.md
// Works run in order, and later ones look at the mail of earlier ones: --only takes those whose names contain one of the texts,
// and works that fill mailboxes are always run.

import { mkdirSync } from 'node:fs';
import { Command } from 'commander';
import { positiveNumber, readOptions, usageTable } from '../scripts/read-options.ts';
import { AdminClient } from '../src/operator/admin-client.ts';
import { collect } from '../src/operator/parse-option.ts';
import { directoryOption } from './options.ts';
import { layouts, parseLayout, startLayout } from './targets/layouts.ts';
import { sessionUsers } from './turns/session-works.ts';
import type { LongRun, TurnsReport } from './turns/turn-monitor.ts';
import { turnsOf, turnsUntilEnd, watchTurns } from './turns/watched-turns.ts';
import type { WorkPlace } from './turns/work.ts';
import { works } from './turns/works.ts';

const values = readOptions<{
  readonly only?: readonly string[];
  readonly scale: number;
  readonly profile?: true;
  readonly layout: string;
  readonly node?: readonly string[];
  readonly directory: string;
}>(
  new Command('node bench/turns.ts')
    .description(
      'Makes a server do everything long that it does, one work after the other, and prints for each how long the event loop was held, ' +
        'in processor time.',
    )
    .option('--only <texts>', 'works whose names contain one of these', (text) => text.split(','))
    .option('--scale <factor>', 'fewer or more messages', positiveNumber, 1)
    .option('--profile', 'also what ran in the longest turns')
    .option('--layout <name>', 'each server of a cluster', parseLayout, 'lmdb')
    .option('--node <option>', 'passed to Node, as --node=--max-old-space-size=200; may be repeated', collect)
    .addOption(directoryOption("the server's data"))
    .addHelpText('after', usageTable('Layouts (N from 1 to 9)', layouts))
    .addHelpText('after', '\nExample:\n  node bench/turns.ts --only EXPUNGE,COPY --profile --scale 0.2'),
);
const { profile = false } = values;
const accounts = [
  'heavy',
  'small',
  'large',
  ...Array.from({ length: sessionUsers }, (_, index) => `user${index}`),
];

const nameWidth = 46;
/** Long turns and long runs of each work. */
const shownMax = 6;
const columns = '    turns      p99  longest  over 20      run  over 20       GC GC total';

function row(name: string, { turns, turnCpuMs, runCpuMs, collector }: TurnsReport): string {
  const figures = [
    turns,
    turnCpuMs.p99,
    turnCpuMs.longest,
    turnCpuMs.over20,
    runCpuMs.longest,
    runCpuMs.over20,
    collector.longestMs,
    collector.totalMs,
  ];
  return `${name.padEnd(nameWidth)} ${figures.map((figure) => figure.toFixed(Number.isInteger(figure) ? 0 : 1).padStart(8)).join(' ')}  ${collector.longestKind}`;
}

function told({ cpuMs, wallMs, collectorMs, callback, ran }: LongRun): string {
  const head = `    ${cpuMs.toFixed(1)} ms (${wallMs.toFixed(1)} by the clock, ${collectorMs.toFixed(1)} collecting) ${callback}`;
  return [head, ...ran.map((name) => `        ${name}`)].join('\n');
}

function print(name: string, report: TurnsReport): void {
  process.stdout.write(`${row(name, report)}\n`);
  if (!profile) return;
  for (const { cpuMs, callbacks } of report.longTurns.slice(0, shownMax))
    process.stdout.write(`    turn of ${cpuMs.toFixed(1)} ms: ${callbacks.join(', ')}\n`);
  for (const run of report.longRuns.slice(0, shownMax)) process.stdout.write(`${told(run)}\n`);
}

mkdirSync(values.directory, { recursive: true });
const { directory, layout } = values;
const options = { accounts, layout, nodeOptions: values.node ?? [] };
const target = await startLayout(directory, options);
const admin = new AdminClient({ data: target.servers.at(-1)!.data });
const watch = async (): Promise<void> => {
  for (const server of target.servers) await watchTurns(server, { profile });
};
const place: WorkPlace = { target, admin, scale: values.scale };
try {
  process.stdout.write(`${'ms of processor time'.padEnd(nameWidth)}${columns}\n`);
  for (const { name, run, fills, ends, layouts: places } of works) {
    if (places?.test(layout) === false) continue;
    if (fills !== true && !(values.only ?? ['']).some((wanted) => name.includes(wanted))) continue;
    await run(place, watch);
    for (const [index, server] of target.servers.entries()) {
      print(index === 0 ? name : '    behind', ends === true ? turnsUntilEnd(server) : await turnsOf(server));
    }
  }
} finally {
  admin.close();
  await target.stop();
}
