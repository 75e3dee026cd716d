// Links over real TLS on loopback: calls and streams, who is let in, versions, links that break.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { systemClock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { LinkFailure, NotHostedHere } from './link-failure.ts';
import { clientTlsOptions } from './link-tls.ts';
import type { LinkCall } from './serving-link.ts';
import { makeTestAuthority, openRelay } from './testing.ts';
import {
  authority,
  caller,
  echo,
  openLink,
  openPool,
  openServer,
  placeAt,
  request,
} from './testing-links.ts';

test('a call carries arguments, grant and peer there, and the answer or the failure back', async () => {
  const seen: LinkCall[] = [];
  await using link = await openLink(async (call) => {
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

test('a call that is given up tells the service, and the link goes on', async () => {
  const begun = Promise.withResolvers<LinkCall>();
  const cancelled = Promise.withResolvers<void>();
  await using link = await openLink(async (call) => {
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

test('a held stream hears what is pushed, in order, until either side ends it', async () => {
  const cancelled = Promise.withResolvers<void>();
  await using link = await openLink(async (call) => {
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
  const tls = connectTls({ ...clientTlsOptions(caller, 'called' as NodeId), socket: plain });
  tls.on('error', () => {});
  const closed = server.close();
  while (!tls.closed) {
    assert.equal(server.links, 0, 'a link was made of it');
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
});
