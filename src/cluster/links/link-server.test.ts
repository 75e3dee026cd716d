// Whom a server of links takes them from, and how much of it one peer may have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import { HandClock } from '../testing-cluster-members.ts';
import { LinkFailure } from './link-failure.ts';
import { LinkPool } from './link-pool.ts';
import { LinkServer, type LinkServerOptions } from './link-server.ts';
import { clientTlsOptions } from './link-tls.ts';
import { makeTestAuthority } from './testing.ts';

const authority = await makeTestAuthority();
const [caller, other, called] = await Promise.all(
  ['caller', 'other', 'called'].map((name) => authority.credentials(name)),
);
const services: LinkServerOptions['services'] = new Map([['test', async (call) => call.arguments]]);

function openServer(options: Partial<LinkServerOptions>): Promise<LinkServer> {
  return LinkServer.open({
    credentials: called!,
    address: { host: '127.0.0.1', port: 0 },
    services,
    clock: systemClock,
    log: silentLog,
    ...options,
  });
}

function openPool(credentials: LinkCredentials | undefined): LinkPool {
  return new LinkPool({
    credentials: () => credentials!,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    linksMax: 2,
  });
}

function echo(server: LinkServer, pool: LinkPool, given: unknown = 1): Promise<unknown> {
  const place = { node: 'called' as NodeId, address: { host: '127.0.0.1', port: server.port } };
  const request = { service: 'test', method: 'echo', grant: undefined, arguments: given };
  return pool.call(place, request, { timeoutMs: 10_000 });
}

test('a peer has so many links, the oldest goes; others have theirs', async () => {
  await using server = await openServer({ limits: { peerLinksMax: 2 } });
  const pools = [openPool(other), ...Array.from({ length: 4 }, () => openPool(caller))];
  for (const pool of pools) assert.equal(await echo(server, pool), 1);
  assert.equal(server.links, 3);
  assert.equal(pools[0]!.links, 1);
  for (const pool of pools) await pool.close();
});

test('a peer has so many calls under way over all of its links; others have theirs', async () => {
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  const begun: string[] = [];
  const slow: LinkServerOptions['services'] = new Map([
    [
      'test',
      async ({ peer }) => {
        begun.push(peer);
        await done;
      },
    ],
  ]);
  await using server = await openServer({ services: slow, limits: { peerCallsMax: 3 } });
  const pools = [openPool(caller), openPool(caller)];
  const calls = pools.flatMap((pool) => [1, 2].map(() => echo(server, pool)));
  await using third = openPool(other);
  calls.push(echo(server, third));
  while (begun.filter((peer) => peer === 'caller').length < 3 || !begun.includes('other'))
    await systemClock.nextTurn();
  for (let turn = 0; turn < 20; turn++) await systemClock.nextTurn();
  assert.equal(begun.length, 4);
  finish();
  await Promise.all(calls);
  assert.equal(begun.length, 5);
  for (const pool of pools) await pool.close();
});

test('who is not trusted has a share of a room of its own kind for large messages', async () => {
  const limits = { incomingBytesMax: 8 * 1024 * 1024, outerShareBytesMax: 4 * 1024 * 1024 };
  await using server = await openServer({
    limits,
    servicesFor: ({ node }) => (node === 'caller' ? services : undefined),
  });
  await using outer = openPool(caller);
  await using inner = openPool(other);
  const send = (pool: LinkPool, bytes: number) => echo(server, pool, Buffer.alloc(bytes));
  assert.ok(await send(outer, 3_000_000));
  await assert.rejects(send(outer, 5_000_000), (error) => isMailError(error, 'limitReached'));
  assert.ok(await send(inner, 5_000_000));
});

test('every link is proven with a key: none is resumed from one before', async () => {
  await using server = await openServer({ limits: { handshakeTimeoutMs: 200 } });
  const options = { ...clientTlsOptions(caller!, 'called' as NodeId), host: '127.0.0.1', port: server.port };
  /** With a session of before: without the key. */
  const connectOnce = async (session: Buffer | undefined) => {
    const { cert: _, key: __, ...keyless } = options;
    const socket = connect(session === undefined ? options : { ...keyless, session });
    const sessions: Buffer[] = [];
    let isReused = false;
    socket.on('session', (given: Buffer) => sessions.push(given));
    socket.on('secureConnect', () => {
      isReused = socket.isSessionReused();
    });
    socket.on('error', () => {});
    socket.resume();
    // Nobody says hello.
    await new Promise((resolve) => socket.once('close', resolve));
    return { sessions, isReused };
  };
  const { sessions } = await connectOnce(undefined);
  for (const session of sessions) assert.equal((await connectOnce(session)).isReused, false);
});

test('a key that the node of its name has no more: its links end', { timeout: 60_000 }, async () => {
  const clock = new HandClock();
  const keys = new Set<string>();
  let told: boolean | Error = false;
  await using server = await openServer({
    clock,
    limits: { pingAfterMs: 50_000, silentMs: 100_000 },
    isReplaced: async ({ node, keyDigest }) => {
      keys.add(`${node} ${keyDigest}`);
      if (told instanceof Error) throw told;
      return told;
    },
  });
  await using pool = openPool(caller);
  const call = () => echo(server, pool);
  assert.equal(await call(), 1);
  assert.match([...keys].join(), /^caller [A-Za-z0-9+/=]{44}$/);
  // The database is away: what is there goes on.
  told = new Error('away');
  await clock.advance(10_000);
  assert.equal(await call(), 1);
  told = true;
  await clock.advance(10_000);
  await assert.rejects(async () => {
    for (;;) await call();
  }, LinkFailure);
  assert.equal(server.links, 0);
});
