// rookery mailbox list, rookery store check, rookery token, rookery reload, rookery version

import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { collect } from '../parse-option.ts';
import { withContext } from '../program-context.ts';
import { openProgress } from '../progress.ts';
import { accountPath } from './account.ts';
import { addAclCommands } from './mailbox-acl.ts';

export function addMailboxCommands(program: Command): void {
  const mailbox = program.command('mailbox').description('mailboxes of an account');
  mailbox
    .command('list <account>')
    .description('list the mailboxes of an account')
    .action(
      withContext(async ({ client, output }, name: string, _options: object) => {
        const { items } = await client.call<{ items: Record<string, unknown>[] }>({
          path: `${accountPath(name)}/mailboxes`,
        });
        output.table(items, ['name', 'role', 'messages', 'unseen', 'bytes', 'subscribed']);
      }),
    );
  addAclCommands(mailbox);
}

interface CheckEvent {
  readonly type: 'progress' | 'finding' | 'done' | 'failed';
  readonly accountsDone?: number;
  readonly accountsTotal?: number;
  readonly findings?: number;
  readonly elsewhere?: number;
}

export function addStoreCommands(program: Command): void {
  // `store copy` may be there already.
  const store =
    program.commands.find((command) => command.name() === 'store') ??
    program.command('store').description('the message store');
  store
    .command('check')
    .description(
      'read everything while the server goes on; set aside what is damaged, rebuild what is derived',
    )
    .option('--report-only', 'change nothing')
    .action(
      withContext(async ({ client, output }, options: { reportOnly?: boolean }) => {
        const response = await client.open({
          method: 'POST',
          path: '/api/store/check',
          body: { repair: options.reportOnly !== true },
        });
        const progress = openProgress('accounts', output.interactive && !output.json);
        const findings: Record<string, unknown>[] = [];
        let done: CheckEvent | undefined;
        for await (const line of createInterface({ input: response })) {
          const event = JSON.parse(line) as CheckEvent;
          if (event.type === 'progress') progress.update(event.accountsDone ?? 0, event.accountsTotal ?? 0);
          else if (event.type === 'finding') findings.push({ ...event });
          else done = event;
        }
        progress.stop();
        if (done === undefined) throw new CommandFailure('the check broke off: see the server log');
        if (output.json) output.record({ ...done, items: findings });
        else {
          if (findings.length > 0) output.table(findings, ['accountId', 'what', 'action']);
          output.record({ ...done });
          if ((done.elsewhere ?? 0) > 0)
            output.say(`${done.elsewhere} accounts are hosted by other nodes: run the check there too`);
        }
        if ((done.findings ?? 0) > 0) process.exitCode = exitCodes.damaged;
      }),
    );
}

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('bearer tokens of the admin API');
  token
    .command('add <name>')
    .description('make a token and print it')
    .requiredOption(
      '--scope <scope>',
      'read, write:directory, write:accounts, operate, metrics (may be repeated)',
      collect,
    )
    .action(
      withContext(async ({ client, output }, name: string, options: { scope: string[] }) => {
        output.record(
          await client.call({ method: 'POST', path: '/api/tokens', body: { name, scopes: options.scope } }),
        );
      }),
    );
  token
    .command('list')
    .description('list the tokens')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        const { items } = await client.call<{ items: Record<string, unknown>[] }>({ path: '/api/tokens' });
        output.table(items, ['id', 'name', 'scopes', 'expiresAt']);
      }),
    );
  token
    .command('remove <id>')
    .description('revoke a token')
    .action(
      withContext(async ({ client, output }, id: string, _options: object) => {
        await client.call({ method: 'DELETE', path: `/api/tokens/${encodeURIComponent(id)}` });
        output.say(`revoked token ${id}`);
      }),
    );
}

export function addServerCommands(program: Command): void {
  program
    .command('reload')
    .description('have the running server take over what changed in its configuration (as SIGHUP does)')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        output.record(await client.call({ method: 'POST', path: '/api/reload', body: {} }));
      }),
    );
}
