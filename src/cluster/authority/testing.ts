// For tests of joining and of certificates: a cluster of one node in memory, which others can join over TLS.

import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError, type MailError } from '../../mail/mail-error.ts';
import type { Engine } from '../../storage/engine.ts';
import { openMemoryEngine } from '../../storage/memory-engine.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { makeCertificateRequest, makeKey } from './certificates.ts';
import { type ClusterAuthority, createAuthority } from './cluster-authority.ts';
import { JoinServer, listenForJoin } from './join-server.ts';

export const dayMs = 86_400_000;
export const storage = { engine: 'postgres', url: 'postgres://rookery:hunter2@db/rookery' };
export const refused = (kind: MailError['kind'], message?: RegExp) => (error: unknown) =>
  isMailError(error, kind) && (message === undefined || message.test(error.message));

/** The system's clock, which the test sets forward. */
function movableClock(): Clock & { moveMs: number } {
  return Object.assign(Object.create(systemClock) as Clock, {
    moveMs: 0,
    now(this: { moveMs: number }): number {
      return systemClock.now() + this.moveMs;
    },
  });
}

export interface Site extends AsyncDisposable {
  readonly engine: Engine;
  readonly clock: Clock & { moveMs: number };
  readonly authority: ClusterAuthority;
  readonly first: LinkCredentials;
  readonly at: { readonly host: string; readonly port: number };
}

/** A cluster of one node, which others can join. */
export async function openSite(zone = 'inner'): Promise<Site> {
  const engine = openMemoryEngine();
  const clock = movableClock();
  const authority = await createAuthority({ engine, clock, random: systemRandom });
  const key = makeKey();
  const request = await makeCertificateRequest('first' as NodeId, key);
  const { certificate, authorities } = await authority.enroll({ roles: ['mx'], zone }, 'first', request);
  const first = { node: 'first' as NodeId, authorities, certificate, key };
  const server = new JoinServer({ authority, storage: () => storage, clock, log: silentLog });
  const listener = await listenForJoin(server, first, { host: '127.0.0.1', port: 0 });
  const at = { host: '127.0.0.1', port: listener.port };
  return {
    engine,
    clock,
    authority,
    first,
    at,
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

export async function tokenOf(
  { authority }: Site,
  options: { uses?: number; zone?: string } = {},
): Promise<string> {
  const { uses = 1, zone = 'inner' } = options;
  const roles = zone === 'outer' ? (['frontend'] as const) : (['frontend', 'backend'] as const);
  return (await authority.createJoinToken({ roles, zone, expiresMs: 3_600_000, uses })).token;
}
