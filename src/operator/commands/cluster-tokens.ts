// rookery cluster token [create|list|remove]: what new machines join with.

import type { Command } from 'commander';
import { formatTime } from '../output.ts';
import { collect, parseDuration, parseWholeNumber } from '../parse-option.ts';
import { withContext } from '../program-context.ts';

interface TokenOptions {
  readonly role?: string[];
  readonly zone?: string;
  readonly expires?: number;
  readonly uses?: number;
}

interface CreatedToken {
  readonly token: string;
  readonly roles: readonly string[];
  readonly zone: string;
  readonly expiresAt: number;
  readonly usesLeft: number;
  readonly at: { readonly host: string; readonly port: number | null };
}

const path = '/api/cluster/tokens';

export function addClusterTokenCommands(cluster: Command): void {
  const token = cluster.command('token').description('tokens with which new machines join the cluster');
  token
    .command('create', { isDefault: true })
    .description('make a token and print it; `rookery cluster token` alone does it too')
    .option('--role <role>', 'frontend, mx or backend (may be repeated; default: all)', collect)
    .option('--zone <zone>', 'the network zone it stands in (inner); "outer" gets no database settings')
    .option('--expires <duration>', 'how long it is valid (1 h)', parseDuration)
    .option('--uses <number>', 'how many machines may join with it (1)', parseWholeNumber)
    .action(
      withContext(async ({ client, output }, { role, zone, expires, uses }: TokenOptions) => {
        const expiresInSeconds = expires === undefined ? undefined : Math.ceil(expires / 1000);
        const body = { roles: role, zone, expiresInSeconds, uses };
        const made = await client.call<CreatedToken>({ method: 'POST', path, body });
        if (output.json) output.record({ ...made });
        else output.say(howToJoin(made));
      }),
    );
  token
    .command('list')
    .description('list the tokens that are out')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        const { items } = await client.call<{ items: (Record<string, unknown> & { expiresAt: number })[] }>({
          path,
        });
        const rows = items.map((item) => ({ ...item, expires: formatTime(item.expiresAt) }));
        output.table(output.json ? items : rows, ['id', 'roles', 'zone', 'usesLeft', 'expires']);
      }),
    );
  token
    .command('remove <id>')
    .description('revoke a token; machines that joined with it stay')
    .action(
      withContext(async ({ client, output }, id: string, _options: object) => {
        await client.call({ method: 'DELETE', path: `${path}/${encodeURIComponent(id)}` });
        output.say(`revoked join token ${id}`);
      }),
    );
}

function howToJoin({ token, roles, zone, expiresAt, usesLeft, at }: CreatedToken): string {
  const host = at.host.includes(':') ? `[${at.host}]` : at.host;
  const place = at.port === null ? host : `${host}:${at.port}`;
  const machines = usesLeft === 1 ? 'one machine' : `${usesLeft} machines`;
  // A zone's name that was mistyped is one of the inner nodes.
  const told = zone === 'outer' ? '' : ', which will be told how to reach the database';
  return [
    token,
    '',
    `For ${machines} in zone ${zone} (${roles.join(', ')})${told}, until ${formatTime(expiresAt)}. There:`,
    `  rookery serve --join ${token}@${place}`,
  ].join('\n');
}
