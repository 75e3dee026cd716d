// rookery mailbox list, rookery store check, rookery token, rookery reload, rookery version

import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { AdminClient } from '../admin-client.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { collectScope } from '../parse-option.ts';
import { withContext } from '../program-context.ts';
import { openProgress, type Progress } from '../progress.ts';
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

interface CheckDone {
  readonly accounts: number;
  readonly elsewhere: number;
  readonly messages: number;
  readonly findings: number;
}

type CheckEvent =
  | { readonly type: 'progress'; readonly accountsDone: number; readonly accountsTotal: number }
  | { readonly type: 'finding' }
  | ({ readonly type: 'done' } & CheckDone);

interface CheckTold {
  readonly progress: Progress;
  readonly findings: Record<string, unknown>[];
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
        const progress = openProgress('accounts', output.interactive && !output.json);
        const findings: Record<string, unknown>[] = [];
        const repair = options.reportOnly !== true;
        const done = await checkMachine(client, repair, { progress, findings }).finally(() =>
          progress.stop(),
        );
        if (output.json) output.record({ ...done, items: findings });
        else {
          if (findings.length > 0) output.table(findings, ['accountId', 'what', 'action']);
          output.record({ ...done });
          if (done.elsewhere > 0)
            output.say(`${done.elsewhere} accounts are hosted by other nodes: run the check there too`);
        }
        if (done.findings > 0) process.exitCode = exitCodes.damaged;
      }),
    );
}

/** All that the server checks, and the accounts that other workers of its machine host. */
async function checkMachine(client: AdminClient, repair: boolean, told: CheckTold): Promise<CheckDone> {
  const done = { ...(await checkThrough(client, { repair }, told)) };
  if (done.elsewhere === 0) return done;
  for (const worker of client.otherWorkers()) {
    try {
      const { accounts, messages, findings } = await checkThrough(
        worker,
        { repair, accountsOnly: true },
        told,
      );
      done.accounts += accounts;
      done.elsewhere -= accounts;
      done.messages += messages;
      done.findings += findings;
    } catch (error) {
      // One that was there once: its accounts are another's.
      if (!(error instanceof CommandFailure) || error.exitCode !== exitCodes.unreachable) throw error;
    } finally {
      worker.close();
    }
  }
  return done;
}

function brokenOff(): CommandFailure {
  return new CommandFailure('the check broke off: see the server log');
}

async function checkThrough(client: AdminClient, body: object, told: CheckTold): Promise<CheckDone> {
  const response = await client.open({ method: 'POST', path: '/api/store/check', body });
  let done: CheckDone | undefined;
  try {
    for await (const line of createInterface({ input: response })) {
      const event = JSON.parse(line) as CheckEvent;
      if (event.type === 'progress') told.progress.update(event.accountsDone, event.accountsTotal);
      else if (event.type === 'finding') told.findings.push({ ...event });
      else {
        const { type: _type, ...counts } = event;
        done = counts;
      }
    }
  } catch {
    // What the connection says of it helps nobody.
    throw brokenOff();
  }
  if (done === undefined) throw brokenOff();
  return done;
}

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('bearer tokens of the admin API');
  token
    .command('add <name>')
    .description('make a token and print it')
    .requiredOption(
      '--scope <scope>',
      'read, write:directory, write:accounts, operate, metrics (may be repeated)',
      collectScope,
    )
    .option('--domain <domain>', 'for the accounts and aliases of this domain alone')
    .action(
      withContext(async ({ client, output }, name: string, options: { scope: string[]; domain?: string }) => {
        const { scope: scopes, domain } = options;
        const body = { name, scopes, ...(domain === undefined ? {} : { domain }) };
        output.record(await client.call({ method: 'POST', path: '/api/tokens', body }));
      }),
    );
  token
    .command('list')
    .description('list the tokens')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        const { items } = await client.call<{ items: Record<string, unknown>[] }>({ path: '/api/tokens' });
        output.table(items, ['id', 'name', 'scopes', 'domain', 'expiresAt']);
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
