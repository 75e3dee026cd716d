// Rookery itself, as a process of its own on a fresh data directory, with the bench's accounts.

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { freePort } from '../../test/free-port.ts';
import { type BenchTarget, domain, isOurs, password } from '../target.ts';
import { collectGarbage, evaluate, inspectorOptions } from './inspected-process.ts';
import { endProcess, orStopped, portAnswers, processTree, start } from './processes.ts';

export const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** As many as the admin client sends at a time; their passwords are hashed side by side. */
const addedAtOnce = 2;

export interface RookeryTarget extends BenchTarget {
  readonly adminPort: number;
  /** Clients talk to the first. */
  readonly servers: readonly RookeryProcess[];
  /** In the processes of all servers, but not in worker processes; what is left, in bytes. */
  collectGarbage(): Promise<number>;
}

/** Undefined: a peer. */
export function asRookery(target: BenchTarget): RookeryTarget | undefined {
  return isOurs(target.name) ? (target as RookeryTarget) : undefined;
}

export interface RookeryOptions {
  /** Local parts. Each costs the hashing of a password, so only those that will be used. */
  readonly accounts: readonly string[];
  /** For Node. */
  readonly nodeOptions: readonly string[];
}

export interface ProcessOptions extends Pick<RookeryOptions, 'nodeOptions'> {
  /** `key=value`, as --set takes them. */
  readonly settings: readonly string[];
  /** Come behind everything else on the command line. */
  readonly args?: readonly string[];
}

/** One server process with what it takes to talk to it. */
export interface RookeryProcess {
  readonly data: string;
  readonly ports: BenchTarget['ports'];
  readonly adminPort: number;
  /** Of the process that runs now. */
  pid(): number;
  /** What is left, in bytes. */
  collectGarbage(): Promise<number>;
  /** What the expression gives in that process: a string, a number or nothing. */
  evaluate(expression: string): Promise<unknown>;
  restart(): Promise<void>;
  /** Tells it to end, and waits for that. */
  end(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export function makeData(directory: string): string {
  mkdirSync(directory, { recursive: true });
  return mkdtempSync(join(directory, 'rookery-'));
}

/** Starts `serve` on ports of its own. */
export async function startProcess(
  data: string,
  { nodeOptions, settings: given, args = [] }: ProcessOptions,
): Promise<RookeryProcess> {
  const ports = {
    lmtp: await freePort(),
    smtp: await freePort(),
    imap: await freePort(),
    imaps: await freePort(),
    pop3: await freePort(),
  };
  const adminPort = await freePort();
  const inspectorPort = await freePort();
  const { smtp, ...others } = ports;
  const listen = { ...others, mx: smtp, admin: adminPort };
  const settings = Object.entries(listen).map(([name, port]) => `listen.${name}=127.0.0.1:${port}`);
  for (const name of ['submission', 'submissions', 'pop3s']) settings.push(`listen.${name}=off`);
  settings.push('limits.connections_per_address=20000', 'log.level=warn', ...given);
  const run = async (): Promise<ChildProcess> => {
    const started = start(process.execPath, [
      ...nodeOptions,
      ...inspectorOptions(inspectorPort),
      main,
      'serve',
      '--data',
      data,
      ...settings.flatMap((setting) => ['--set', setting]),
      ...args,
    ]);
    await orStopped(
      () => portAnswers(adminPort, started), // the last one to open
      () => endProcess(started),
    );
    return started;
  };
  let child = await run();
  return {
    data,
    ports,
    adminPort,
    pid: () => child.pid!,
    collectGarbage: () => collectGarbage({ pid: child.pid!, port: inspectorPort }),
    evaluate: (expression) => evaluate({ pid: child.pid!, port: inspectorPort }, expression),
    restart: async () => {
      await endProcess(child);
      child = await run();
    },
    end: () => endProcess(child),
    stop: async () => {
      await endProcess(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** `layout`: lmdb, one process; or workers-1, workers-2 …: one server with so many worker processes. */
export async function startRookery(
  directory: string,
  { layout, accounts, nodeOptions }: RookeryOptions & { readonly layout: string },
): Promise<RookeryTarget> {
  const workers = /^workers-([1-9])$/.exec(layout)?.[1] ?? '1';
  const settings = [`workers=${workers}`];
  const server = await startProcess(makeData(directory), { nodeOptions, settings });
  await orStopped(
    () => addAccounts(server.data, accounts),
    () => server.stop(),
  );
  return targetOf(`rookery ${layout}`, [server]);
}

/** What clients see of servers that are one: they talk to the first. */
export function targetOf(name: string, servers: readonly RookeryProcess[]): RookeryTarget {
  return {
    name,
    ports: servers[0]!.ports,
    adminPort: servers[0]!.adminPort,
    servers,
    domain,
    password,
    processes: () => ({
      front: processTree(servers[0]!.pid()),
      behind: servers.slice(1).flatMap((server) => processTree(server.pid())),
    }),
    collectGarbage: async () => {
      let bytes = 0;
      for (const server of servers) bytes += await server.collectGarbage();
      return bytes;
    },
    restart: async () => {
      for (const server of servers) await server.restart();
    },
    stop: async () => {
      for (const server of servers.toReversed()) await server.stop();
    },
  };
}

export async function addAccounts(data: string, accounts: readonly string[]): Promise<void> {
  const client = new AdminClient({ data });
  await client.call({ method: 'POST', path: '/api/domains', body: { name: domain } });
  const left = [...accounts];
  const addOneByOne = async (): Promise<void> => {
    for (let user = left.pop(); user !== undefined; user = left.pop()) {
      const body = { address: `${user}@${domain}`, password };
      await client.call({ method: 'POST', path: '/api/accounts', body });
    }
  };
  await Promise.all(Array.from({ length: addedAtOnce }, addOneByOne));
  client.close();
}
