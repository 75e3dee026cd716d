// A whole server as a process of its own, as an operator starts it: `src/main.ts serve` on loopback with ports the system
// chooses and, unless one is given, a data directory of its own. Ends by SIGTERM with exit code 0 and nothing in its
// log that is an error; whatever else it leaves is a failed test. No process outlives the test's process.

import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../src/operator/admin-client.ts';
import {
  type Ended,
  makeTemporaryFolder,
  type RunOptions,
  runProgram,
  runWell,
  type TemporaryFolder,
} from './run-program.ts';

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** The installed command: what administrators type. */
export const rookeryCommand = fileURLToPath(new URL('../bin/rookery.js', import.meta.url));

export const listenerNames = [
  'mx',
  'submission',
  'submissions',
  'lmtp',
  'imap',
  'imaps',
  'pop3',
  'pop3s',
  'admin',
] as const;
export type ListenerName = (typeof listenerNames)[number];
/** Of a node of a cluster. */
const nodeListenerNames = ['link', 'join'] as const;
export type NodeListenerName = (typeof nodeListenerNames)[number];
type Ports = Readonly<Record<ListenerName | NodeListenerName, number>>;

export const domain = 'example.test';

/** The accounts of `withAccounts`, by user name. */
export const passwordOf = (user: string): string => `secret of ${user}`;
export const addressOf = (user: string): string => `${user}@${domain}`;

export interface ServerOptions {
  /** Default `serve`. */
  readonly command?: 'serve' | 'quickstart';
  /** Kept when the server is gone; without it there is a new one, removed at the end. */
  readonly data?: string;
  /** A TOML file. */
  readonly config?: string;
  /** Where it listens; default 127.0.0.1. */
  readonly address?: string;
  /** `key=value`, stronger than the ports this chooses and the one process it starts. */
  readonly settings?: readonly string[];
  /** More arguments of the command. */
  readonly args?: readonly string[];
  /** User names: accounts of example.test, made once it runs. */
  readonly accounts?: readonly string[];
  /** A command that runs it elsewhere, with the rest of the line as its arguments (network-namespace.ts). */
  readonly within?: readonly string[];
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [key: string]: unknown;
}

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface StartedLine extends LogLine {
  readonly endpoints: readonly { readonly name: keyof Ports; readonly port: number }[];
}

/** Pino's number for "error". */
const errorLevel = 50;
/** Lines of standard error that are shown first: its log may be long. */
const lastWordsMax = 20;
/** Above the default of limits.drain and whatever a loaded machine adds. */
const stopLimitMs = 30_000;

const environment: NodeJS.ProcessEnv = {
  ...process.env,
  ROOKERY_DATA: undefined,
  ROOKERY_SERVER: undefined,
  ROOKERY_TOKEN: undefined,
};

/** Command-line arguments of a server on ports that the system chooses. */
export function serverArguments(options: ServerOptions & { readonly data: string }): string[] {
  const { command = 'serve', data, config, address = '127.0.0.1', settings = [], args = [] } = options;
  const chosen = new Set(settings.map((setting) => setting.split('=')[0]));
  const ports = [...listenerNames, ...nodeListenerNames]
    .filter((name) => !chosen.has(`listen.${name}`))
    .map((name) => `listen.${name}=${address}:0`);
  // The same on every machine, however many cores it has.
  const processes = chosen.has('workers') ? [] : ['workers=1'];
  return [
    command,
    '--data',
    data,
    ...(config === undefined ? [] : ['--config', config]),
    ...[...ports, ...processes, ...settings].flatMap((setting) => ['--set', setting]),
    ...args,
  ];
}

export class ServerProcess implements AsyncDisposable {
  readonly data: string;
  /** Of what listens: `link` and `join` only on a node of a cluster. */
  readonly ports: Ports;
  /** Over the operator's socket. */
  readonly admin: AdminClient;
  readonly exited: Promise<ServerExit>;
  readonly #output: ServerOutput;
  readonly #folder: TemporaryFolder | undefined;

  private constructor(
    output: ServerOutput,
    place: { data: string; folder: TemporaryFolder | undefined; ports: Ports },
  ) {
    this.#output = output;
    this.#folder = place.folder;
    this.data = place.data;
    this.ports = place.ports;
    this.admin = new AdminClient({ data: this.data });
    this.exited = output.exited;
  }

  /** Resolves when it listens; rejects with what it said when it ends instead. */
  static async start(options: ServerOptions = {}): Promise<ServerProcess> {
    const folder = options.data === undefined ? await makeTemporaryFolder() : undefined;
    const data = options.data ?? folder!.at('data');
    const output = new ServerOutput(serverArguments({ ...options, data }), options.within);
    try {
      const started = (await output.logged((line) => line.msg === 'started')) as StartedLine;
      const ports = Object.fromEntries(started.endpoints.map(({ name, port }) => [name, port]));
      const place = { data, folder, ports: ports as Ports };
      const server = new ServerProcess(output, place);
      // The quick start makes the domain itself.
      if (options.command === 'quickstart') await output.printed(/^Try it:$/m);
      else if (options.accounts !== undefined) await addDomain(server.admin);
      await addAccounts(server.admin, options.accounts ?? []);
      return server;
    } catch (error) {
      output.child.kill('SIGKILL');
      await folder?.remove();
      throw error;
    }
  }

