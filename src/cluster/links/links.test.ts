// Links over real TLS on loopback.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import type { LinkCredentials } from '../link-credentials.ts';
import type { LinkVersions } from './hello.ts';
import { LinkFailure, NotHostedHere } from './link-failure.ts';
import type { LinkLimits } from './link-limits.ts';
import { LinkPool } from './link-pool.ts';
import { LinkServer } from './link-server.ts';
import { clientTlsOptions } from './link-tls.ts';
import type { LinkCall, LinkService } from './serving-link.ts';
import { makeTestAuthority, openRelay } from './testing.ts';

const authority = await makeTestAuthority();
const caller = await authority.credentials('caller');
const called = await authority.credentials('called');

interface Fixture extends AsyncDisposable {
  readonly server: LinkServer;
  readonly pool: LinkPool;
  call(
    method: string,
    given?: unknown,
    options?: { signal?: AbortSignal; timeoutMs?: number },
  ): Promise<unknown>;
}

interface FixtureOptions {
  readonly limits?: Partial<LinkLimits>;
  readonly port?: number;
  readonly versions?: LinkVersions;
}

function openPool(credentials: LinkCredentials, { limits = {}, versions }: FixtureOptions = {}): LinkPool {
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

function openServer(
  service: LinkService,
  { limits = {}, versions }: FixtureOptions = {},
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

const placeAt = (port: number, node = 'called') => ({
  node: node as NodeId,
  address: { host: '127.0.0.1', port },
});
const request = (method: string, given?: unknown) => ({
  service: 'test',
  method,
  grant: undefined,
  arguments: given,
});

async function open(service: LinkService, options: FixtureOptions = {}): Promise<Fixture> {
  const server = await openServer(service, options);
  const pool = openPool(caller, options);
  return {
    server,
    pool,
    call: (method, given, { timeoutMs = 10_000, signal } = {}) =>
      pool.call(placeAt(options.port ?? server.port), request(method, given), { timeoutMs, signal }),
    async [Symbol.asyncDispose]() {
      await pool.close();
      await server.close();
    },
  };
}

const echo: LinkService = async (call) => call.arguments;

test('a call carries arguments, grant and peer there, and the answer or the failure back', async () => {
  const seen: LinkCall[] = [];
  await using link = await open(async (call) => {
    seen.push(call);
    if (call.method === 'refuse') throw new MailError('overQuota', 'no room');
    if (call.method === 'fault') throw new Fault('the disk', { temporary: true });
    if (call.method === 'elsewhere') throw new NotHostedHere();
    if (call.method === 'bug') throw new TypeError('secret');
    return call.arguments;
  });
  const body = Buffer.alloc(3_000_000, 'abcdefg');
  assert.deepStrictEqual(await link.call('echo', { body, undefined: undefined }), {
    body,
    undefined: undefined,
  });
  assert.equal(seen[0]!.peer, 'caller');
  const grant = Buffer.from('grant');
  await link.pool.call(placeAt(link.server.port), { ...request('echo'), grant }, { timeoutMs: 10_000 });
  assert.deepEqual(seen[1]!.grant, grant);
  await assert.rejects(link.call('refuse'), (error) => isMailError(error, 'overQuota'));
  await assert.rejects(link.call('fault'), (error) => error instanceof Fault && error.temporary);
  await assert.rejects(link.call('elsewhere'), NotHostedHere);
  await assert.rejects(link.call('bug'), (error) => error instanceof Fault && !/secret/.test(error.message));
  const unknown = { ...request('x'), service: 'none' };
  await assert.rejects(link.pool.call(placeAt(link.server.port), unknown, { timeoutMs: 10_000 }), (error) =>
    isMailError(error, 'notSupported'),
  );
  assert.equal(link.server.links, 1);
});

test('who is not a member hears nothing and reaches no service', async () => {
  let calls = 0;
  await using server = await openServer(async () => ++calls);
  const stranger = await makeTestAuthority();
  const foreign = await stranger.credentials('caller');
  const pools = [
    openPool(foreign),
    openPool({ ...foreign, authorities: caller.authorities }),
    openPool(await authority.credentials('caller', { expired: true })),
    openPool(await authority.credentials(undefined)),
    openPool(await authority.credentials('Not a node')),
  ];
  for (const pool of pools) {
    await assert.rejects(pool.call(placeAt(server.port), request('x'), { timeoutMs: 5_000 }), LinkFailure);
    await pool.close();
  }
  // A member that is not the node that was meant.
  const pool = openPool(caller);
  const other = placeAt(server.port, 'another');
  await assert.rejects(pool.call(other, request('x'), { timeoutMs: 5_000 }), /certificate is that of called/);
  await pool.close();
  assert.equal(calls, 0);
});

test('nothing is spoken before the handshake, without a certificate, or in another protocol', async () => {
  await using server = await openServer(echo);
  const heard = (socket: ReturnType<typeof connectPlain>): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
  const plain = connectPlain(server.port, '127.0.0.1');
  plain.write('EHLO a\r\n\r\n\r\n\r\n\r\n');
  // At the most a TLS alert: content type 21.
  assert.match(await heard(plain), /^(?:\x15[\x00-\xff]{0,10})?$/);
  const { key, cert, ...nameless } = clientTlsOptions(caller, 'called' as NodeId);
  assert.ok(key && cert);
  const at = { port: server.port, host: '127.0.0.1' };
  assert.equal(await heard(connectTls({ ...nameless, ...at })), '');
  assert.equal(await heard(connectTls({ ...nameless, key, cert, ALPNProtocols: ['http/1.1'], ...at })), '');
  const { ALPNProtocols: _, ...without } = { ...nameless, key, cert };
  assert.equal(await heard(connectTls({ ...without, ...at })), '');
});

test('neighbouring versions work together, distant ones are refused with a reason', async () => {
  await using server = await openServer(echo, { versions: { lowest: 2, highest: 3 } });
  for (const [versions, works] of [
    [{ lowest: 1, highest: 2 }, true],
    [{ lowest: 3, highest: 4 }, true],
    [{ lowest: 1, highest: 1 }, false],
    [{ lowest: 4, highest: 9 }, false],
  ] as const) {
    const pool = openPool(caller, { versions });
    const answer = pool.call(placeAt(server.port), request('x', 7), { timeoutMs: 5_000 });
    if (works) assert.equal(await answer, 7);
    else
      await assert.rejects(
        answer,
        /this node speaks versions 2 to 3 of the link protocol, the caller version/,
      );
    await pool.close();
  }
});

test('large messages are interleaved: a small call passes them', async () => {
  const large = Buffer.alloc(64 * 1024 * 1024, 1);
  await using link = await open(async (call) => (call.method === 'large' ? large : 'small'));
  const order: string[] = [];
  const slow = link.call('large').then((answer) => {
    order.push('large');
    assert.equal((answer as Buffer).length, large.length);
  });
  const upload = link.call('x', { large }).then(() => order.push('upload'));
  const quick = link.call('small').then(() => order.push('small'));
  await Promise.all([slow, upload, quick]);
  assert.equal(order[0], 'small');
});

test('a peer that does not read costs bounded memory: answers wait as calls, not as bytes', async () => {
  const answer = Buffer.alloc(1024 * 1024, 1);
  let begun = 0;
  const limits = { outgoingBytesMax: 4 * 1024 * 1024, silentMs: 60_000, callsMax: 200 };
  const service: LinkService = async (call) => {
    if (call.method === 'large') begun++;
    return call.method === 'large' ? answer : 'here';
  };
  await using server = await openServer(service, { limits });
  await using relay = await openRelay(server.port);
  await using pool = openPool(caller, { limits });
  const ask = (method: string) => {
    const answerBytes = method === 'large' ? answer.length : 0;
    return pool.call(placeAt(relay.port), { ...request(method), answerBytes }, { timeoutMs: 60_000 });
  };
  await ask('small');
  relay.stopAnswers();
  const calls = Array.from({ length: 200 }, () => ask('large'));
  await relay.requestsPassed(200 * 20);
  // Whatever could begin has its turns to do so.
  for (let turn = 0; turn < 50; turn++) await systemClock.nextTurn();
  // What was promised to go (4 MiB), what may wait behind it (4 MiB), and the network's own buffers.
  assert.ok(begun < 40, `${begun} of 200 calls were begun`);
  relay.thaw();
  for (const bytes of await Promise.all(calls)) assert.equal((bytes as Buffer).length, answer.length);
  assert.equal(begun, 200);
});

test('large requests take turns in bounded memory, and one too large for it is refused', async () => {
  const limits = { incomingBytesMax: 4 * 1024 * 1024 };
  await using link = await open(async (call) => (call.arguments as Buffer).length, { limits });
  const sizes = await Promise.all(
    Array.from({ length: 12 }, () => link.call('x', Buffer.alloc(3 * 1024 * 1024))),
  );
  assert.deepEqual(new Set(sizes), new Set([3 * 1024 * 1024]));
  await assert.rejects(link.call('x', Buffer.alloc(5 * 1024 * 1024)), (error) =>
    isMailError(error, 'limitReached'),
  );
  assert.equal(await link.call('x', Buffer.alloc(10)), 10);
});

test('more calls than are agreed wait at the caller, in order', async () => {
  let under = 0;
  let most = 0;
  const limits = { callsMax: 3 };
  await using link = await open(
    async (call) => {
      most = Math.max(most, ++under);
      await systemClock.nextTurn();
      under--;
      return call.arguments;
    },
    { limits },
  );
  const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => link.call('x', index)));
  assert.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, index) => index),
  );
  assert.equal(most, 3);
});

