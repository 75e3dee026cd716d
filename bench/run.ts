// `npm run bench`, docs/benchmarks.md
// Runs each workload against Rookery and, with --vs, against its peers, one after the other in the same run on the same disk,
// and prints figures and ratios. A ratio above 1 is better than the better of the peers. These machines are noisy: compare
// ratios, not single figures.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { provide } from '../scripts/debian-packages.ts';
import { frontendPackages, type TestPackage, testPackages } from '../test/packages.ts';
import { type MeasuredServer, measure } from './measure.ts';
import { allWorkloads, type BenchOptions, readBenchOptions } from './options.ts';
import { formatReport, type Measured } from './report.ts';
import { idleUsers, users } from './target.ts';
import { startDovecot } from './targets/dovecot.ts';
import { type FrontendKind, withFrontend } from './targets/frontends.ts';
import { startLayout } from './targets/layouts.ts';
import { withPostfix } from './targets/postfix.ts';

/** What is measured against whom; the layouts and workloads that make sense when none are given. */
interface Peers {
  readonly layout: string;
  readonly workloads: readonly string[];
  readonly packages: readonly TestPackage[];
  readonly servers: readonly MeasuredServer[];
}

const { vs, scale, directory, prof, json, ...chosen } = readBenchOptions();
const nodeOptions = prof ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : [];
const peers = peersNamed(vs);
const workloads = chosen.only ?? peers.workloads;
const layouts = chosen.layout ?? [peers.layout];
const accounts = workloads.some((workload) => workload.startsWith('imap-idle'))
  ? [...users, ...idleUsers]
  : users;

function peersNamed(name: BenchOptions['vs']): Peers {
  const dovecot = testPackages.filter((one) => /^(?:dovecot|postfix)/.test(one.name));
  const none = { layout: 'lmdb', workloads: allWorkloads, packages: [], servers: [] };
  if (name === undefined) return none;
  if (name === 'dovecot') {
    const sdbox = async () => withPostfix(directory, await startDovecot(directory, 'sdbox'));
    const servers = [
      { name: 'postfix + dovecot sdbox', start: sdbox },
      { name: 'dovecot maildir', start: () => startDovecot(directory, 'maildir') },
    ];
    return { ...none, packages: dovecot, servers };
  }
  const kinds: FrontendKind[] = ['nginx', 'perdition', 'dovecot proxy'];
  return {
    layout: 'frontend',
    workloads: ['imap-login', 'imap-fetch', 'imap-idle'],
    packages: [...dovecot, ...frontendPackages],
    servers: kinds.map((kind) => ({
      name: kind,
      start: async () => withFrontend(directory, kind, await startDovecot(directory, 'sdbox')),
    })),
  };
}

function ours(layout: string): MeasuredServer {
  const options = { layout, accounts, nodeOptions };
  return { name: `rookery ${layout}`, start: () => startLayout(directory, options) };
}

if (!provide(peers.packages)) process.exit(1);
mkdirSync(directory, { recursive: true });
const file = json ?? join(directory, 'latest.json');
const measured: Measured[] = [];
for (const server of [...layouts.map(ours), ...peers.servers]) {
  measured.push(await measure(server, { workloads, scale }));
  // After each, so that a run that is broken off has given what it had.
  writeFileSync(file, `${JSON.stringify({ scale, measured }, null, 2)}\n`);
}
process.stdout.write(`${formatReport(measured)}\nas JSON: ${file}\n`);
if (measured.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
