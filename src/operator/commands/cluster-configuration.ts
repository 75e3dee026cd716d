// rookery cluster config get|diff|set|unset|apply|history|rollback: what all nodes run with, as TOML.
//
// A text that `get` printed names its version in a comment, and `apply` makes the change from that version: when
// somebody else applied something meanwhile, it is refused and nothing is overwritten.

import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import {
  type ClusterSettings,
  checkClusterSettings,
  diffClusterSettings,
  type SettingChange,
  withSetting,
} from '../../cluster/cluster-configuration.ts';
import { formatClusterSettings, parseClusterSettings } from '../../cluster/cluster-configuration-text.ts';
import { parseSettingValue } from '../../config/load-config.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { formatTime } from '../output.ts';
import { parseWholeNumber } from '../parse-option.ts';
import { type CommandContext, withContext } from '../program-context.ts';
import type { ClusterBody } from './cluster-status.ts';

interface Configuration extends ClusterSettings {
  readonly version: number;
  readonly changedAt: number;
  readonly changedBy: string;
  readonly comment: string;
}

interface Draft extends ClusterSettings {
  /** The version its text says it was made from. */
  readonly base: number | undefined;
}

const path = '/api/cluster/configuration';
const fileHelp = '"-": standard input';

export function addClusterConfigCommands(cluster: Command): void {
  const config = cluster.command('config').description('what all nodes run with; see docs/configuration.md');
  addReading(config);
  addSet(config);
  addApply(config);
  config
    .command('rollback')
    .argument('<version>', 'as `history` lists it; 0: as before anything was applied', parseWholeNumber)
    .description('make an older version the newest one')
    .option('--comment <text>', 'why, for the history')
    .action(
      withContext(async ({ client, output }, to: number, options: { comment?: string }) => {
        const [present, old] = [await current(client), await version(client, to)];
        showChanges(output, diffClusterSettings(present, old));
        const body = { to, version: present.version, comment: options.comment };
        tellApplied(output, await client.call({ method: 'POST', path: `${path}/rollback`, body }));
      }),
    );
}

function addReading(config: Command): void {
  config
    .command('get')
    .argument('[version]', 'as `history` lists it', parseWholeNumber)
    .description('print it as TOML; what `apply` takes')
    .action(
      withContext(async ({ client, output }, wanted: number | undefined, _options: object) => {
        const shown = await (wanted === undefined ? current(client) : version(client, wanted));
        if (output.json) output.record({ ...shown });
        else output.say(formatDocument(shown));
      }),
    );
  config
    .command('diff <file>')
    .description(`say what applying a file would change, and what is wrong with it (${fileHelp})`)
    .action(
      withContext(async ({ client, output }, file: string, _options: object) => {
        const [draft, present] = [await readDraft(file), await current(client)];
        const changes = diffClusterSettings(present, draft);
        if (output.json) output.table(changes.map(changeBody), []);
        else showChanges(output, changes);
        if (changes.length > 0 && isOvertaken(draft, present))
          process.stderr.write(`rookery: ${overtaken(draft, present)}\n`);
        checkDraft(draft, file);
        await warnOfUnknownNodes(client, draft);
      }),
    );
  config
    .command('history')
    .description('list the versions that are kept, the newest first')
    .action(
      withContext(async ({ client, output }, _options: object) => {
        const { items } = await client.call<{ items: Configuration[] }>({ path: `${path}/history` });
        const rows = items.map((item) => ({ ...item, changed: formatTime(item.changedAt) }));
        const shown = output.json ? items.map((item) => ({ ...item })) : rows;
        output.table(shown, ['version', 'changed', 'changedBy', 'comment']);
      }),
    );
}

function addSet(config: Command): void {
  const node = ['--node <node>', 'for that node alone, stronger than what is set for all'] as const;
  config
    .command('set <key> <value>')
    .description('change one setting, such as log.level debug; running nodes take it over')
    .option(...node)
    .action(
      withContext(async (context, key: string, value: string, options: { node?: string }) => {
        await changeSetting(context, { node: options.node, key, value: parseSettingValue(value) });
      }),
    );
  config
    .command('unset <key>')
    .description('take one setting out')
    .option(...node)
    .action(
      withContext(async (context, key: string, options: { node?: string }) => {
        await changeSetting(context, { node: options.node, key, value: undefined });
      }),
    );
}

async function changeSetting(
  { client, output }: CommandContext,
  change: { readonly node: string | undefined; readonly key: string; readonly value: unknown },
): Promise<void> {
  const present = await current(client);
  const next = withSetting(present, change);
  const changes = diffClusterSettings(present, next);
  showChanges(output, changes);
  if (changes.length === 0) return;
  const body = { ...next, version: present.version, comment: formatChanges(changes) };
  tellApplied(output, await client.call({ method: 'PUT', path, body }));
  if (change.value !== undefined) await warnOfUnknownNodes(client, next);
}