test('a call that is given up tells the service, and the link goes on', async () => {
  const begun = Promise.withResolvers<LinkCall>();
  const cancelled = Promise.withResolvers<void>();
  await using link = await open(async (call) => {
    if (call.method !== 'wait') return call.arguments;
    begun.resolve(call);
    await new Promise<void>((resolve) => call.whenCancelled(resolve));
    cancelled.resolve();
    return Buffer.alloc(1_000_000);
  });
  const controller = new AbortController();
  const waiting = link.call('wait', undefined, { signal: controller.signal });
  await begun.promise;
  controller.abort();
  await assert.rejects(waiting, LinkFailure);
  await cancelled.promise;
  await assert.rejects(link.call('wait', undefined, { timeoutMs: 20 }), /no answer within/);
  const aborted = new AbortController();
  const upload = link.call('x', Buffer.alloc(50_000_000), { signal: aborted.signal });
  await systemClock.nextTurn();
  aborted.abort();
  await assert.rejects(upload, LinkFailure);
  assert.equal(await link.call('x', 'still there'), 'still there');
  assert.equal(link.pool.links, 1);
});

test('a link that is cut fails its calls, tells the services, and is made again', async () => {
  const ended = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  await using server = await openServer(async (call) => {
    if (call.method !== 'wait') return call.arguments;
    call.whenCancelled(() => ended.resolve());
    begun.resolve();
    await ended.promise;
    return undefined;
  });
  await using relay = await openRelay(server.port);
  await using pool = openPool(caller);
  const ask = (method: string) => pool.call(placeAt(relay.port), request(method, 1), { timeoutMs: 10_000 });
  const waiting = ask('wait');
  await begun.promise;
  relay.cut();
  await assert.rejects(waiting, LinkFailure);
  await ended.promise;
  assert.equal(await ask('x'), 1);
});

