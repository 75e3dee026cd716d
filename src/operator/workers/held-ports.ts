// Ports for listeners that the configuration leaves to the system (port 0) and that several processes share: chosen once, and
// kept from everybody else until those processes listen there themselves.
// Invariant: a port that was chosen is never free until `use` is done. Connections to it that come before a process listens
// are cut. Fails with Fault when the address is not this machine's.

import { createServer } from 'node:net';
import { Fault } from '../../base/fault.ts';
import type { Endpoint } from '../running-server.ts';

/** By the listener's name, in the order of its places. */
export type ListenPorts = Readonly<Record<string, readonly number[]>>;

export async function withHeldPorts<T>(
  listen: Readonly<Record<string, readonly Pick<Endpoint, 'address' | 'port'>[]>>,
  use: (ports: ListenPorts) => Promise<T>,
): Promise<T> {
  await using held = new AsyncDisposableStack();
  const ports: Record<string, number[]> = {};
  for (const [name, places] of Object.entries(listen)) {
    ports[name] = [];
    for (const { address, port } of places)
      ports[name].push(port === 0 ? await holdOne(address, held) : port);
  }
  return await use(ports);
}

/** Who shares it (`reusePort`, the same user) may listen there too; nobody else. */
async function holdOne(address: string, held: AsyncDisposableStack): Promise<number> {
  const server = createServer((socket) => socket.destroy());
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port: 0, reusePort: true }, resolve);
    });
  } catch (cause) {
    throw new Fault(`no port of ${address} can be had: ${(cause as Error).message}`, {
      temporary: true,
      cause,
    });
  }
  held.use(server);
  const place = server.address();
  if (place === null || typeof place === 'string') throw new Fault('no port', { temporary: true });
  return place.port;
}
