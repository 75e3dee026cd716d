// The program `rookery`. Everything but `serve` and `quickstart` is a client of a running server.

import { buildProgram, runProgram } from './operator/program.ts';
import { addQuickstartCommand } from './operator/quickstart.ts';
import type { RunningServer, StartServer } from './operator/running-server.ts';
import { addServeCommand } from './operator/serve.ts';
import { version } from './version.ts';

/** Loaded when a server is started: the other commands answer sooner without it. */
const start: StartServer = async (config, reread): Promise<RunningServer> => {
  const { startServer } = await import('./compose.ts');
  return startServer(config, reread);
};

const program = buildProgram({
  version,
  addServing: (serving) => {
    addServeCommand(serving, start);
    addQuickstartCommand(serving, start);
  },
});
process.exitCode = await runProgram(program, process.argv.slice(2));
