// `npm run bench [-- --vs dovecot|frontends] [--layout lmdb,workers-2,postgres-1,postgres-3,frontend,frontend-outer]
// [--only lmtp,imap-login] [--scale 0.1] [--json FILE] [--directory DIR]`, docs/benchmarks.md
// Runs each workload against Rookery and, with --vs, against its peers, one after the other in the same run on the same disk,
// and prints figures and ratios. A ratio above 1 is better than the better of the peers. These machines are noisy: compare
// ratios, not single figures.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPackages, missingPackages, whyNotInstallable } from '../scripts/debian-packages.ts';
import { frontendPackages, type TestPackage, testPackages } from '../test/packages.ts';
import { type MeasuredServer, measure } from './measure.ts';
import { formatReport, type Measured } from './report.ts';
import { idleUsers, users } from './target.ts';
import { startDovecot } from './targets/dovecot.ts';
import { type FrontendKind, withFrontend } from './targets/frontends.ts';
import { withPostfix } from './targets/postfix.ts';
import { startRookery } from './targets/rookery.ts';
import { startCluster } from './targets/rookery-cluster.ts';

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
  'imap-idle-tls',
  'pop3',
];

const layoutPattern = /^(?:lmdb|workers-[1-9]|postgres-[1-9]|frontend|frontend-outer)$/;
const layoutNames = 'lmdb, workers-1 to workers-9, postgres-1 to postgres-9, frontend, frontend-outer';

/** What is measured against whom; the layouts and workloads that make sense when none are given. */
interface Peers {
  readonly layout: string;
  readonly workloads: readonly string[];
  readonly packages: readonly TestPackage[];
  readonly servers: readonly MeasuredServer[];
}

const { values } = parseArgs({
  options: {
    vs: { type: 'string' },
    layout: { type: 'string' },
    only: { type: 'string' },
    scale: { type: 'string', default: '1' },
    json: { type: 'string' },
    directory: { type: 'string', default: fileURLToPath(new URL('./results', import.meta.url)) },
    prof: { type: 'boolean', default: false },
  },
});
const { directory } = values;
const scale = Number(values.scale);
if (!(scale > 0)) throw new Error(`--scale ${values.scale}: a number above 0, and 1 is the full run`);
const nodeOptions = values.prof ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : [];
const peers = peersNamed(values.vs);
const workloads = values.only?.split(',') ?? peers.workloads;
const layouts = (values.layout ?? peers.layout).split(',');
for (const workload of workloads)
  if (!allWorkloads.includes(workload)) throw new Error(`--only ${workload}: ${allWorkloads.join(', ')}`);
for (const layout of layouts)
  if (!layoutPattern.test(layout)) throw new Error(`--layout ${layout}: ${layoutNames}`);
const accounts = workloads.some((workload) => workload.startsWith('imap-idle'))
  ? [...users, ...idleUsers]
  : users;

function peersNamed(name: string | undefined): Peers {
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
  if (name !== 'frontends') throw new Error(`--vs ${name}: there are "dovecot" and "frontends"`);
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

/** Installs the peers when it can, else says what is missing. */
function ensurePackages(packages: readonly TestPackage[]): void {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(' ');
  const why = whyNotInstallable();
  if (why !== null) throw new Error(`${names} not found, and ${why}: apt-get install ${names}`);
  if (!installPackages(missing)) throw new Error(`could not install ${names}`);
}

function ours(layout: string): MeasuredServer {
  const isOneServer = layout === 'lmdb' || layout.startsWith('workers-');
  const options = { layout, accounts, nodeOptions };
  return {
    name: `rookery ${layout}`,
    start: () => (isOneServer ? startRookery(directory, options) : startCluster(directory, options)),
  };
}

ensurePackages(peers.packages);
mkdirSync(directory, { recursive: true });
const file = values.json ?? join(directory, 'latest.json');
const measured: Measured[] = [];
for (const server of [...layouts.map(ours), ...peers.servers]) {
  measured.push(await measure(server, { workloads, scale }));
  // After each, so that a run that is broken off has given what it had.
  writeFileSync(file, `${JSON.stringify({ scale, measured }, null, 2)}\n`);
}
process.stdout.write(`${formatReport(measured)}\nas JSON: ${file}\n`);
if (measured.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
