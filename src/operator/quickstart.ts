// `npm start`, `rookery quickstart`: a whole mail server to try, on loopback, with a domain and three accounts.
// Invariant: the passwords are on disk in data/quickstart.txt.new (mode 0600) before the accounts exist, and in
// data/quickstart.txt once they all do. A start that was cut off goes on with the same passwords; accounts that were removed
// later stay removed, and where the domain is and neither file, no accounts are made: nobody would know their passwords.

import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { syncDirectory } from '../storage/lmdb/journal.ts';
import { AdminClient } from './admin-client.ts';
import { accountPath } from './commands/account.ts';
import { type ConfigOptions, configFrom, withConfigOptions } from './commands/configuration.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { formatTable } from './output.ts';
import { randomPassword } from './read-password.ts';
import type { ReadConfig, RunningProgram } from './running-server.ts';
import { type Starts, serve, type WorkerOptions, workerOption } from './serve.ts';
import { runWorker } from './workers/run-worker.ts';

const domain = 'example.test';
const domainPath = `/api/domains/${domain}`;
const users = ['alice', 'bob', 'admin'] as const;

interface Login {
  readonly address: string;
  readonly password: string;
}

export function addQuickstartCommand(program: Command, starts: Starts): void {
  const description = `run a server to try on loopback: domain ${domain}, accounts ${users.join(', ')}; goes on where it stopped`;
  withConfigOptions(program.command('quickstart').description(description))
    .addOption(workerOption())
    .action(async ({ worker }: WorkerOptions, command: Command) => {
      const read: ReadConfig = (defaults) =>
        configFrom(command.optsWithGlobals<ConfigOptions>(), command, defaults);
      if (worker !== undefined) return await runWorker(starts.workers.worker, read);
      const { data } = read();
      await serve({
        starts,
        read,
        started: async (server) => {
          const client = new AdminClient({ data });
          try {
            process.stdout.write(banner(server, await findAccounts(client, data)));
          } finally {
            client.close();
          }
        },
      });
    });
}

interface Accounts {
  /** Those that are there and that the quick start made. */
  readonly logins: readonly Login[];
  /** They were made by this start, or by one that was cut off. */
  readonly isFirst: boolean;
  /** Undefined: it is gone. */
  readonly file: string | undefined;
}

/** Makes them at the first start. */
async function findAccounts(client: AdminClient, data: string): Promise<Accounts> {
  const file = join(data, 'quickstart.txt');
  if (existsSync(file)) {
    const logins: Login[] = [];
    for (const login of readLogins(file))
      if (await exists(client, accountPath(login.address))) logins.push(login);
    return { logins, isFirst: false, file };
  }
  const unfinished = `${file}.new`;
  const isCutOff = existsSync(unfinished);
  if (!isCutOff && (await exists(client, domainPath))) return { logins: [], isFirst: false, file: undefined };
  const logins = isCutOff ? readLogins(unfinished) : await writeLogins(unfinished);
  await ensureAccounts(client, logins);
  await rename(unfinished, file);
  return { logins, isFirst: true, file };
}

async function writeLogins(file: string): Promise<Login[]> {
  const logins = users.map((user) => ({ address: `${user}@${domain}`, password: randomPassword() }));
  const text = logins.map(({ address, password }) => `${address} ${password}\n`).join('');
  await writeFile(`${file}.part`, text, { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
  syncDirectory(dirname(file));
  return logins;
}

function readLogins(file: string): Login[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [address, password] = line.split(' ');
    if (address === undefined || password === undefined) {
      throw new CommandFailure(
        `${file}: expected "address password" lines, found "${line}"; remove the data directory to begin anew`,
      );
    }
    return { address, password };
  });
}

async function ensureAccounts(client: AdminClient, logins: readonly Login[]): Promise<void> {
  if (!(await exists(client, domainPath))) {
    const body = { name: domain, description: 'made by quickstart' };
    await client.call({ method: 'POST', path: '/api/domains', body });
  }
  for (const { address, password } of logins) {
    if (await exists(client, accountPath(address))) continue;
    const user = address.split('@')[0]!;
    const fullName = `${user[0]!.toUpperCase()}${user.slice(1)}`;
    const body = { address, password, fullName, administrator: user === 'admin' };
    await client.call({ method: 'POST', path: '/api/accounts', body });
  }
}

async function exists(client: AdminClient, path: string): Promise<boolean> {
  try {
    await client.call({ path });
    return true;
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.notFound) return false;
    throw error;
  }
}

function secretsText({ logins, isFirst, file }: Accounts): string {
  const addresses = logins.map(({ address }) => address).join(', ');
  const anew = '`rookery account password ADDRESS` sets a new one';
  if (isFirst) {
    const lines = logins.map(({ address, password }) => `  ${address}  ${password}`).join('\n');
    return `Accounts (passwords are shown this once, and kept in ${file}):\n${lines}`;
  }
  if (file === undefined)
    return `Accounts: \`rookery account list\` shows them. quickstart.txt with their first passwords is gone; ${anew}.`;
  return `Accounts: ${addresses || 'none of the first ones'}. Their first passwords are in ${file}; ${anew}.`;
}

function banner(server: RunningProgram, accounts: Accounts): string {
  const rows = server.endpoints.map(({ name, address, port }) => ({
    service: name,
    address: `${address}:${port}`,
  }));
  const place = (name: string): string => rows.find((row) => row.service === name)?.address ?? '(off)';
  const login = (user: (typeof users)[number]): Login => {
    const address = `${user}@${domain}`;
    const made = accounts.isFirst ? accounts.logins.find((each) => each.address === address) : undefined;
    return { address, password: made?.password ?? 'PASSWORD' };
  };
  const [alice, bob] = [login('alice'), login('bob')];
  const message = `From: ${alice.address}\\r\\nTo: ${bob.address}\\r\\nSubject: hello\\r\\n\\r\\nIt works.\\r\\n`;
  return `
Rookery is running. Stop it with Ctrl-C; start it again and it goes on where it stopped.

${formatTable(rows, ['service', 'address'])}

${secretsText(accounts)}

Try it:
  send  printf '${message}' | curl -sk --ssl-reqd smtp://${place('submission')} -u '${alice.address}:${alice.password}' --mail-from ${alice.address} --mail-rcpt ${bob.address} -T -
  read  curl -sk --ssl-reqd 'imap://${place('imap')}/INBOX;MAILINDEX=1' -u '${bob.address}:${bob.password}'
  open  neomutt -f imaps://bob%40${domain}@${place('imaps')}/INBOX     (or any mail client: user ${bob.address})

`;
}
