// rookery account add|list|show|set|remove|password|quota|app-password

import type { Command } from 'commander';
import { collect, type Limit, limitOf, limitOption, parseBoolean, parseServices } from '../parse-option.ts';
import { changeOf, withContext } from '../program-context.ts';
import { randomPassword, readPassword } from '../read-password.ts';

const columns = ['address', 'fullName', 'enabled', 'administrator', 'services', 'quotaBytes'];

interface AccountOptions {
  readonly fullName?: string;
  readonly address?: string[];
  readonly enabled?: boolean;
  readonly administrator?: boolean;
  /** False: --no-groups. */
  readonly group?: string[];
  readonly groups?: boolean;
  readonly shared?: boolean;
  readonly services?: string[];
  readonly randomPassword?: boolean;
  readonly passwordStdin?: boolean;
}

export const accountPath = (name: string): string => `/api/accounts/${encodeURIComponent(name)}`;

function settings(options: AccountOptions): Record<string, unknown> {
  const { fullName, address, enabled, administrator, services, shared } = options;
  const groups = options.group ?? (options.groups === false ? [] : undefined);
  return { fullName, addresses: address, enabled, administrator, groups, shared, services };
}

function withSettings(command: Command): Command {
  return command
    .option('--full-name <name>', 'the name shown to people')
    .option('--address <address>', 'a further address (may be repeated)', collect)
    .option('--administrator <yes|no>', 'may administer the site', parseBoolean)
    .option('--group <name>', 'a group it is in (may be repeated)', collect)
    .option('--shared <yes|no>', 'nobody logs in: its mailboxes are shared with others', parseBoolean)
    .option('--services <list>', 'which protocols it may use, comma-separated', parseServices);
}

/** From --random-password, or standard input. */
async function passwordFrom(options: AccountOptions): Promise<string> {
  return options.randomPassword === true ? randomPassword() : readPassword('Password');
}

export function addAccountCommands(program: Command): void {
  const account = program.command('account').description('accounts: mailbox owners');
  addAddAndSet(account);
  addListShowRemove(account);
  addPassword(account);
  addQuota(account);
  addAppPasswords(account);
}

function addAddAndSet(account: Command): void {
  withSettings(
    account
      .command('add <address>')
      .description('add an account; its password is asked for, or read from standard input'),
  )
    .option('--random-password', 'make a password and print it')
    .option('--no-password', 'add it without one: nobody can log in until `account password`')
    .action(
      withContext(
        async ({ client, output }, address: string, options: AccountOptions & { password: boolean }) => {
          const password = options.password ? await passwordFrom(options) : undefined;
          const body = { address, password, ...settings(options) };
          const added = await client.call<Record<string, unknown>>({
            method: 'POST',
            path: '/api/accounts',
            body,
          });
          output.record(options.randomPassword === true ? { ...added, password } : added);
        },
      ),
    );
  withSettings(account.command('set <account>').description('change an account'))
    .option('--no-groups', 'it is in no group any more')
    .option('--enabled <yes|no>', 'whether it takes mail and logins; no ends its sessions', parseBoolean)
    .action(
      withContext(async ({ client, output }, name: string, options: AccountOptions) => {
        output.record(
          await client.call({ method: 'PATCH', path: accountPath(name), body: changeOf(settings(options)) }),
        );
      }),
    );
}

function addListShowRemove(account: Command): void {
  account
    .command('list')
    .description('list accounts')
    .option('--domain <domain>', 'only those in this domain')
    .action(
      withContext(async ({ client, output }, options: { domain?: string }) => {
        output.table(
          await Array.fromAsync(
            client.items<Record<string, unknown>>('/api/accounts', { domain: options.domain }),
          ),
          columns,
        );
      }),
    );
  account
    .command('show <account>')
    .description('show one account, with what it uses')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        const shown = await client.call<Record<string, unknown>>({ path: accountPath(name) });
        const { bytesUsed, messagesUsed } = await client.call<Record<string, unknown>>({
          path: `${accountPath(name)}/quota`,
        });
        output.record({ ...shown, bytesUsed, messagesUsed });
      }),
    );
  account
    .command('remove <account>')
    .description('remove an account and all of its mail')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        await client.call({ method: 'DELETE', path: accountPath(name) });
        output.say(`removed account ${name}`);
      }),
    );
}

function addPassword(account: Command): void {
  account
    .command('password <account>')
    .description('set the password: asked for, or read from standard input; open sessions end')
    .option('--random-password', 'make one and print it')
    .action(
      withContext(async ({ client, output }, name: string, options: AccountOptions) => {
        const password = await passwordFrom(options);
        await client.call({ method: 'PUT', path: `${accountPath(name)}/password`, body: { password } });
        if (options.randomPassword === true) output.record({ account: name, password });
        else output.say(`password of ${name} set`);
      }),
    );
}

function addQuota(account: Command): void {
  account
    .command('quota <account>')
    .description('show what an account uses and may use; with options, set what it may')
    .option('--bytes <size>', 'such as 10G, or "none"', limitOption)
    .option('--messages <number>', 'or "none"', limitOption)
    .action(
      withContext(async ({ client, output }, name: string, options: { bytes?: Limit; messages?: Limit }) => {
        const path = `${accountPath(name)}/quota`;
        const change = { bytesMax: limitOf(options.bytes), messagesMax: limitOf(options.messages) };
        const isChange = options.bytes !== undefined || options.messages !== undefined;
        output.record(await client.call(isChange ? { method: 'PUT', path, body: change } : { path }));
      }),
    );
}

function addAppPasswords(account: Command): void {
  const app = account
    .command('app-password')
    .description('further passwords of an account, for single programs');
  app
    .command('add <account> <name>')
    .description('make one and print it')
    .requiredOption('--services <list>', 'which protocols it is good for, comma-separated', parseServices)
    .action(
      withContext(
        async ({ client, output }, name: string, label: string, options: { services: string[] }) => {
          const body = { name: label, services: options.services };
          output.record(
            await client.call({ method: 'POST', path: `${accountPath(name)}/app-passwords`, body }),
          );
        },
      ),
    );
  app
    .command('list <account>')
    .description('list them')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        const { items } = await client.call<{ items: Record<string, unknown>[] }>({
          path: `${accountPath(name)}/app-passwords`,
        });
        output.table(items, ['id', 'name', 'services', 'createdAt', 'lastUsedAt']);
      }),
    );
  app
    .command('remove <account> <id>')
    .description('take one back; open sessions of the account end')
    .action(
      withContext(async ({ client, output }, name: string, id: string, _options: object) => {
        await client.call({
          method: 'DELETE',
          path: `${accountPath(name)}/app-passwords/${encodeURIComponent(id)}`,
        });
        output.say(`removed app password ${id}`);
      }),
    );
}
