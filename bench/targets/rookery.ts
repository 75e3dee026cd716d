// Rookery itself, as a process of its own on a fresh data directory, with the bench's accounts.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../../src/operator/admin-client.ts';
import { type BenchTarget, idleUsers, users } from '../target.ts';
import { endProcess, freePort, portAnswers, processTree, start } from './processes.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const domain = 'bench.test';
const password = 'bench-password-1';

export interface RookeryTarget extends BenchTarget {
  readonly adminPort: number;
}

export interface RookeryOptions {
  /** For Node. */
  readonly nodeOptions?: readonly string[];
  /** `key=value`, as --set takes them. */
  readonly settings?: readonly string[];
  readonly name?: string;
}

export async function startRookery(
  directory: string,
  { nodeOptions = [], settings: given = [], name = 'rookery' }: RookeryOptions = {},
): Promise<RookeryTarget> {
  mkdirSync(directory, { recursive: true });
  const data = mkdtempSync(join(directory, 'rookery-'));
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
  const args = [
    ...nodeOptions,
    main,
    'serve',
    '--data',
    data,
    ...settings.flatMap((setting) => ['--set', setting]),
  ];
  const child = start(process.execPath, args);
  try {
    await portAnswers(adminPort, child); // the last one to open
    await addAccounts(data);
  } catch (error) {
    await endProcess(child);
    throw error;
  }
  return {
    name,
    ports,
    adminPort,
    domain,
    password,
    pids: async () => processTree(child.pid!),
    stop: async () => {
      await endProcess(child);
      rmSync(data, { recursive: true, force: true });
    },
  };
}

async function addAccounts(data: string): Promise<void> {
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
