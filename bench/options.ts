// The command line of `npm run bench`. What the workloads and layouts are in full stands in docs/benchmarks.md.

import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { listOf, positiveNumber, readOptions, usageTable } from '../scripts/read-options.ts';
import { layouts, parseLayout } from './targets/layouts.ts';

/** What each measures, in the order they are run. */
const workloads: Readonly<Record<string, string>> = {
  lmtp: 'deliveries a second over ten connections: 4 KB messages, and the mix of 4 to 300 KB',
  smtp: '4 KB messages a second from outside, until the 250',
  'imap-login': 'connect, LOGIN, SELECT and LOGOUT a second, twenty clients',
  'imap-append': 'APPEND of 4 KB messages a second, over one and ten connections',
  'imap-fetch': 'FETCH of all of 10,000 messages: flags, envelopes, header fields, headers, bodies',
  'imap-search': 'SEARCH, SORT and THREAD in 10,000 messages: first and warm',
  'imap-store': 'STORE of a flag on 10,000 messages, with its answers and silent',
  'imap-select': 'SELECT of 10,000 messages: cold and warm',
  'imap-large': 'a page, a flag and a delivery in 10,000 and in 1,000,000 messages; memory a message',
  fairness: "a light client's NOOP beside a heavy client; the event loop's turns",
  'imap-idle': "from a delivery's 250 to EXISTS at one of 1,000 idle sessions; memory a session",
  'imap-idle-tls': 'memory of an idle session over TLS',
  pop3: 'RETR and DELE of every message, a second',
};

export const allWorkloads: readonly string[] = Object.keys(workloads);

export function directoryOption(description: string): Option {
  const results = fileURLToPath(new URL('./results', import.meta.url));
  return new Option('--directory <dir>', description).default(results, 'bench/results');
}

const peerNames = ['dovecot', 'frontends'] as const;

export interface BenchOptions {
  readonly vs?: (typeof peerNames)[number];
  /** Undefined: those that make sense with the peers. */
  readonly layout?: readonly string[];
  readonly only?: readonly string[];
  readonly scale: number;
  readonly json?: string;
  readonly directory: string;
  readonly prof?: true;
}

function parseWorkload(text: string): string {
  if (Object.hasOwn(workloads, text)) return text;
  throw new InvalidArgumentError(`workloads are ${allWorkloads.join(', ')}`);
}

const examples = `
Examples:
  npm run bench -- --scale 0.02                                      all of it in a few minutes
  npm run bench -- --vs dovecot                                      one machine beside Dovecot and Postfix
  npm run bench -- --only imap-fetch,imap-store                      two workloads
  npm run bench -- --layout lmdb,postgres-3,frontend --only lmtp     what a cluster costs or brings
  npm run bench -- --vs frontends --layout frontend,frontend-outer   beside nginx, perdition, Dovecot's proxy

docs/benchmarks.md tells more.`;

export function readBenchOptions(): BenchOptions {
  const program = new Command('npm run bench --')
    .description(
      'Starts servers on this machine, loads them over the protocols that clients speak, and prints a row a figure and a column a ' +
        'server; above 1, the ratio to the better peer is good. Exit code 1 when a server or workload failed.',
    )
    .addOption(
      new Option('--vs <peers>', "measure others, too: Debian's Dovecot, or proxies").choices(peerNames),
    )
    .option(
      '--layout <names>',
      'how Rookery is run (default: lmdb; with proxies frontend)',
      listOf(parseLayout),
    )
    .option('--only <names>', 'these workloads (default: all; with proxies three)', listOf(parseWorkload))
    .option('--scale <factor>', 'fewer or more messages, rounds and sessions', positiveNumber, 1)
    .option('--json <file>', 'where the figures go as JSON (default: latest.json in the directory)')
    .addOption(directoryOption("the servers' data, profiles and results"))
    .option('--prof', 'write V8 profiles of the servers into the directory')
    .addHelpText('after', usageTable('Workloads', workloads))
    .addHelpText('after', usageTable('Layouts (N from 1 to 9)', layouts))
    .addHelpText('after', examples);
  return readOptions<BenchOptions>(program);
}
