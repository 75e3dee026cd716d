// rookery cluster init: makes a cluster of a store, and this machine its first node, before the server is started.

import { hostname } from 'node:os';
import type { Command } from 'commander';
import { Fault } from '../../base/fault.ts';
import type { Config } from '../../config/schema.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { CommandFailure } from '../exit-codes.ts';
import type { NodeMaking } from '../running-server.ts';
import { type ConfigOptions, configFrom, withConfigOptions } from './configuration.ts';

/** The machine's own name as a node may have it. */
export function nodeNameDefault(): string {
  const name = hostname().split('.')[0]!.toLowerCase();
  return name.replaceAll(/[^a-z0-9-]/g, '-').slice(0, 63) || 'node';
}

function whoMayJoin({ storage }: Config): string {
  if (storage.engine !== 'lmdb') return 'then `rookery cluster token` gives what other machines join with.';
  return 'then frontends of the outer zone can join it (rookery cluster token --zone outer --role frontend). Its store is in this machine: for other nodes, move it to PostgreSQL first.';
}

export function addClusterInitCommand(program: Command, making: NodeMaking): void {
  const cluster = program.commands.find((command) => command.name() === 'cluster');
  withConfigOptions(
    (cluster ?? program.command('cluster').description('this cluster and its nodes'))
      .command('init')
      .description('make a cluster of the configured store, with this machine as its first node'),
  )
    .option('--node <name>', "this node's name in the cluster; default: the machine's")
    .action(async (options: { node?: string }, command: Command) => {
      const config = configFrom(command.optsWithGlobals<ConfigOptions>(), command);
      try {
        const made = await making.init(config, options.node ?? nodeNameDefault());
        const isJson = command.optsWithGlobals<{ json?: boolean }>().json === true;
        process.stdout.write(
          isJson
            ? `${JSON.stringify(made)}\n`
            : `made cluster ${made.cluster}; this machine is its node ${made.node}\nNext: start it (rookery serve), ${whoMayJoin(config)}\n`,
        );
      } catch (error) {
        if (error instanceof Fault || isMailError(error)) throw new CommandFailure(error.message);
        throw error;
      }
    });
}
