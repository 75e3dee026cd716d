// rookery config check|show: read a configuration without starting anything.

import type { Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { loadConfig } from '../../config/load-config.ts';
import type { Config } from '../../config/schema.ts';
import { configAsToml, maskedConfig } from '../../config/show-config.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import { collect } from '../parse-option.ts';
import { withContext } from '../program-context.ts';

export interface ConfigOptions {
  readonly config?: string;
  readonly set?: string[];
  /** Given by --data; commander has './data' when it was not. */
  readonly data: string;
}

/** Adds the options that say what the configuration is. */
export function withConfigOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (TOML); see docs/configuration.md')
    .option(
      '--set <key=value>',
      'override one key (may be repeated), such as listen.imap=127.0.0.1:3143',
      collect,
    );
}

/** Loads it; what is wrong ends the program with exit code 78 and a line for each problem. */
export function configFrom(
  options: ConfigOptions,
  command: Command,
  defaults: Record<string, unknown> = {},
): Config {
  if (command.optsWithGlobals<{ on?: string }>().on !== undefined)
    throw new CommandFailure(
      '--on asks a running node, and this reads files of this machine (`config show --running` asks)',
      exitCodes.usage,
    );
  const dataGiven = command.getOptionValueSourceWithGlobals('data') !== 'default';
  const overrides = [...(options.set ?? []), ...(dataGiven ? [`data=${JSON.stringify(options.data)}`] : [])];
  try {
    return loadConfig({
      ...(options.config === undefined ? {} : { file: options.config }),
      overrides,
      defaults,
    });
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandFailure(error.message, exitCodes.configuration);
    throw error;
  }
}

/** The files that TLS needs: a server would not start without them. */
async function checkCertificates({ tls }: Config): Promise<void> {
  const { TlsContexts } = await import('../../speakers/kit/tls-contexts.ts');
  for (const { certificate, key } of tls.certificates) {
    await TlsContexts.open([{ certificateFile: certificate, keyFile: key }], {
      minVersion: tls.minimum_version,
      clientAuthoritiesFile: tls.client_authorities,
    }).catch((error: Error) => {
      throw new CommandFailure(`tls: ${error.message}`, exitCodes.configuration);
    });
  }
}

export function addConfigCommands(program: Command): void {
  const config = program.command('config').description('check and show a configuration');
  withConfigOptions(config.command('check').description('say what is wrong with a configuration')).action(
    async (_options: object, command: Command) => {
      const options = command.optsWithGlobals<ConfigOptions & { json?: boolean }>();
      await checkCertificates(configFrom(options, command));
      process.stdout.write(
        options.json === true
          ? '{"ok":true}\n'
          : `${options.config ?? 'the default configuration'} is right\n`,
      );
    },
  );
  withConfigOptions(config.command('show').description('print what is in effect, secrets masked'))
    .option('--running', "the running server's, instead of a file's")
    .action(async (options: { running?: boolean }, command: Command) => {
      if (options.running === true) await showRunning(options, command);
      else showFile(command);
    });
}

function showFile(command: Command): void {
  const options = command.optsWithGlobals<ConfigOptions & { json?: boolean }>();
  const config = maskedConfig(configFrom(options, command));
  process.stdout.write(options.json === true ? `${JSON.stringify(config, null, 2)}\n` : configAsToml(config));
}

const showRunning = withContext(async ({ client, output }, _options: object) => {
  const config = await client.call<Record<string, unknown>>({ path: '/api/config' });
  if (output.json) output.record(config);
  else output.say(configAsToml(config).trimEnd());
});
