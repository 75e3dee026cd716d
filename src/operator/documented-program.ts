// The command line as it is documented: all commands, with a server that is never started.

import type { Command } from 'commander';
import { addClusterInitCommand } from './commands/cluster-init.ts';
import { addStoreCopyCommand } from './commands/store-copy.ts';
import { buildProgram } from './program.ts';
import { addQuickstartCommand } from './quickstart.ts';
import { addServeCommand } from './serve.ts';

export function documentedProgram(): Command {
  const never = () => Promise.reject(new Error('only documented'));
  const making = { init: never, join: never };
  const starts = { server: never, workers: { supervisor: never, worker: never } };
  return buildProgram({
    version: '',
    addServing: (program) => {
      addServeCommand(program, starts, making);
      addClusterInitCommand(program, making);
      addQuickstartCommand(program, starts);
      addStoreCopyCommand(program, never);
    },
  });
}
