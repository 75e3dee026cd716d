// One node of the demonstration: `rookery serve` as a process of its own, with its configuration file, data directory and
// log in a folder. In a process group of its own, so that Ctrl-C ends the demonstration and the demonstration the node.
// A node that ends before it has started rejects with the end of its log.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AdminClient } from '../src/operator/admin-client.ts';
import { projectRoot } from './source-files.ts';

const program = join(projectRoot, 'bin', 'rookery.js');
/** Above what a node that leaves a cluster in good order takes. */
const stopLimitMs = 20_000;

/** The ports of every node, at its own address: those of the quick start. */
export const nodePorts = {
  mx: 2525,
  submission: 2587,
  submissions: 2465,
  lmtp: 2424,
  imap: 2143,
  imaps: 2993,
  pop3: 2110,
  pop3s: 2995,
  admin: 2080,
  link: 2433,
  join: 2434,
} as const;

export interface DemoNodeOptions {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly storageUrl: string;
}

export class DemoNode {
  readonly name: string;
  readonly data: string;
  readonly logFile: string;
  readonly admin: AdminClient;
  readonly #config: string;
  #child: ChildProcess | undefined;

  constructor({ name, address, folder, storageUrl }: DemoNodeOptions) {
    this.name = name;
    this.data = join(folder, name);
    this.logFile = join(folder, `${name}.log`);
    this.#config = join(folder, `${name}.toml`);
    mkdirSync(this.data, { mode: 0o700 });
    this.admin = new AdminClient({ data: this.data });
    const listen = Object.entries(nodePorts).map(([listener, port]) => `${listener} = "${address}:${port}"`);
    const text = [
      `data = ${JSON.stringify(this.data)}`,
      '# The balancer, as nodes on the same machine see it.',
      'proxy_protocol_from = ["127.0.0.1"]',
      '[listen]',
      ...listen,
      '[storage]',
      'engine = "postgres"',
      `url = ${JSON.stringify(storageUrl)}`,
      '[log]',
      'format = "json"',
    ];
    writeFileSync(this.#config, `${text.join('\n')}\n`, { mode: 0o600 });
  }

  /** Undefined: it does not run. */
  get pid(): number | undefined {
    const child = this.#child;
    return child === undefined || child.exitCode !== null || child.signalCode !== null
      ? undefined
      : child.pid;
  }

  /** Makes the cluster, with this node as its first. */
  async makeCluster(): Promise<void> {
    const child = this.#spawn(['cluster', 'init', '--node', this.name]);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(this.#told('the cluster could not be made'));
  }

  /** Resolves when it listens. `join`: token@host:port, at its first start. */
  async start(join?: string): Promise<void> {
    const child = this.#spawn([
      'serve',
      ...(join === undefined ? [] : ['--join', join, '--node', this.name]),
    ]);
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      let unread = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        const lines = (unread + text).split('\n');
        unread = lines.pop()!;
        if (lines.some((line) => line.includes('"msg":"started"'))) resolve();
      });
      child.once('close', () => reject(new Error(this.#told(`node ${this.name} ended`))));
    });
  }

  kill(signal: NodeJS.Signals): void {
    if (this.pid !== undefined) this.#child!.kill(signal);
  }

  /** In good order; by force when that takes too long. */
  async stop(): Promise<void> {
    this.admin.close();
    if (this.pid === undefined) return;
    const ended = once(this.#child!, 'exit');
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), stopLimitMs);
    await ended;
    clearTimeout(timer);
  }

  #spawn(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [program, ...args, '--config', this.#config], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const log = createWriteStream(this.logFile, { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    return child;
  }

  #told(what: string): string {
    return `${what}: ${readFileSync(this.logFile, 'utf8').slice(-2_000)}`;
  }
}