  get pid(): number {
    return this.#output.child.pid!;
  }

  /** Standard output so far: the log, and the quick start's banner. */
  get stdout(): string {
    return this.#output.stdout;
  }

  /** The self-signed certificate, PEM. */
  get certificateFile(): string {
    return join(this.data, 'tls', 'self-signed.crt');
  }

  /** The first line of the log, from the beginning or still to come, that it is true for. */
  logged(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    return this.#output.logged(isWanted);
  }

  /** Resolves once it has printed this. */
  printed(pattern: RegExp): Promise<void> {
    return this.#output.printed(pattern);
  }

  signal(signal: NodeJS.Signals): void {
    this.#output.child.kill(signal);
  }

  /** Runs `rookery --data …` with these arguments, whatever its exit code. */
  rookery(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return runRookery(['--data', this.data, ...args], options);
  }

  /** Runs a command that is to work, with --json, and gives what it printed. */
  async json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    const all = [rookeryCommand, '--data', this.data, '--json', ...args];
    const { stdout } = await runWell(process.execPath, all, {
      ...options,
      env: { ...environment, ...options.env },
    });
    return JSON.parse(stdout) as T;
  }

  /** SIGTERM: ends with 0, in time, and without errors in its log but those that the test has provoked. */
  async stop(provoked: readonly RegExp[] = []): Promise<void> {
    this.signal('SIGTERM');
    const exit = await this.#exitedInTime();
    await this.#cleanUp();
    const told = this.#output.told();
    assert.deepEqual(exit, { code: 0, signal: null }, told);
    const errors = this.#output.lines.filter(
      ({ level, msg }) => level >= errorLevel && !provoked.some((pattern) => pattern.test(msg)),
    );
    assert.deepEqual(errors, [], 'the server logged errors');
  }

  /** Ends it at once, when it still runs: `stop` is how a test ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
    await this.#cleanUp();
  }

  async #exitedInTime(): Promise<ServerExit> {
    const timer = setTimeout(() => this.signal('SIGKILL'), stopLimitMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  async #cleanUp(): Promise<void> {
    this.admin.close();
    await this.#folder?.remove();
  }
}

/** Runs the command line, whatever its exit code. */
export function runRookery(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const env = { ...environment, ...options.env };
  return runProgram(process.execPath, [rookeryCommand, ...args], { ...options, env });
}

/** A server's process with what it prints. */
class ServerOutput {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly exited: Promise<ServerExit>;
  readonly lines: LogLine[] = [];
  stdout = '';
  stderr = '';
  #ended: ServerExit | undefined;
  #unparsed = '';
  #wake: (() => void)[] = [];

  constructor(args: readonly string[], within: readonly string[] = []) {
    const [command, ...rest] = [...within, process.execPath, program, ...args];
    this.child = spawn(command!, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    });
    const kill = (): boolean => this.child.kill('SIGKILL');
    process.once('exit', kill);
    this.exited = once(this.child, 'close').then(([code, signal]): ServerExit => {
      process.off('exit', kill);
      this.#ended = { code, signal };
      this.#wakeAll();
      return { code, signal };
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wakeAll();
    });
  }

  /** Why it ended stands there; workers write to it as well. */
  #lastWords(): string {
    const lines = this.stderr.trimEnd().split('\n').slice(-lastWordsMax);
    return lines.join('\n') || 'nothing on stderr';
  }

  told(): string {
    return `stdout: ${this.stdout}\nstderr: ${this.stderr}`;
  }

  logged(isWanted: (line: LogLine) => boolean): Promise<LogLine> {
    return this.#until(() => this.lines.find(isWanted));
  }

  async printed(pattern: RegExp): Promise<void> {
    await this.#until(() => (pattern.test(this.stdout) ? this.stdout : undefined));
  }

  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended !== undefined) {
        const { code, signal } = this.#ended;
        throw new Error(
          `the server ended (${signal ?? code}) before it told this: ${this.#lastWords()}\n${this.told()}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
      });
    }
  }

  #take(text: string): void {
    this.stdout += text;
    const lines = (this.#unparsed + text).split('\n');
    this.#unparsed = lines.pop()!;
    // The quick start's banner is for people.
    for (const line of lines) if (line.startsWith('{')) this.lines.push(JSON.parse(line) as LogLine);
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

async function addDomain(admin: AdminClient): Promise<void> {
  await admin.call({ method: 'POST', path: '/api/domains', body: { name: domain } });
}

async function addAccounts(admin: AdminClient, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const body = { address: addressOf(user), password: passwordOf(user) };
    await admin.call({ method: 'POST', path: '/api/accounts', body });
  }
}
