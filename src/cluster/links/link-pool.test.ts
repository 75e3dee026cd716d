// The cache of links to other nodes: how many there are, and which one goes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { LinkServer } from './link-server.ts';
import type { LinkService } from './serving-link.ts';
import { caller, echo, openPool, openServer, placeAt, request } from './testing-links.ts';

/** What was pushed out ends at the other side a moment later. */
async function untilServed(servers: readonly LinkServer[], wanted: readonly number[]): Promise<void> {
  const deadline = systemClock.monotonic() + 60_000;
  const served = () => servers.map(({ links }) => links);
  while (served().join() !== wanted.join() && systemClock.monotonic() < deadline) await systemClock.sleep(5);
  assert.deepEqual(served(), wanted);
}

test('the cache keeps as many links as it may, and pushes out the longest unused', async () => {
  const servers: LinkServer[] = [];
  for (let index = 0; index < 3; index++) servers.push(await openServer(echo));
  await using pool = openPool(caller);
  const ask = (index: number) =>
    pool.call(placeAt(servers[index]!.port), request('x', index), { timeoutMs: 5_000 });
  await Promise.all([ask(0), ask(0), ask(0)]);
  await ask(1);
  await ask(0);
  assert.deepEqual([pool.links, servers[0]!.links], [2, 1]);
  await ask(2);
  assert.equal(pool.links, 2);
  await untilServed(servers, [1, 0, 1]);
  assert.equal(await ask(0), 0);
  for (const server of servers) await server.close();
});

test('a link with something under way is never pushed out, however long it has been so', async () => {
  const services: LinkService[] = [
    (call) => new Promise((resolve) => call.whenCancelled(() => resolve(undefined))),
    echo,
    echo,
    echo,
  ];
  const servers: LinkServer[] = [];
  for (const service of services) servers.push(await openServer(service));
  await using pool = openPool(caller);
  const ask = (index: number) =>
    pool.call(placeAt(servers[index]!.port), request('x', index), { timeoutMs: 5_000 });
  let hasEnded = false;
  const held = await pool.hold(placeAt(servers[0]!.port), request('watch'), {
    said: () => {},
    ended: () => {
      hasEnded = true;
    },
  });
  await ask(1);
  await ask(2);
  assert.equal(pool.links, 2);
  await untilServed(servers, [1, 0, 1, 0]);
  await ask(3);
  await untilServed(servers, [1, 0, 0, 1]);
  assert.equal(hasEnded, false);
  await held.end();
  await ask(1);
  assert.equal(pool.links, 2);
  await untilServed(servers, [0, 1, 0, 1]);
  for (const server of servers) await server.close();
});

test('with new credentials calls go over new links; what is under way on those before goes on, and they end', async () => {
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  let isAsked = false;
  await using server = await openServer(async (call) => {
    isAsked = true;
    if (call.method === 'slow') await over;
    return call.arguments;
  });
  await using pool = openPool(caller);
  const ask = (method: string) =>
    pool.call(placeAt(server.port), request(method, method), { timeoutMs: 60_000 });
  const slow = ask('slow');
  while (!isAsked) await systemClock.nextTurn();
  pool.renew();
  assert.equal(await ask('quick'), 'quick');
  assert.deepEqual([pool.links, server.links], [2, 2]);
  end();
  assert.equal(await slow, 'slow');
  await untilServed([server], [1]);
  pool.renew();
  assert.equal(pool.links, 0);
  assert.equal(await ask('quick'), 'quick');
  assert.equal(pool.links, 1);
});
