// `node bench/turns.ts [--only TEXT,TEXT] [--scale 0.1] [--profile] [--layout lmdb] [--node=OPTION] [--directory DIR]`: how long
// a server's event loop is held by everything long that it does, in processor time. docs/benchmarks.md
// Works run in order, and later ones look at the mail of earlier ones: --only takes those whose names contain one of the texts,
// and works that fill mailboxes are always run.

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AdminClient } from '../src/operator/admin-client.ts';
import { startRookery } from './targets/rookery.ts';
import { startCluster } from './targets/rookery-cluster.ts';
import { sessionUsers } from './turns/session-works.ts';
import type { LongRun, TurnsReport } from './turns/turn-monitor.ts';
import { turnsOf, watchTurns } from './turns/watched-turns.ts';
import type { WorkPlace } from './turns/work.ts';
import { works } from './turns/works.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    scale: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
    layout: { type: 'string', default: 'lmdb' },
    node: { type: 'string', multiple: true, default: [] },
    directory: { type: 'string', default: fileURLToPath(new URL('./results', import.meta.url)) },
  },
});
const { profile } = values;
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
const options = { accounts, layout, nodeOptions: values.node };
const target = await (layout === 'lmdb'
  ? startRookery(directory, options)
  : startCluster(directory, options));
const admin = new AdminClient({ data: target.servers.at(-1)!.data });
const watch = async (): Promise<void> => {
  for (const server of target.servers) await watchTurns(server, { profile });
};
const place: WorkPlace = { target, admin, scale: Number(values.scale) };
try {
  process.stdout.write(`${'ms of processor time'.padEnd(nameWidth)}${columns}\n`);
  for (const { name, run, fills } of works) {
    if (fills !== true && !values.only.split(',').some((wanted) => name.includes(wanted))) continue;
    await run(place, watch);
    for (const [index, server] of target.servers.entries()) {
      print(index === 0 ? name : '    behind', await turnsOf(server));
    }
  }
} finally {
  admin.close();
  await target.stop();
}