function addApply(config: Command): void {
  config
    .command('apply <file>')
    .description(`show what a file changes, and make it the newest version (${fileHelp}); nodes take it over`)
    .option('--comment <text>', 'why, for the history')
    .option('--force', 'also when it was made from an older version, whose later changes are lost')
    .action(
      withContext(
        async ({ client, output }, file: string, options: { comment?: string; force?: boolean }) => {
          const [draft, present] = [await readDraft(file), await current(client)];
          const changes = diffClusterSettings(present, draft);
          showChanges(output, changes);
          // From whatever version it was made: it overwrites nothing.
          if (changes.length === 0) {
            if (output.json) output.record({ ...present });
            return;
          }
          if (isOvertaken(draft, present) && options.force !== true)
            throw new CommandFailure(overtaken(draft, present));
          const { settings, overrides } = draft;
          const body = { settings, overrides, version: present.version, comment: options.comment };
          tellApplied(output, await client.call({ method: 'PUT', path, body }));
          await warnOfUnknownNodes(client, draft);
        },
      ),
    );
}

const current = (client: AdminClient): Promise<Configuration> => client.call({ path });
const version = (client: AdminClient, number: number): Promise<Configuration> =>
  client.call({ path: `${path}/history/${number}` });

const versionLine = /^# version (\d{1,9}) of the cluster's configuration\b/m;

function formatDocument(configuration: Configuration): string {
  const { version: number, changedAt, changedBy, comment } = configuration;
  const remark = comment === '' ? '' : `: ${comment.replaceAll(/\s+/g, ' ')}`;
  const said = number === 0 ? 'nothing was applied yet' : `${formatTime(changedAt)} by ${changedBy}${remark}`;
  return `# version ${number} of the cluster's configuration, ${said}\n${formatClusterSettings(configuration)}`.trimEnd();
}

function parseDraft(text: string, source: string): Draft {
  const base = versionLine.exec(text)?.[1];
  try {
    return { ...parseClusterSettings(text), base: base === undefined ? undefined : Number(base) };
  } catch (error) {
    if (!isMailError(error)) throw error;
    throw new CommandFailure(`${source}: ${error.message}`, exitCodes.configuration);
  }
}

async function readDraft(file: string): Promise<Draft> {
  if (file === '-') return parseDraft(await readAll(process.stdin), 'standard input');
  try {
    return parseDraft(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`cannot read ${file}: ${(error as Error).message}`, exitCodes.configuration);
  }
}

/** Refuses what `apply` would refuse. */
function checkDraft(draft: ClusterSettings, file: string): void {
  try {
    checkClusterSettings(draft);
  } catch (error) {
    if (!isMailError(error)) throw error;
    const source = file === '-' ? 'standard input' : file;
    throw new CommandFailure(`${source}: ${error.message}`, exitCodes.configuration);
  }
}

/** A node may be named before it joins; a name that was mistyped waits for ever. */
async function warnOfUnknownNodes(client: AdminClient, { overrides }: ClusterSettings): Promise<void> {
  const named = Object.keys(overrides);
  if (named.length === 0) return;
  const { nodes } = await client.call<Pick<ClusterBody, 'nodes'>>({ path: '/api/cluster' });
  for (const name of named) {
    if (nodes.some(({ node }) => node === name)) continue;
    process.stderr.write(
      `rookery: there is no node ${name} so far; what is set for it waits for it to join\n`,
    );
  }
}

function isOvertaken({ base }: Draft, present: Configuration): boolean {
  return base !== undefined && base !== present.version;
}

function overtaken({ base }: Draft, present: Configuration): string {
  return `the configuration was changed meanwhile: this text was made from version ${base}, version ${present.version} holds now (by ${present.changedBy}${present.comment === '' ? '' : `: ${present.comment}`}). Make your change to what \`rookery cluster config get\` prints, or apply this with --force`;
}

function showChanges(output: Output, changes: readonly SettingChange[]): void {
  output.say(changes.length === 0 ? 'nothing changes' : formatChanges(changes));
}

function formatChanges(changes: readonly SettingChange[]): string {
  return changes.map(changeLine).join('\n');
}

function changeLine({ node, key, before, after }: SettingChange): string {
  const name = node === undefined ? key : `nodes.${node}.${key}`;
  if (before === undefined) return `+ ${name} = ${JSON.stringify(after)}`;
  if (after === undefined) return `- ${name} = ${JSON.stringify(before)}`;
  return `~ ${name} = ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
}

function changeBody({ node, key, before, after }: SettingChange): Record<string, unknown> {
  return { node: node ?? null, key, before: before ?? null, after: after ?? null };
}

function tellApplied(output: Output, applied: Configuration): void {
  if (output.json) output.record({ ...applied });
  else output.say(`applied as version ${applied.version}`);
}
