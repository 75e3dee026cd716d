// Rookery itself, as a process of its own on a fresh data directory, with the bench's accounts.

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { freePort } from '../../test/free-port.ts';
import { type BenchTarget, idleUsers, users } from '../target.ts';
import { endProcess, portAnswers, processTree, start } from './processes.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const domain = 'bench.test';
const password = 'bench-password-1';

export interface RookeryTarget extends BenchTarget {
  readonly adminPort: number;
}

export interface RookeryOptions {
  readonly name?: string;
  /** For Node. */
  readonly nodeOptions?: readonly string[];
  /** `key=value`, as --set takes them. */
  readonly settings?: readonly string[];
}

/** One server process with what it takes to talk to it. */
export interface RookeryProcess {
  readonly data: string;
  readonly ports: BenchTarget['ports'];
  readonly adminPort: number;
  /** Of the process that runs now. */
  pid(): number;
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export function makeData(directory: string): string {
  mkdirSync(directory, { recursive: true });
  return mkdtempSync(join(directory, 'rookery-'));
}

/** Starts `serve` on ports of its own; `args` come behind it. */
export async function startProcess(
  data: string,
  {
    nodeOptions = [],
    settings: given = [],
    args = [],
  }: RookeryOptions & { readonly args?: readonly string[] },
): Promise<RookeryProcess> {
  const ports = {
    lmtp: await freePort(),
    smtp: await freePort(),
    imap: await freePort(),
    pop3: await freePort(),
  };
  const adminPort = await freePort();
  const listen = { lmtp: ports.lmtp, mx: ports.smtp, imap: ports.imap, pop3: ports.pop3, admin: adminPort };
  const settings = Object.entries(listen).map(([name, port]) => `listen.${name}=127.0.0.1:${port}`);
  for (const name of ['submission', 'submissions', 'imaps', 'pop3s']) settings.push(`listen.${name}=off`);
  settings.push('limits.connections_per_address=20000', 'log.level=warn', ...given);
  const run = async (): Promise<ChildProcess> => {
    const started = start(process.execPath, [
      ...nodeOptions,
      main,
      'serve',
      '--data',
      data,
      ...settings.flatMap((setting) => ['--set', setting]),
      ...args,
    ]);
    try {
      await portAnswers(adminPort, started); // the last one to open
      return started;
    } catch (error) {
      await endProcess(started);
      throw error;
    }
  };
  let child = await run();
  return {
    data,
    ports,
    adminPort,
    pid: () => child.pid!,
    restart: async () => {
      await endProcess(child);
      child = await run();
    },
    stop: async () => {
      await endProcess(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

export async function startRookery(directory: string, options: RookeryOptions = {}): Promise<RookeryTarget> {
  const server = await startProcess(makeData(directory), options);
  try {
    await addAccounts(server.data);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return targetOf(options.name ?? 'rookery', [server]);
}

/** What clients see of servers that are one: they talk to the first. */
export function targetOf(name: string, servers: readonly RookeryProcess[]): RookeryTarget {
  return {
    name,
    ports: servers[0]!.ports,
    adminPort: servers[0]!.adminPort,
    domain,
    password,
    pids: async () => processTree(servers[0]!.pid()),
    restart: async () => {
      for (const server of servers) await server.restart();
    },
    stop: async () => {
      for (const server of servers.toReversed()) await server.stop();
    },
  };
}

export async function addAccounts(data: string): Promise<void> {
  const client = new AdminClient({ data });
  await client.call({ method: 'POST', path: '/api/domains', body: { name: domain } });
  for (const user of [...users, ...idleUsers]) {
    await client.call({
      method: 'POST',
      path: '/api/accounts',
      body: { address: `${user}@${domain}`, password },
    });
  }
  client.close();
}
