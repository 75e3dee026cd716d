// What a link carries at the same time: large beside small, in bounded memory, no more calls than were agreed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { isMailError } from '../../mail/mail-error.ts';
import type { LinkService } from './serving-link.ts';
import { openRelay } from './testing.ts';
import { caller, openLink, openPool, openServer, placeAt, request } from './testing-links.ts';

test('large messages are interleaved: a small call passes them', async () => {
  const large = Buffer.alloc(64 * 1024 * 1024, 1);
  await using link = await openLink(async (call) => (call.method === 'large' ? large : 'small'));
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
  await using link = await openLink(async (call) => (call.arguments as Buffer).length, { limits });
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
  await using link = await openLink(
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
