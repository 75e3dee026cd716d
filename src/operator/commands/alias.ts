// rookery alias add|list|show|set|remove

import type { Command } from 'commander';
import { parseBoolean } from '../parse-option.ts';
import { changeOf, withContext } from '../program-context.ts';

export function addAliasCommands(program: Command): void {
  const alias = program.command('alias').description('addresses that lead to other addresses');
  alias
    .command('add <address> <target...>')
    .description('add an alias to one or more addresses, here or elsewhere')
    .action(
      withContext(async ({ client, output }, address: string, targets: string[], _options: object) => {
        output.record(
          await client.call({ method: 'POST', path: '/api/aliases', body: { address, targets } }),
        );
      }),
    );
  alias
    .command('list')
    .description('list aliases')
    .option('--domain <domain>', 'only those in this domain')
    .action(
      withContext(async ({ client, output }, options: { domain?: string }) => {
        const rows = await Array.fromAsync(
          client.items<Record<string, unknown>>('/api/aliases', { domain: options.domain }),
        );
        output.table(rows, ['address', 'enabled', 'targets']);
      }),
    );
  alias
    .command('show <address>')
    .description('show one alias')
    .action(
      withContext(async ({ client, output }, address: string, _options: object) => {
        output.record(await client.call({ path: `/api/aliases/${encodeURIComponent(address)}` }));
      }),
    );
  alias
    .command('set <address> [target...]')
    .description('give an alias other targets, or switch it')
    .option('--enabled <yes|no>', 'whether it works', parseBoolean)
    .action(
      withContext(
        async ({ client, output }, address: string, targets: string[], options: { enabled?: boolean }) => {
          const { enabled } = options;
          const body = changeOf({ targets: targets.length > 0 ? targets : undefined, enabled });
          output.record(
            await client.call({ method: 'PATCH', path: `/api/aliases/${encodeURIComponent(address)}`, body }),
          );
        },
      ),
    );
  alias
    .command('remove <address>')
    .description('remove an alias')
    .action(
      withContext(async ({ client, output }, address: string, _options: object) => {
        await client.call({ method: 'DELETE', path: `/api/aliases/${encodeURIComponent(address)}` });
        output.say(`removed alias ${address}`);
      }),
    );
}