test('a silent peer is found', async () => {
  const limits = { pingAfterMs: 20, silentMs: 100 };
  await using server = await openServer(echo, { limits });
  await using relay = await openRelay(server.port);
  await using pool = openPool(caller, { limits });
  const ask = () => pool.call(placeAt(relay.port), request('x', 1), { timeoutMs: 10_000 });
  assert.equal(await ask(), 1);
  relay.freeze();
  await assert.rejects(ask(), /silent for 100 ms/);
});

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

test('a held stream hears what is pushed, in order, until either side ends it', async () => {
  const cancelled = Promise.withResolvers<void>();
  await using link = await open(async (call) => {
    for (let index = 0; index < 100; index++) await call.push({ index, bytes: Buffer.alloc(index * 1000) });
    if (call.method === 'short') return undefined;
    await new Promise<void>((resolve) => call.whenCancelled(resolve));
    cancelled.resolve();
    return undefined;
  });
  const place = placeAt(link.server.port);
  const hold = (method: string) => {
    const heard: number[] = [];
    const all = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<Error | undefined>();
    const said = (value: unknown): void => {
      const { index, bytes } = value as { index: number; bytes: Buffer };
      assert.equal(bytes.length, index * 1000);
      if (heard.push(index) === 100) all.resolve();
    };
    const stream = link.pool.hold(place, request(method), { said, ended: ended.resolve });
    return { heard, all: all.promise, ended: ended.promise, stream };
  };
  const short = hold('short');
  assert.equal(await short.ended, undefined);
  assert.deepEqual(
    short.heard,
    Array.from({ length: 100 }, (_, index) => index),
  );
  const long = hold('long');
  await long.all;
  await (await long.stream).end();
  await cancelled.promise;
  const cut = hold('long');
  await cut.all;
  await link.server.close();
  assert.ok((await cut.ended) instanceof LinkFailure);
});

test('a link whose handshake is under way when the listener closes does not keep it open', async () => {
  const server = await openServer(async () => 'pong');
  const plain = connectPlain(server.port, '127.0.0.1');
  await once(plain, 'connect');
  // The listener takes the connection in its own turn.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const tls = connectTls({ ...clientTlsOptions(caller, called.node), socket: plain });
  tls.on('error', () => {});
  const closed = server.close();
  while (!tls.closed) {
    assert.equal(server.links, 0, 'a link was made of it');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
});
