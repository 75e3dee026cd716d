// rookery domain add|list|show|set|remove

import type { Command } from 'commander';
import { type Limit, limitOf, limitOption, parseBoolean } from '../parse-option.ts';
import { changeOf, withContext } from '../program-context.ts';

const columns = ['name', 'enabled', 'aliasOf', 'catchAll', 'postmaster', 'description'];

interface DomainOptions {
  readonly enabled?: boolean;
  readonly aliasOf?: string;
  readonly catchAll?: string;
  readonly postmaster?: string;
  readonly maxAccounts?: Limit;
  readonly maxQuota?: Limit;
  readonly description?: string;
}

/** "none" takes a setting away. */
function settings(options: DomainOptions): Record<string, unknown> {
  const { enabled, aliasOf, catchAll, postmaster, maxAccounts, maxQuota, description } = options;
  return {
    enabled,
    aliasOf: aliasOf === 'none' ? null : aliasOf,
    catchAll: catchAll === 'none' ? null : catchAll,
    postmaster: postmaster === 'none' ? null : postmaster,
    accountsMax: limitOf(maxAccounts),
    quotaBytesMax: limitOf(maxQuota),
    description,
  };
}

function withSettings(command: Command): Command {
  return command
    .option('--alias-of <domain>', 'another name of that domain ("none": not any more)')
    .option('--catch-all <address>', 'gets mail to addresses that do not exist ("none": not any more)')
    .option('--postmaster <address>', 'gets mail for postmaster ("none": an administrator does)')
    .option(
      '--max-accounts <number>',
      'a token for this domain alone adds no more ("none": any number)',
      limitOption,
    )
    .option(
      '--max-quota <size>',
      'such a token gives an account no more, e.g. 10G ("none": any)',
      limitOption,
    )
    .option('--enabled <yes|no>', 'whether mail and logins are taken for it', parseBoolean)
    .option('--description <text>', 'a note for administrators');
}

export function addDomainCommands(program: Command): void {
  const domain = program.command('domain').description('domains this site takes mail for');
  withSettings(domain.command('add <domain>').description('add a domain')).action(
    withContext(async ({ client, output }, name: string, options: DomainOptions) => {
      output.record(
        await client.call({ method: 'POST', path: '/api/domains', body: { name, ...settings(options) } }),
      );
    }),
  );
  domain
    .command('list')
    .description('list all domains')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        output.table(await Array.fromAsync(client.items<Record<string, unknown>>('/api/domains')), columns);
      }),
    );
  domain
    .command('show <domain>')
    .description('show one domain')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        output.record(await client.call({ path: `/api/domains/${encodeURIComponent(name)}` }));
      }),
    );
  withSettings(domain.command('set <domain>').description('change a domain')).action(
    withContext(async ({ client, output }, name: string, options: DomainOptions) => {
      const path = `/api/domains/${encodeURIComponent(name)}`;
      output.record(await client.call({ method: 'PATCH', path, body: changeOf(settings(options)) }));
    }),
  );
  domain
    .command('remove <domain>')
    .description('remove a domain that has no accounts and aliases')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        await client.call({ method: 'DELETE', path: `/api/domains/${encodeURIComponent(name)}` });
        output.say(`removed domain ${name}`);
      }),
    );
}
