// The command line as it is documented: all commands, with a server that is never started.

import type { Command } from 'commander';
import { buildProgram } from './program.ts';
import { addQuickstartCommand } from './quickstart.ts';
import { addServeCommand } from './serve.ts';

export function documentedProgram(): Command {
  const start = () => Promise.reject(new Error('only documented'));
  return buildProgram({
    version: '',
    addServing: (program) => {
      addServeCommand(program, start);
      addQuickstartCommand(program, start);
    },
  });
}
