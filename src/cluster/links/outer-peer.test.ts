// A member of the outer zone that was broken into: what it makes of little.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ByteBudget } from '../../base/byte-budget.ts';
import { systemClock } from '../../base/clock.ts';
import { controlFrame, frameTypes } from './frame.ts';
import { PeerRoom } from './incoming-room.ts';
import { linkLimitsDefault } from './link-limits.ts';
import { encodeValue } from './link-value.ts';
import type { LinkService } from './serving-link.ts';
import { attack, begin, call, data, endAttacks, windowBytes } from './testing-hostile-peer.ts';

afterEach(endAttacks);

/** A request whose header is a list of so many empty objects. */
function objects(stream: number, count: number): Buffer[] {
  const header = Buffer.alloc(5 + count, 0x80);
  header[0] = 0xdd;
  header.writeUInt32BE(count, 1);
  return [begin(stream, { header: header.length }), ...data(stream, header)];
}

test('what a request takes when it is decoded has room too, or is refused', async () => {
  const limits = { ...linkLimitsDefault, outerOwnBytesMax: windowBytes };
  const incoming = new PeerRoom(new ByteBudget(0, systemClock), limits, systemClock);
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  let began = 0;
  const service: LinkService = async () => {
    began++;
    await done;
  };
  const peer = await attack({ incoming, service, isOuter: true });
  peer.read();
  const parts = Array.from({ length: 3_000 }, () => ({}));
  const { header, bodies } = encodeValue(['test', 'any', undefined, parts, 0]);
  const ask = (stream: number): Buffer[] => [
    begin(stream, { header: header.length }),
    ...data(stream, Buffer.concat([header, ...bodies])),
  ];
  // Some 3 KB each, and 600 KB when they are decoded.
  assert.ok(header.length < 4_000);
  await peer.send(...ask(1), ...ask(2), ...ask(3));
  assert.equal(began, 1);
  assert.equal(peer.endedBecause(), undefined);
  finish();
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  await peer.send(...ask(4));
  assert.equal(began, 2);
  await peer.send(...objects(5, 60_000));
  await peer.send(...objects(6, 400_000));
  assert.match(peer.endedBecause() ?? '', /more than there was credit for|too many parts/);
});

test('saying that much will come takes no memory', async () => {
  const limits = { ...linkLimitsDefault, peerCallsMax: 10 };
  const incoming = new PeerRoom(
    new ByteBudget(linkLimitsDefault.outerIncomingBytesMax, systemClock),
    limits,
    systemClock,
  );
  const peer = await attack({ incoming, isOuter: true });
  peer.read();
  const before = process.memoryUsage().arrayBuffers;
  for (let stream = 1; stream < 500; stream++)
    await peer.send(
      begin(stream, { header: 9, body: 100 * windowBytes }),
      controlFrame(frameTypes.cancel, stream),
    );
  assert.equal(peer.endedBecause(), undefined);
  const taken = process.memoryUsage().arrayBuffers - before;
  assert.ok(taken < 200 * windowBytes, `${taken} bytes`);
});

test('a long message comes whole, though its memory grows with it', async () => {
  const limits = linkLimitsDefault;
  const incoming = new PeerRoom(new ByteBudget(64 * windowBytes, systemClock), limits, systemClock);
  const sizes: number[] = [];
  const given = Buffer.alloc(3 * windowBytes + 5, 'abc');
  const service: LinkService = async (asked) => {
    assert.ok(given.equals(asked.arguments as Buffer));
    sizes.push((asked.arguments as Buffer).length);
  };
  const peer = await attack({ incoming, service, isOuter: true });
  peer.read();
  await peer.send(call(1, given), call(2, given));
  assert.deepEqual(sizes, [given.length, given.length]);
});
