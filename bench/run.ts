// `npm run bench [-- --vs dovecot] [--layout lmdb,workers-2,postgres-1,postgres-3,frontend] [--only lmtp,imap-login] [--scale 0.1]
// [--json FILE] [--directory DIR]`
// Runs each workload against Rookery and, with --vs, against its peers, one after the other in the same run on the same disk,
// and prints figures and ratios. A ratio above 1 is better than the better of the peers. These machines are noisy: compare
// ratios, not single figures.

import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPackages, missingPackages, whyNotInstallable } from '../scripts/debian-packages.ts';
import { testPackages } from '../test/packages.ts';
import type { GeneratorAnswer, GeneratorRequest } from './generator.ts';
import { formatReport, type Measured } from './report.ts';
import type { BenchTarget, TargetPlace } from './target.ts';
import { startDovecot } from './targets/dovecot.ts';
import { withPostfix } from './targets/postfix.ts';
import { residentBytes } from './targets/processes.ts';
import { type RookeryTarget, startRookery } from './targets/rookery.ts';
import { startCluster } from './targets/rookery-cluster.ts';
import type { Figure } from './workloads/workload.ts';

const allWorkloads = [
  'lmtp',
  'smtp',
  'imap-login',
  'imap-append',
  'imap-fetch',
  'imap-search',
  'imap-store',
  'imap-select',
  'imap-large',
  'fairness',
  'imap-idle',
  'pop3',
];
const idleSessions = 5000;

const { values } = parseArgs({
  options: {
    vs: { type: 'string' },
    layout: { type: 'string', default: 'lmdb' },
    only: { type: 'string' },
    scale: { type: 'string', default: '1' },
    json: { type: 'string' },
    directory: { type: 'string', default: fileURLToPath(new URL('./results', import.meta.url)) },
    prof: { type: 'boolean', default: false },
  },
});
const scale = Number(values.scale);
const directory = values.directory;
const only = values.only?.split(',') ?? allWorkloads;

class Generator {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('./generator.ts', import.meta.url)));

  ask(request: GeneratorRequest): Promise<readonly Figure[]> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (answer: GeneratorAnswer) => {
        if ('error' in answer) reject(new Error(answer.error));
        else resolve(answer.figures);
      });
      this.#child.send(request);
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

function placeOf({ name, ports, domain, password }: BenchTarget): TargetPlace {
  return { name, ports, domain, password };
}

/** Idle sessions are counted against a peer only in a small number: it has a process for each. */
async function idle(target: BenchTarget, generator: Generator): Promise<Figure[]> {
  const count = Math.ceil((target.name.startsWith('rookery') ? idleSessions : 300) * scale);
  const place = placeOf(target);
  await generator.ask({ type: 'notify', target: place, rounds: Math.ceil(100 * scale) });
  await generator.ask({ type: 'openIdle', target: place, count: Math.ceil(count / 10) });
  const before = residentBytes(await target.pids());
  await generator.ask({ type: 'openIdle', target: place, count });
  const growth = residentBytes(await target.pids()) - before;
  const notified = await generator.ask({ type: 'notify', target: place, rounds: Math.ceil(200 * scale) });
  return [
    { name: 'imap idle session, memory', value: growth / count / 1024, unit: 'KB', better: 'lower' },
    ...notified,
  ];
}

/** The first SELECT finds a server that has just started. */
async function select(target: BenchTarget, generator: Generator): Promise<readonly Figure[]> {
  const place = placeOf(target);
  await generator.ask({ type: 'fillForSelect', target: place, scale });
  await target.restart();
  return await generator.ask({ type: 'run', workload: 'imap-select', target: place, scale });
}

async function eventLoopDelay(target: BenchTarget): Promise<Figure[]> {
  if (!target.name.startsWith('rookery')) return [];
  const text = await (await fetch(`http://127.0.0.1:${(target as RookeryTarget).adminPort}/metrics`)).text();
  // Of several workers the slowest counts.
  const read = (kind: string): number => {
    const series = new RegExp(`^rookery_event_loop_delay_${kind}_seconds(?:\\{.*\\})? (\\S+)`, 'gm');
    return Math.max(...Array.from(text.matchAll(series), ([, value]) => Number(value)));
  };
  return ['p99', 'max'].map((kind) => ({
    name: `event-loop delay ${kind} since the last workload`,
    value: read(kind) * 1000,
    unit: 'ms',
    better: 'lower' as const,
  }));
}

async function measure(target: BenchTarget, workloads: readonly string[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const workload of workloads) {
    const generator = new Generator();
    try {
      await eventLoopDelay(target); // reading resets it
      const special = { 'imap-idle': idle, 'imap-select': select }[workload];
      const found =
        special === undefined
          ? await generator.ask({ type: 'run', workload, target: placeOf(target), scale })
          : await special(target, generator);
      const all = [
        ...found,
        ...(workload === 'fairness' || workload === 'imap-idle' ? await eventLoopDelay(target) : []),
      ];
      for (const figure of all)
        process.stderr.write(
          `${target.name.padEnd(24)} ${figure.name.padEnd(60)} ${figure.value.toFixed(1)} ${figure.unit}\n`,
        );
      figures.push(...all);
    } finally {
      generator.end();
    }
  }
  return figures;
}

/** Memory is measured on a server that has done nothing else: what other workloads left would hide the growth. */
async function measureAndStop(open: () => Promise<BenchTarget>): Promise<Measured> {
  const figures: Figure[] = [];
  let name = '';
  for (const workloads of [
    only.filter((one) => one !== 'imap-idle'),
    only.filter((one) => one === 'imap-idle'),
  ]) {
    if (workloads.length === 0) continue;
    const target = await open();
    name = target.name;
    try {
      figures.push(...(await measure(target, workloads)));
    } finally {
      await target.stop();
    }
  }
  return { target: name, figures };
}

/** Installs the peers when it can, else says what is missing. */
function ensurePeers(): void {
  const missing = missingPackages(testPackages.filter(({ name }) => /^(?:dovecot|postfix)/.test(name)));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(' ');
  const why = whyNotInstallable();
  if (why !== null) throw new Error(`${names} not found, and ${why}: apt-get install ${names}`);
  if (!installPackages(missing)) throw new Error(`could not install ${names}`);
}

if (values.vs !== undefined) ensurePeers();
mkdirSync(directory, { recursive: true });
const measured: Measured[] = [];
const nodeOptions = values.prof ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : [];
function startLayout(layout: string): Promise<BenchTarget> {
  const workers = /^workers-([1-9])$/.exec(layout)?.[1];
  if (workers !== undefined)
    return startRookery(directory, {
      nodeOptions,
      name: `rookery ${layout}`,
      settings: [`workers=${workers}`],
    });
  return layout === 'lmdb' ? startRookery(directory, { nodeOptions }) : startCluster(directory, layout);
}

for (const layout of values.layout.split(',')) measured.push(await measureAndStop(() => startLayout(layout)));
if (values.vs === 'dovecot') {
  measured.push(
    await measureAndStop(async () => withPostfix(directory, await startDovecot(directory, 'sdbox'))),
  );
  measured.push(await measureAndStop(() => startDovecot(directory, 'maildir')));
} else if (values.vs !== undefined) {
  throw new Error(`--vs ${values.vs}: there is only "dovecot"`);
}
const file = values.json ?? join(directory, 'latest.json');
writeFileSync(file, `${JSON.stringify({ scale, measured }, null, 2)}\n`);
process.stdout.write(`${formatReport(measured)}\nas JSON: ${file}\n`);
