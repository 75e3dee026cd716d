// rookery mailbox acl show|set|remove: who may do what with a mailbox, beside its owner.

import type { Command } from 'commander';
import { withContext } from '../program-context.ts';
import { accountPath } from './account.ts';

type Entries = { readonly items: Record<string, unknown>[] };

const columns = ['identifier', 'rights'];

function aclPath(account: string, mailbox: string): string {
  return `${accountPath(account)}/mailboxes/${encodeURIComponent(mailbox)}/acl`;
}

export function addAclCommands(mailbox: Command): void {
  const acl = mailbox.command('acl').description('who may use a mailbox beside its owner');
  acl
    .command('show <account> <mailbox>')
    .description('list who has which rights on a mailbox')
    .action(
      withContext(async ({ client, output }, account: string, name: string, _options: object) => {
        output.table((await client.call<Entries>({ path: aclPath(account, name) })).items, columns);
      }),
    );
  acl
    .command('set <account> <mailbox> <identifier> <rights>')
    .description(
      'give an address, group=<name> or anyone these rights (letters of lrswipkxtea), instead of those it had',
    )
    .action(
      withContext(
        async ({ client, output }, account: string, name: string, identifier: string, rights: string) => {
          const body = { identifier, mode: 'replace', rights };
          const path = aclPath(account, name);
          output.table((await client.call<Entries>({ method: 'PATCH', path, body })).items, columns);
        },
      ),
    );
  acl
    .command('remove <account> <mailbox> <identifier>')
    .description('take all rights back that the identifier was given')
    .action(
      withContext(async ({ client, output }, account: string, name: string, identifier: string) => {
        const body = { identifier, mode: 'replace', rights: '' };
        await client.call({ method: 'PATCH', path: aclPath(account, name), body });
        output.say(`${identifier} has no rights on ${name} of ${account} any more`);
      }),
    );
}
