// `rookery serve` and what runs a server until a signal ends it: SIGTERM and SIGINT drain, SIGHUP reloads.

import { type Command, Option } from 'commander';
import { Fault } from '../base/fault.ts';
import { isMailError } from '../mail/mail-error.ts';
import { nodeNameDefault } from './commands/cluster-init.ts';
import { type ConfigOptions, configFrom, withConfigOptions } from './commands/configuration.ts';
import { checkSocketPaths } from './data-sockets.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import type { NodeMaking, ReadConfig, RunningProgram, StartServer, StartWorkers } from './running-server.ts';
import { runWorker } from './workers/run-worker.ts';
import { workerCount } from './workers/worker-count.ts';

export interface ServeOptions {
  readonly starts: Starts;
  readonly read: ReadConfig;
  /** What is done once it runs, before it only waits. */
  readonly started?: (server: RunningProgram) => Promise<void>;
}

/** How a server starts: as one process, or as several workers. */
export interface Starts {
  readonly server: StartServer;
  readonly workers: StartWorkers;
}

interface ServeCommandOptions extends WorkerOptions {
  readonly join?: string;
  readonly node?: string;
}

/** Of every command that serves: with it the process is one of several workers. */
export interface WorkerOptions {
  readonly worker?: string;
}

/** Where nodes join when the operator names no port: listen.join's default. */
const joinPortDefault = 2434;

export function addServeCommand(program: Command, starts: Starts, making: NodeMaking): void {
  withConfigOptions(program.command('serve').description('run the server until SIGTERM; SIGHUP reloads'))
    .option(
      '--join <token@host[:port]>',
      'join a cluster first (a token is made by `rookery cluster token`); once joined it is not needed any more',
    )
    .option('--node <name>', "this node's name in the cluster; default: the machine's")
    .addOption(workerOption())
    .action(async (options: ServeCommandOptions, command: Command) => {
      const read: ReadConfig = (defaults) =>
        configFrom(command.optsWithGlobals<ConfigOptions>(), command, defaults);
      if (options.worker !== undefined) return await runWorker(starts.workers.worker, read);
      const { join } = options;
      if (join !== undefined) {
        const request = { ...parseJoin(join), node: options.node ?? nodeNameDefault() };
        const config = read();
        await orFail(async () => {
          // A token is good for one join.
          checkSocketPaths(config.data, 1);
          await making.join(config, request);
        });
      }
      await serve({ starts, read });
    });
}

/** How a supervisor starts its workers; the name is for whoever lists processes. */
export function workerOption(): Option {
  return new Option('--worker <name>').hideHelp();
}

/** As many processes as the configuration wants. */
async function startAll({ server, workers }: Starts, read: ReadConfig): Promise<RunningProgram> {
  const config = read();
  const count = await workerCount(config);
  checkSocketPaths(config.data, count);
  return count === 1 ? await server(read) : await workers.supervisor(read, count);
}

/** "TOKEN@host:port", "TOKEN@[::1]:port"; the port may be left out. */
function parseJoin(text: string): { readonly token: string; readonly host: string; readonly port: number } {
  const match = /^([^@\s]+)@(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(text);
  if (match === null)
    throw new CommandFailure(`--join: expected TOKEN@host or TOKEN@host:port`, exitCodes.usage);
  return { token: match[1]!, host: match[2] ?? match[3]!, port: Number(match[4] ?? joinPortDefault) };
}

/** Runs a server until a signal. Whoever reads that it started may signal at once: signals are heard before it starts. */
export async function serve({ starts, read, started }: ServeOptions): Promise<void> {
  const told = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  let server: RunningProgram | undefined;
  const reload = (): void => {
    void (async () => server?.reload())().catch((error: Error) => {
      server?.log.error({ reason: error.message }, 'configuration not reloaded');
    });
  };
  process.on('SIGHUP', reload);
  server = await orFail(() => startAll(starts, read));
  try {
    await started?.(server);
    await told;
  } finally {
    // A second signal ends it at once, for an operator who will not wait.
    process.once('SIGTERM', () => process.exit(1));
    process.once('SIGINT', () => process.exit(1));
    await server.close();
    process.off('SIGHUP', reload);
  }
}

/** A fault at the start (a port that is taken, a store in use) is told in one line. */
async function orFail<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Fault || isMailError(error)) throw new CommandFailure(error.message);
    throw error;
  }
}
