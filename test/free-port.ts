// A port of 127.0.0.1 that nobody has now, for programs that cannot be told to choose one themselves. Somebody else may take it
// before it is used, so it is none of those that the kernel gives: to connections, and to all who ask for any port.

import { createServer } from 'node:net';
import { systemRandom } from '../src/base/random.ts';

/** Below what Linux gives by default (ip_local_port_range), above the ports that services have. */
const [portMin, portEnd] = [20_000, 32_000];
const attemptsMax = 20;
/** In this process: who has asked for one has it soon. */
const given = new Set<number>();

export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const port = portMin + systemRandom.integer(portEnd - portMin);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port from ${portMin} to ${portEnd - 1} in ${attemptsMax} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
