// The program `rookery`. Everything but `serve` and `quickstart` is a client of a running server.

import { setFlagsFromString } from 'node:v8';
import { addClusterInitCommand } from './operator/commands/cluster-init.ts';
import { addStoreCopyCommand } from './operator/commands/store-copy.ts';
import { buildProgram, runProgram } from './operator/program.ts';
import { addQuickstartCommand } from './operator/quickstart.ts';
import type { NodeMaking } from './operator/running-server.ts';
import { addServeCommand, type Starts } from './operator/serve.ts';
import type { CopyStores } from './operator/store-copying.ts';
import { version } from './version.ts';

// Mail, password hashes and keys are in the files it writes, also where the data directory was made by somebody else.
process.umask(0o077);

/**
 * Mail's bytes pass through buffers outside V8's heap. By default V8 collects the whole heap for every 32 MiB or so of them: a
 * third of the processor while bodies are read (docs/notes/2026-11-22-external-memory.md). Counted with the heap
 * they are collected as the heap grows; and that is when it is three times what lived, not a little more.
 */
setFlagsFromString('--external-memory-accounted-in-global-limit');
setFlagsFromString('--heap-growing-percent=200');

/** Loaded when a server is started: the other commands answer sooner without it. */
const starts: Starts = {
  server: async (readConfig) => (await import('./compose.ts')).startServer(readConfig),
  workers: {
    supervisor: async (...given) => (await import('./compose-workers.ts')).startWorkers(...given),
    worker: async (...given) => (await import('./compose.ts')).startServer(...given),
  },
};

const making: NodeMaking = {
  init: async (config, node) => (await import('./compose-join.ts')).initCluster(config, node),
  join: async (config, request) => (await import('./compose-join.ts')).joinSite(config, request),
};

const copy: CopyStores = async (request) => (await import('./compose-copy.ts')).copyStores(request);

const program = buildProgram({
  version,
  addServing: (serving) => {
    addServeCommand(serving, starts, making);
    addClusterInitCommand(serving, making);
    addQuickstartCommand(serving, starts);
    addStoreCopyCommand(serving, copy);
  },
});
process.exitCode = await runProgram(program, process.argv.slice(2));
