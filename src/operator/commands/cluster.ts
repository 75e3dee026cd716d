// rookery cluster status|shards|drain|undrain|remove|admit|move-shard|rebalance|who; the rest of `cluster` stands in
// cluster-configuration.ts, cluster-tokens.ts and cluster-init.ts.

import type { Command } from 'commander';
import { systemClock } from '../../base/clock.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { parseDuration, parseWholeNumber } from '../parse-option.ts';
import { type CommandContext, withContext } from '../program-context.ts';
import { addClusterConfigCommands } from './cluster-configuration.ts';
import { addressText, type ClusterBody, formatClusterStatus } from './cluster-status.ts';
import { addClusterTokenCommands } from './cluster-tokens.ts';
import { watchClusterStatus } from './watch-cluster-status.ts';

interface NodeStanding {
  readonly node: string;
  readonly state: string;
  readonly shards: number;
}

interface ShardBody {
  readonly shard: number;
  readonly owner: string | null;
  readonly movingTo: string | null;
}

/** What GET /api/cluster/who answers. */
interface AccountPlaceBody {
  readonly openSessions:
    | readonly { readonly node: string; readonly service: string; readonly sessions: number | null }[]
    | null;
  readonly link: { readonly host: string; readonly port: number } | null;
}

const watchIntervalMs = 1_000;
const drainPollMs = 500;
const drainWaitMsDefault = 60_000;

export function addClusterCommands(program: Command): void {
  const cluster =
    program.commands.find((command) => command.name() === 'cluster') ??
    program.command('cluster').description('this cluster and its nodes');
  addStatusCommands(cluster);
  addDrainCommands(cluster);
  addRemoveCommands(cluster);
  addShardCommands(cluster);
  addClusterTokenCommands(cluster);
  addClusterConfigCommands(cluster);
}

function addStatusCommands(cluster: Command): void {
  cluster
    .command('status')
    .description('show the nodes, who hosts how much, and what is wrong')
    .option('--watch', 'show it anew each second, until Ctrl-C; with --json one object a line')
    .action(
      withContext(async (context, options: { watch?: boolean }) => {
        if (options.watch === true) return watchClusterStatus(context, watchIntervalMs);
        const status = await context.client.call<ClusterBody>({ path: '/api/cluster' });
        if (context.output.json) context.output.record({ ...status });
        else context.output.say(formatClusterStatus(status));
      }),
    );
  cluster
    .command('who <account>')
    .description('say which node hosts an account, and how many sessions it has on which nodes')
    .action(
      withContext(async ({ client, output }, account: string, _options: object) => {
        const path = `/api/cluster/who/${encodeURIComponent(account)}`;
        const place = await client.call<AccountPlaceBody>({ path });
        output.record(output.json ? { ...place } : placeForPeople(place));
      }),
    );
}

function placeForPeople({ openSessions, link, ...place }: AccountPlaceBody): Record<string, unknown> {
  const sessions = openSessions?.map(
    ({ node, service, sessions: count }) => `${node}: ${count ?? 'unknown'} ${service}`,
  );
  return { ...place, openSessions: sessions?.join(', ') || null, link: link && addressText(link) };
}

function addDrainCommands(cluster: Command): void {
  cluster
    .command('drain <node>')
    .description('move a node’s accounts to others and send it no new clients, until undrained')
    .option(
      '--wait [duration]',
      'come back when it hosts nothing any more, or fail after this time (1 min)',
      parseDuration,
    )
    .action(
      withContext(async (context, node: string, options: { wait?: number | true }) => {
        const standing = await ask(context, 'POST', node, '/drain');
        if (options.wait === undefined)
          tell(context, standing, `${node} is draining: ${standing.shards} shards go to other nodes`);
        else await waitForDrain(context, node, options.wait === true ? drainWaitMsDefault : options.wait);
      }),
    );
  cluster
    .command('undrain <node>')
    .description('let a node take accounts and clients again')
    .action(
      withContext(async (context, node: string, _options: object) => {
        const standing = await ask(context, 'POST', node, '/undrain');
        tell(context, standing, `${node} is ${standing.state}`);
      }),
    );
}

function addRemoveCommands(cluster: Command): void {
  cluster
    .command('remove <node>')
    .description('take a node out for good: its accounts go to others, then it stops')
    .action(
      withContext(async (context, node: string, _options: object) => {
        const standing = await ask(context, 'DELETE', node, '');
        tell(context, standing, removalText(standing));
      }),
    );
  cluster
    .command('admit <node>')
    .description('let a name that was removed join again, with a new token')
    .action(
      withContext(async (context, node: string, _options: object) => {
        const standing = await ask(context, 'POST', node, '/admit');
        tell(context, standing, `${node} may join again; rookery cluster token gives what it joins with`);
      }),
    );
}

