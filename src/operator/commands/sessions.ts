// rookery who [ACCOUNT], rookery kick ACCOUNT | --session ID: sessions of this server, or of all nodes of its cluster.

import type { Command } from 'commander';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { type CommandContext, withContext } from '../program-context.ts';

interface WhoBody {
  readonly items: readonly Record<string, unknown>[];
  readonly unanswered: readonly string[];
  readonly more: boolean;
}

interface KickBody {
  readonly ended: number;
  readonly unanswered: readonly string[];
}

const path = '/api/sessions';
const columns = ['id', 'protocol', 'account', 'remoteAddress', 'connectedAt', 'tls', 'mailbox'];

export function addSessionCommands(program: Command): void {
  program
    .command('who [account]')
    .description('list open sessions: whose, from where, since when, with what')
    .action(
      withContext(async ({ client, output }, account: string | undefined, _options: object) => {
        const body = await client.call<WhoBody>({ path, query: { account } });
        const { items, more, unanswered } = body;
        if (output.json) return output.record({ ...body });
        output.table(items, items.some(({ node }) => node !== null) ? ['node', ...columns] : columns);
        if (more) output.say('There are more: ask for one account.');
        tellUnanswered(output, unanswered);
      }),
    );
  program
    .command('kick [account]')
    .description('end the open sessions of an account, or one session')
    .option('--session <id>', 'this session alone: `rookery who` has the ids')
    .addHelpText(
      'after',
      '\nThe client may log in again. When a password is stolen: `rookery account password`, which ends sessions too.',
    )
    .action(
      withContext(
        async ({ client, output }, account: string | undefined, { session }: { session?: string }) => {
          if ((account === undefined) === (session === undefined))
            throw new CommandFailure(
              'say whose sessions to end: an account, or --session ID',
              exitCodes.usage,
            );
          const body = await client.call<KickBody>({ method: 'DELETE', path, query: { account, session } });
          if (session !== undefined && body.ended === 0)
            throw new CommandFailure(
              `there is no session ${session}; \`rookery who\` shows those there are`,
              exitCodes.notFound,
            );
          if (output.json) return output.record({ ...body });
          output.say(body.ended === 1 ? '1 session ended' : `${body.ended} sessions ended`);
          tellUnanswered(output, body.unanswered);
        },
      ),
    );
}

function tellUnanswered(output: CommandContext['output'], unanswered: readonly string[]): void {
  if (unanswered.length > 0) output.say(`Not asked, because they did not answer: ${unanswered.join(', ')}`);
}
