// The Unix sockets in the data directory: what they are called, and whether the system takes paths as long as theirs.
// Invariant: a server of which one socket could not be opened does not begin to start.

import { join, resolve } from 'node:path';
import { Fault } from '../base/fault.ts';
import { workerName } from './workers/worker-messages.ts';

/** The kernel's sun_path has 108; most programs, Node 20 and curl among them, want the last one to be zero. */
const socketPathBytesMax = 107;

/** The server's own, in the data directory. */
export const adminSocket = 'admin.sock';

/** Of a worker that does not have the server's own. */
export function workerSocket(worker: string): string {
  return `${worker}.${adminSocket}`;
}

/** Where the store is served to workers. */
export function engineSocketPath(data: string): string {
  return join(data, 'engine.sock');
}

/** The others find it by its node's row, where a place in the file system is told by its beginning. */
export function linkSocketPath(data: string, worker: string): string {
  return resolve(data, `${worker}.sock`);
}

/** Throws a Fault that says how long the data directory's path may be. `workers`: processes that serve. */
export function checkSocketPaths(data: string, workers: number): void {
  // As the command line reaches them, from wherever it is called.
  const path = resolve(data);
  const bytes = Buffer.byteLength(path);
  const bytesMax = dataPathBytesMax(workers);
  if (bytes <= bytesMax) return;
  const isAlright = workers > 1 && bytes <= dataPathBytesMax(1);
  const processes = workers > 1 ? ` with ${workers} workers` : '';
  throw new Fault(
    `the path of the data directory, ${path}, has ${bytes} bytes; the sockets in it leave room for ${bytesMax}${processes}: ` +
      `name another one with --data${isAlright ? ', or set workers = 1' : ''}`,
    { temporary: false },
  );
}

function dataPathBytesMax(workers: number): number {
  // The last worker's name is the longest, and no other socket's is as long.
  const name = workers > 1 ? workerSocket(workerName(workers)) : adminSocket;
  return socketPathBytesMax - 1 - Buffer.byteLength(name);
}