function removalText({ node, state, shards }: NodeStanding): string {
  if (state === 'removed')
    return `${node} is removed; before that name joins again: rookery cluster admit ${node}`;
  if (state === 'left') return `${node} had joined and never served; its name is free`;
  return `${node} is on its way out: ${shards} shards go to other nodes, then it stops (rookery cluster status --watch)`;
}

function addShardCommands(cluster: Command): void {
  cluster
    .command('shards')
    .description('list the shards, with the node that hosts each')
    .option('--node <node>', 'only those that it hosts or gets')
    .action(
      withContext(async ({ client, output }, options: { node?: string }) => {
        const { items } = await client.call<{ items: ShardBody[] }>({ path: '/api/cluster/shards' });
        const isWanted = ({ owner, movingTo }: ShardBody): boolean =>
          options.node === undefined || owner === options.node || movingTo === options.node;
        const rows = items.filter(isWanted).map((shard) => ({ ...shard }));
        if (rows.length === 0 && options.node !== undefined) await requireNode(client, options.node);
        output.table(rows, ['shard', 'owner', 'epoch', 'movingTo', 'pinned']);
      }),
    );
  cluster
    .command('move-shard')
    .argument('<shard>', 'its number', parseWholeNumber)
    .argument('[node]')
    .description(
      'move a shard to a node and keep it there while that is up; without one: where balance puts it',
    )
    .action(
      withContext(async ({ client, output }, shard: number, node: string | undefined, _options: object) => {
        const path = `/api/cluster/shards/${shard}/move`;
        const moved = await client.call<ShardBody>({ method: 'POST', path, body: { to: node ?? null } });
        if (output.json) output.record({ ...moved });
        else if (node === undefined) output.say(`shard ${shard} is where balance puts it from now on`);
        else if (moved.owner === node) output.say(`shard ${shard} is at ${node} and stays there`);
        else output.say(`shard ${shard} moves from ${moved.owner ?? 'nowhere'} to ${node}`);
      }),
    );
  cluster
    .command('rebalance')
    .description('end all that move-shard keeps in place, and spread the shards evenly')
    .option('--dry-run', 'only say what would move')
    .action(
      withContext(async ({ client, output }, options: { dryRun?: boolean }) => {
        const dryRun = options.dryRun === true;
        const path = '/api/cluster/rebalance';
        const { moves } = await client.call<{ moves: Record<string, unknown>[] }>({
          method: 'POST',
          path,
          body: { dryRun },
        });
        output.table(moves, ['shard', 'from', 'to']);
        const verb = dryRun ? 'would move' : 'move';
        output.say(moves.length === 0 ? 'the load is even' : `${moves.length} shards ${verb}`);
      }),
    );
}

/** That it hosts nothing is an answer for a node that there is. */
async function requireNode(client: AdminClient, name: string): Promise<void> {
  const { nodes } = await client.call<ClusterBody>({ path: '/api/cluster' });
  if (nodes.some(({ node }) => node === name)) return;
  const where = '`rookery cluster status` shows those there are';
  throw new CommandFailure(`there is no node ${name}; ${where}`, exitCodes.notFound);
}

function ask(
  { client }: CommandContext,
  method: 'POST' | 'DELETE',
  node: string,
  action: string,
): Promise<NodeStanding> {
  return client.call({ method, path: `/api/cluster/nodes/${encodeURIComponent(node)}${action}` });
}

function tell({ output }: CommandContext, standing: NodeStanding, text: string): void {
  if (output.json) output.record({ ...standing });
  else output.say(text);
}

async function waitForDrain(context: CommandContext, name: string, waitMs: number): Promise<void> {
  const endsAt = systemClock.monotonic() + waitMs;
  for (;;) {
    const { nodes } = await context.client.call<ClusterBody>({ path: '/api/cluster' });
    const node = nodes.find((each) => each.node === name);
    const shards = node?.shards ?? 0;
    if (shards === 0) {
      tell(
        context,
        { node: name, state: node?.state ?? 'removed', shards },
        `${name} hosts nothing any more`,
      );
      return;
    }
    if (systemClock.monotonic() >= endsAt)
      throw new CommandFailure(
        `${name} still hosts ${shards} shards; it goes on draining: rookery cluster status --watch`,
      );
    await systemClock.sleep(drainPollMs);
  }
}
