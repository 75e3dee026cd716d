// `npm run demo:cluster`: PostgreSQL, three nodes and HAProxy on loopback with one command, a table of what they do, and
// lines to copy that send mail, read it, and kill a node. Ctrl-C ends everything and removes what it wrote.

import { delimiter } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../src/base/clock.ts';
import { type ClusterBody, formatClusterStatus } from '../src/operator/commands/cluster-status.ts';
import { missingPostgres } from '../test/postgres-server.ts';
import { missingPrograms } from '../test/run-program.ts';
import { nodePorts } from './demo-node.ts';
import { DemoProbe } from './demo-probe.ts';
import { DemoSite, domain } from './demo-site.ts';
import { readOptions } from './read-options.ts';

const refreshMs = 1_000;

/** Started by a script or a service, it has nobody who presses keys. */
const [startAgain, endAll] = process.stdin.isTTY
  ? ['press Enter to start it again', 'Ctrl-C']
  : [`kill -USR2 ${process.pid} starts it again`, `kill ${process.pid}`];

// Where Debian has haproxy, and not on everybody's search path.
process.env.PATH += `${delimiter}/usr/local/sbin${delimiter}/usr/sbin${delimiter}/sbin`;

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux')
    return 'the demonstration gives each node an address of its own (127.0.0.11 to .13), which only Linux has ready';
  const packages = [
    ...(missingPostgres() === false ? [] : ['postgresql']),
    ...(missingPrograms('haproxy') === false ? [] : ['haproxy']),
  ];
  if (packages.length === 0) return undefined;
  return `programs are missing. On Debian: sudo apt-get install ${packages.join(' ')}\n(Their own services may be off; only the programs are used.)`;
}

function introduction({ address, passwords, folder }: DemoSite): string {
  const [alice, bob] = [`alice@${domain}`, `bob@${domain}`];
  const message = `From: ${alice}\\r\\nTo: ${bob}\\r\\nSubject: hello\\r\\n\\r\\nIt works.\\r\\n`;
  return `
Three nodes are one mail server; HAProxy at ${address} is in front of them. Logs and configurations: ${folder}

send  printf '${message}' | curl -sk --ssl-reqd smtp://${address}:${nodePorts.submission} -u '${alice}:${passwords.alice}' --mail-from ${alice} --mail-rcpt ${bob} -T -
read  curl -sk --ssl-reqd 'imap://${address}:${nodePorts.imap}/INBOX;MAILINDEX=*' -u '${bob}:${passwords.bob}'
open  any mail program: IMAP ${address} port ${nodePorts.imaps} (TLS), user ${bob}, password ${passwords.bob}
`;
}

/** What there is to do with each node, as it is now. */
function invitation({ nodes }: DemoSite, status: ClusterBody | undefined): string {
  const lines = nodes.map(({ name, pid, data }) => {
    const node = `node ${name.padEnd(5)}`;
    if (pid === undefined) return `${node}  is not running: ${startAgain}`;
    const isDrained = status?.nodes.find((each) => each.node === name)?.drained === true;
    const verb = isDrained ? 'undrain' : 'drain';
    return `${node}  kill -9 ${pid}   or: node bin/rookery.js --data ${data} cluster ${verb} ${name}`;
  });
  return lines.join('\n');
}

async function state(site: DemoSite, probe: DemoProbe): Promise<string> {
  const [status, found] = [await site.status(), await probe.found()];
  const table = status === undefined ? 'no node answers' : formatClusterStatus(status);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const there = found === undefined ? 'not known' : String(found);
  const mail = `a message a second through the balancer: ${probe.acknowledged} acknowledged, ${there} in the mailbox; longest wait ${seconds(probe.longestMs)}, attempts that failed ${probe.failed}`;
  return `${table}\n\n${mail}\n\n${invitation(site, status)}\n\n${endAll} ends everything.`;
}

/** In place on a terminal that has room for it; elsewhere anew when something other than the figures changed. */
class Screen {
  #rows = 0;
  #essence = '';

  show(text: string): void {
    const { isTTY, columns, rows: rowsMax } = process.stdout;
    const lines = text.split('\n');
    const rows = lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    if (isTTY && rows < rowsMax) {
      const back = this.#rows === 0 ? '' : `\x1b[${this.#rows}A\r`;
      process.stdout.write(`${back}${lines.join('\x1b[K\n')}\x1b[K\n\x1b[J`);
      this.#rows = rows;
      return;
    }
    const essence = (text.match(/^(?:node .*|(?:one|two|three) +[a-z]+)/gm) ?? []).join('\n');
    if (essence !== this.#essence) process.stdout.write(`${text}\n\n`);
    this.#essence = essence;
    this.#rows = 0;
  }
}

async function run(network: string): Promise<void> {
  let isOver = false;
  // A terminal that was closed: SIGHUP says so, too.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true;
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  });
  const tell = (text: string): void => {
    if (isOver) throw new Error('ended before everything had started');
    process.stdout.write(`starting ${text}\n`);
  };
  await using site = await DemoSite.start({ network, tell });
  const probe = new DemoProbe(site);
  probe.start();
  const startMissing = (): void => {
    site.startMissing().catch((error: Error) => process.stderr.write(`${error.message}\n`));
  };
  process.on('SIGUSR2', startMissing);
  // A keyboard that goes away does not end the demonstration.
  if (process.stdin.isTTY) process.stdin.on('data', startMissing).on('error', () => {});
  process.stdout.write(`${introduction(site)}\n`);
  const screen = new Screen();
  while (!isOver) {
    screen.show(await state(site, probe));
    await Promise.race([ended, systemClock.sleep(refreshMs)]);
  }
  process.stdin.destroy();
  const found = await probe.found();
  await probe.stop();
  process.stdout.write(`\n${probe.acknowledged} messages acknowledged, ${found ?? '?'} found. Ending …\n`);
}

/** Nothing outside loopback: the passwords are printed, and there is no firewall. */
function parseNetwork(text: string): string {
  if (/^127(?:\.\d{1,3}){2}$/.test(text)) return text;
  throw new InvalidArgumentError('expected the first three numbers of loopback addresses, such as 127.0.5');
}

const { network } = readOptions<{ network: string }>(
  new Command('npm run demo:cluster --')
    .description(
      'PostgreSQL, three nodes and HAProxy on loopback, a table of what they do, and lines to copy that send mail, read it, and kill ' +
        'a node. Enter (or SIGUSR2) starts again what was killed; Ctrl-C (or SIGTERM) ends everything and removes what it wrote.',
    )
    .option(
      '--network <numbers>',
      'HAProxy is at .1 of it and the nodes at .11 to .13',
      parseNetwork,
      '127.0.0',
    )
    .addHelpText(
      'after',
      '\nExample:\n  npm run demo:cluster -- --network 127.0.5   a second one beside the first',
    ),
);
const missing = whatIsMissing();
try {
  if (missing !== undefined) throw new Error(missing);
  await run(network);
} catch (error) {
  process.stderr.write(`demo:cluster: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
