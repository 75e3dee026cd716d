// `rookery serve` and what runs a server until a signal ends it: SIGTERM and SIGINT drain, SIGHUP reloads.

import type { Command } from 'commander';
import { Fault } from '../base/fault.ts';
import type { Config } from '../config/schema.ts';
import { isMailError } from '../mail/mail-error.ts';
import { type ConfigOptions, configFrom, withConfigOptions } from './commands/configuration.ts';
import { CommandFailure } from './exit-codes.ts';
import type { RunningServer, StartServer } from './running-server.ts';

export interface ServeOptions {
  readonly start: StartServer;
  readonly read: () => Config;
  /** What is done once it runs, before it only waits. */
  readonly started?: (server: RunningServer) => Promise<void>;
}

export function addServeCommand(program: Command, start: StartServer): void {
  withConfigOptions(
    program.command('serve').description('run the server until SIGTERM; SIGHUP reloads'),
  ).action(async (_options: object, command: Command) => {
    await serve({ start, read: () => configFrom(command.optsWithGlobals<ConfigOptions>(), command) });
  });
}

/** Runs a server until a signal. Whoever reads that it started may signal at once: signals are heard before it starts. */
export async function serve({ start, read, started }: ServeOptions): Promise<void> {
  const told = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  let server: RunningServer | undefined;
  const reload = (): void => {
    void (async () => server?.reload(read()))().catch((error: Error) => {
      process.stderr.write(`rookery: not reloaded: ${error.message}\n`);
    });
  };
  process.on('SIGHUP', reload);
  server = await startOrFail(start, read);
  await started?.(server);
  await told;
  // A second signal ends it at once, for an operator who will not wait.
  process.once('SIGTERM', () => process.exit(1));
  process.once('SIGINT', () => process.exit(1));
  await server.close();
  process.off('SIGHUP', reload);
}

/** A fault at the start (a port that is taken, a store in use) is told in one line. */
async function startOrFail(start: StartServer, read: () => Config): Promise<RunningServer> {
  try {
    return await start(read(), read);
  } catch (error) {
    if (error instanceof Fault || isMailError(error)) throw new CommandFailure(error.message);
    throw error;
  }
}
