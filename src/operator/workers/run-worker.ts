// A worker process: starts as its supervisor orders, serves until it is told to stop or gets SIGTERM itself, drains and ends
// with 0. Without its supervisor it ends at once: nobody would start it again, and the store is gone with it.

import { Fault } from '../../base/fault.ts';
import { isMailError } from '../../mail/mail-error.ts';
import { CommandFailure, exitCodes } from '../exit-codes.ts';
import type { ReadConfig, RunningServer, StartWorkers } from '../running-server.ts';
import { ProcessChannel } from './process-channel.ts';
import type { SupervisorCalls, WorkerCalls } from './worker-messages.ts';

export async function runWorker(start: StartWorkers['worker'], read: ReadConfig): Promise<void> {
  if (process.send === undefined)
    throw new CommandFailure('workers are started by the server', exitCodes.usage);
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  process.once('SIGTERM', tell);
  // A terminal sends these to all its processes; what they mean the supervisor says.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  const orphaned = (): void => process.exit(exitCodes.failure);
  process.once('disconnect', orphaned);
  let server: RunningServer | undefined;
  const running = (): RunningServer => {
    if (server === undefined) throw new Error('the worker is starting');
    return server;
  };
  const calls: WorkerCalls = {
    start: async (orders) => {
      const site = { reload: () => supervisor.call('reload'), metrics: () => supervisor.call('metrics') };
      server = await start(read, { orders, site }).catch(tellPlace);
      return server.endpoints;
    },
    reload: async () => running().reload(),
    metrics: async () => running().metricsText(),
    stop: async () => tell(),
  };
  const supervisor = new ProcessChannel<SupervisorCalls>(process, calls);
  await told;
  await server?.close();
  process.off('disconnect', orphaned);
  if (process.connected) process.disconnect?.();
}

/** The supervisor is told the message alone; of what nobody expected the place is wanted too. */
function tellPlace(error: unknown): never {
  const isTold = error instanceof Fault || error instanceof CommandFailure || isMailError(error);
  if (!isTold) process.stderr.write(`${(error as Error).stack}\n`);
  throw error;
}
