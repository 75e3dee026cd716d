// Links between two nodes on loopback, for tests. Not part of the program; a test may import it, nothing else does.

import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import type { LinkVersions } from './hello.ts';
import type { LinkLimits } from './link-limits.ts';
import { LinkPool } from './link-pool.ts';
import { LinkServer } from './link-server.ts';
import type { LinkService } from './serving-link.ts';
import { makeTestAuthority } from './testing.ts';

export const authority = await makeTestAuthority();
export const caller = await authority.credentials('caller');
const called = await authority.credentials('called');

interface TestLink extends AsyncDisposable {
  readonly server: LinkServer;
  readonly pool: LinkPool;
  call(
    method: string,
    given?: unknown,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<unknown>;
}

interface LinkOptions {
  readonly limits?: Partial<LinkLimits>;
  readonly versions?: LinkVersions;
}

export function openPool(
  credentials: LinkCredentials,
  { limits = {}, versions }: LinkOptions = {},
): LinkPool {
  return new LinkPool({
    credentials: () => credentials,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    linksMax: 2,
    limits,
    ...(versions && { versions }),
  });
}

export function openServer(
  service: LinkService,
  { limits = {}, versions }: LinkOptions = {},
): Promise<LinkServer> {
  return LinkServer.open({
    credentials: called,
    address: { host: '127.0.0.1', port: 0 },
    services: new Map([['test', service]]),
    clock: systemClock,
    log: silentLog,
    limits,
    ...(versions && { versions }),
  });
}

export const placeAt = (port: number, node = 'called') => ({
  node: node as NodeId,
  address: { host: '127.0.0.1', port },
});
export const request = (method: string, given?: unknown) => ({
  service: 'test',
  method,
  grant: undefined,
  arguments: given,
});

export async function openLink(service: LinkService, options: LinkOptions = {}): Promise<TestLink> {
  const server = await openServer(service, options);
  const pool = openPool(caller, options);
  return {
    server,
    pool,
    call: (method, given, { timeoutMs = 10_000, signal } = {}) =>
      pool.call(placeAt(server.port), request(method, given), { timeoutMs, signal }),
    async [Symbol.asyncDispose]() {
      await pool.close();
      await server.close();
    },
  };
}

export const echo: LinkService = async (call) => call.arguments;
