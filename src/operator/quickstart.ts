// `npm start`, `rookery quickstart`: a whole mail server to try, on loopback, with a domain and three accounts.
// Invariant: the passwords are in data/quickstart.txt.new (mode 0600) before the accounts exist, and in data/quickstart.txt
// once they all do. A start that was cut off goes on with the same passwords; accounts that were removed later stay removed.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
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
      await mkdir(data, { recursive: true, mode: 0o700 });
      const file = join(data, 'quickstart.txt');
      const isFirst = !existsSync(file);
      await serve({
        starts,
        read,
        started: async (server) => {
          const logins = isFirst ? await makeAccounts(data, file) : readLogins(file);
          process.stdout.write(banner(server, { logins, isFirst, file }));
        },
      });
    });
}

/** Goes on where a start that was cut off stopped. */
async function makeAccounts(data: string, file: string): Promise<Login[]> {
  const unfinished = `${file}.new`;
  const logins = existsSync(unfinished) ? readLogins(unfinished) : await writeLogins(unfinished);
  const client = new AdminClient({ data });
  try {
    await ensureAccounts(client, logins);
  } finally {
    client.close();
  }
  await rename(unfinished, file);
  return logins;
}

async function writeLogins(file: string): Promise<Login[]> {
  const logins = users.map((user) => ({ address: `${user}@${domain}`, password: randomPassword() }));
  const text = logins.map(({ address, password }) => `${address} ${password}\n`).join('');
  await writeFile(`${file}.part`, text, { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
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
  const domains = '/api/domains';
  if (!(await exists(client, `${domains}/${domain}`))) {
    const body = { name: domain, description: 'made by quickstart' };
    await client.call({ method: 'POST', path: domains, body });
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

interface BannerParts {
  readonly logins: readonly Login[];
  readonly isFirst: boolean;
  readonly file: string;
}

function banner(server: RunningProgram, { logins, isFirst, file }: BannerParts): string {
  const rows = server.endpoints.map(({ name, address, port }) => ({
    service: name,
    address: `${address}:${port}`,
  }));
  const place = (name: string): string => rows.find((row) => row.service === name)?.address ?? '(off)';
  const [alice, bob] = logins as [Login, Login];
  const password = (login: Login): string => (isFirst ? login.password : 'PASSWORD');
  const secrets = isFirst
    ? `Accounts (passwords are shown this once, and kept in ${file}):\n${logins.map((login) => `  ${login.address}  ${login.password}`).join('\n')}`
    : `Accounts: ${logins.map((login) => login.address).join(', ')}. Their passwords are in ${file}.`;
  const message = `From: ${alice.address}\\r\\nTo: ${bob.address}\\r\\nSubject: hello\\r\\n\\r\\nIt works.\\r\\n`;
  return `
Rookery is running. Stop it with Ctrl-C; start it again and it goes on where it stopped.

${formatTable(rows, ['service', 'address'])}

${secrets}

Try it:
  send  printf '${message}' | curl -sk --ssl-reqd smtp://${place('submission')} -u '${alice.address}:${password(alice)}' --mail-from ${alice.address} --mail-rcpt ${bob.address} -T -
  read  curl -sk --ssl-reqd 'imap://${place('imap')}/INBOX;MAILINDEX=1' -u '${bob.address}:${password(bob)}'
  open  neomutt -f imaps://bob%40${domain}@${place('imaps')}/INBOX     (or any mail client: user ${bob.address})

`;
}
