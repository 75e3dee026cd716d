// The command line as a whole: `rookery COMMAND`. A client of the admin API, except for `serve` and `quickstart`, which main.ts
// passes in, because they choose concrete engines.

import { Command, CommanderError, Option } from 'commander';
import { addBalancerCommands } from './balancer/balancer-command.ts';
import { describeCluster } from './balancer/describe-cluster.ts';
import { addAccountCommands } from './commands/account.ts';
import { addAliasCommands } from './commands/alias.ts';
import { addClusterCommands } from './commands/cluster.ts';
import { addConfigCommands } from './commands/configuration.ts';
import { addDomainCommands } from './commands/domain.ts';
import { addExportCommands, addImportCommands } from './commands/import-export.ts';
import { addSearchIndexCommands } from './commands/search-index.ts';
import { addSessionCommands } from './commands/sessions.ts';
import {
  addMailboxCommands,
  addServerCommands,
  addStoreCommands,
  addTokenCommands,
} from './commands/store.ts';
import { completionScript } from './completion.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';

export interface ProgramOptions {
  readonly version: string;
  /** Adds `serve` and `quickstart`. */
  readonly addServing: (program: Command) => void;
}

export function buildProgram(options: ProgramOptions): Command {
  const program = new Command('rookery')
    .description(
      'Rookery: a mail server. `rookery quickstart` shows it at work; docs/command-line.md tells the rest.',
    )
    .addOption(
      new Option('--data <dir>', "the server's data directory").env('ROOKERY_DATA').default('./data'),
    )
    .addOption(
      new Option('--server <url>', 'the admin API of a server elsewhere (needs a token)').env(
        'ROOKERY_SERVER',
      ),
    )
    .addOption(new Option('--token <token>', 'bearer token for --server').env('ROOKERY_TOKEN'))
    .option('--on <node>', 'ask that node of the cluster, through the one that is reached')
    .option('--json', 'print JSON')
    .version(options.version, '--version', 'print the version')
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  options.addServing(program);
  addConfigCommands(program);
  addDomainCommands(program);
  addAccountCommands(program);
  addAliasCommands(program);
  addMailboxCommands(program);
  addSearchIndexCommands(program);
  addStoreCommands(program);
  addImportCommands(program);
  addExportCommands(program);
  addTokenCommands(program);
  addServerCommands(program);
  addSessionCommands(program);
  addClusterCommands(program);
  addBalancerCommands(program, describeCluster);
  program
    .command('version')
    .description('print the version')
    .action((_options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: boolean }>();
      const text =
        json === true
          ? JSON.stringify({ version: options.version, node: process.version })
          : `rookery ${options.version}`;
      process.stdout.write(`${text}\n`);
    });
  program
    .command('completion <shell>')
    .description('print the completion script for bash or zsh: source <(rookery completion bash)')
    .action((shell: string) => {
      process.stdout.write(completionScript(program, shell));
    });
  program.addHelpText('after', exitCodeHelp());
  inheritSettings(program);
  return program;
}

function exitCodeHelp(): string {
  const meanings = Object.entries(exitCodes).map(([name, code]) => `${code} ${name}`);
  return `\nExit codes: ${meanings.join(', ')}.`;
}

/** Subcommands made before exitOverride would end the process by themselves. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}

/** A file that cannot be opened, a disk that is full: the system's words say it. Undefined: a bug. */
function failureOfSystem(error: unknown): CommandFailure | undefined {
  const isOfSystem = error instanceof Error && 'syscall' in error;
  return isOfSystem ? new CommandFailure(error.message) : undefined;
}

/** With --json one line of JSON, on standard error as well. */
function toldFailure({ message, exitCode }: CommandFailure, json: boolean): string {
  return json ? `${JSON.stringify({ error: message, exitCode })}\n` : `rookery: ${message}\n`;
}

/** Runs one command line and gives the exit code. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(argv, { from: 'user' });
    return Number(process.exitCode ?? exitCodes.success);
  } catch (error) {
    // Commander has told it already: --help and --version end with 0, mistakes with a message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
    const failure = error instanceof CommandFailure ? error : failureOfSystem(error);
    if (failure === undefined) throw error;
    process.stderr.write(toldFailure(failure, program.opts<{ json?: boolean }>().json === true));
    return failure.exitCode;
  }
}
