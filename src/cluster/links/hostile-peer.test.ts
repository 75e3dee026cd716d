// A member of the cluster that was broken into: what its links cost the node they lead to, and whom they harm.

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ByteBudget } from '../../base/byte-budget.ts';
import { systemClock } from '../../base/clock.ts';
import { HandClock } from '../testing-cluster-members.ts';
import { controlFrame, creditFrame, frameTypes } from './frame.ts';
import { linkVersions } from './hello.ts';
import { PeerRoom } from './incoming-room.ts';
import { linkLimitsDefault } from './link-limits.ts';
import { OutgoingRoom, OutgoingTotal } from './outgoing-room.ts';
import { PeerWork } from './peer-work.ts';
import type { LinkService } from './serving-link.ts';
import {
  type Attack,
  attack,
  begin,
  call,
  endAttacks,
  helloOf,
  windowBytes,
} from './testing-hostile-peer.ts';

afterEach(endAttacks);

/** The reason for which it ended while this was sent, in rounds. */
async function ends(peer: Attack, rounds: number, frames: (round: number) => Buffer): Promise<string> {
  for (let round = 0; round < rounds && peer.endedBecause() === undefined; round++)
    await peer.send(frames(round));
  return peer.endedBecause() ?? 'it goes on';
}

test('one that calls and never reads has no more calls under way than were agreed', async () => {
  const peer = await attack();
  const calls = (round: number) =>
    Buffer.concat(Array.from({ length: 1000 }, (_, index) => call(1 + round * 1000 + index)));
  assert.equal(await ends(peer, 100, calls), 'the peer sent more streams than agreed');
});

test('one that begins and cancels and never reads is cut', async () => {
  const peer = await attack({ limits: { heldMax: 1000 } });
  const cancelled = (stream: number): Buffer =>
    Buffer.concat([begin(stream, { header: 9 }), controlFrame(frameTypes.cancel, stream)]);
  const many = (round: number): Buffer =>
    Buffer.concat(Array.from({ length: 1000 }, (_, index) => cancelled(1 + round * 1000 + index)));
  assert.equal(await ends(peer, 200, many), 'the peer sends, and does not read');
});

test('requests of held streams are short, and come whole', async () => {
  const long = await attack();
  await long.send(begin(1, { header: windowBytes, held: true }));
  assert.equal(long.endedBecause(), 'the peer sent long requests of held streams');
  const halves = await attack();
  const begun = (round: number): Buffer => begin(1 + round, { header: 1000, held: true });
  assert.equal(await ends(halves, 300, begun), 'the peer sent long requests of held streams');
});

test('messages that were refused and never end are bounded', async () => {
  const peer = await attack();
  peer.read();
  const begun = (round: number): Buffer => begin(1 + round, { header: 9, body: 2 ** 29 });
  assert.equal(await ends(peer, 600, begun), 'the peer sent more requests begun than ended');
});

test('a request has its room until its service is done, also when its link has ended', async () => {
  const incoming = new ByteBudget(5 * windowBytes, systemClock);
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  let began = 0;
  const service: LinkService = async () => {
    began++;
    await done;
  };
  const peer = await attack({ incoming, service });
  await peer.send(call(1, Buffer.alloc(2 * windowBytes)), call(2, Buffer.alloc(2 * windowBytes)));
  assert.equal(began, 2);
  const used = incoming.bytesUsed;
  assert.ok(used >= 4 * windowBytes);
  await peer.send(controlFrame(frameTypes.cancel, 1));
  peer.link.close('cut');
  assert.equal(incoming.bytesUsed, used);
  finish();
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  assert.equal(incoming.bytesUsed, 0);
});

test('new links buy no more calls under way: of ended links too they count until they are done', async () => {
  const work = new PeerWork({ callsMax: 6, heldMax: 6 });
  const finish: (() => void)[] = [];
  const service: LinkService = () =>
    new Promise<void>((resolve) => {
      finish.push(resolve);
    });
  const calls = (count: number) => Array.from({ length: count }, (_, index) => call(1 + index));
  for (let link = 0; link < 20; link++) {
    const peer = await attack({ service, work });
    await peer.send(...calls(4));
    peer.link.close('cut');
  }
  assert.equal(finish.length, 6);
  const [one, two] = [await attack({ service, work }), await attack({ service, work })];
  await one.send(...calls(2));
  await two.send(...calls(2));
  assert.equal(finish.length, 6);
  // Another peer's are its own.
  const other = await attack({ service, work: new PeerWork({ callsMax: 6, heldMax: 6 }) });
  await other.send(...calls(1));
  assert.equal(finish.length, 7);
  for (const done of finish.slice(0, 3)) done();
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  assert.equal(finish.length, 10);
  for (const done of finish.slice(3)) done();
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  assert.equal(finish.length, 11);
  for (const peer of [one, two, other]) assert.equal(peer.endedBecause(), undefined);
});

test('watches of one peer are counted over all of its links, and no longer than those last', async () => {
  const work = new PeerWork({ callsMax: 6, heldMax: 6 });
  const service: LinkService = (held) =>
    new Promise<void>((resolve) => {
      held.whenCancelled(resolve);
    });
  const watches = (count: number) =>
    Array.from({ length: count }, (_, index) => call(1 + index, undefined, true));
  const one = await attack({ service, work });
  await one.send(...watches(4));
  const two = await attack({ service, work });
  await two.send(...watches(4));
  assert.equal(two.endedBecause(), 'the peer sent more streams than agreed');
  assert.equal(one.endedBecause(), undefined);
  one.link.close('cut');
  const three = await attack({ service, work });
  await three.send(...watches(6));
  assert.equal(three.endedBecause(), undefined);
});

test('requests of one peer that do not end are counted over all of its links, and no longer than those last', async () => {
  const work = new PeerWork({ callsMax: 6, heldMax: 6 });
  const begun = (count: number) =>
    Array.from({ length: count }, (_, index) => begin(1 + index, { header: 9, body: 1_000 }));
  const one = await attack({ work });
  await one.send(...begun(4));
  const two = await attack({ work });
  await two.send(...begun(4));
  assert.equal(two.endedBecause(), 'the peer sent more streams than agreed');
  assert.equal(one.endedBecause(), undefined);
  await one.send(controlFrame(frameTypes.cancel, 1));
  const three = await attack({ work });
  await three.send(...begun(3));
  assert.equal(three.endedBecause(), undefined);
  one.link.close('cut');
  three.link.close('cut');
  const four = await attack({ work, service: async () => 1 });
  // Those that come whole make room for the next.
  for (let round = 0; round < 5; round++)
    await four.send(...Array.from({ length: 6 }, (_, index) => call(1 + 6 * round + index)));
  await four.send(...Array.from({ length: 6 }, (_, index) => begin(100 + index, { header: 9 })));
  assert.equal(four.endedBecause(), undefined);
});

test('messages that wait for room are few, whatever became of their links', async () => {
  const all = new ByteBudget(8 * windowBytes, systemClock);
  const room = new PeerRoom(
    all,
    { ...linkLimitsDefault, outerShareBytesMax: 4 * windowBytes, peerCallsMax: 2 },
    systemClock,
  );
  assert.equal(room.tryAcquire(4 * windowBytes), true);
  const [one, two, three] = [windowBytes + 1, windowBytes + 2, windowBytes + 3];
  const waiting = [room.acquire(one, 60_000), room.acquire(two, 60_000)];
  assert.equal(await room.acquire(three, 60_000), false);
  room.release(4 * windowBytes);
  assert.deepEqual(await Promise.all(waiting), [true, true]);
  assert.equal(await room.acquire(three, 60_000), true);
  assert.equal(all.bytesUsed, one + two + three);
});

test('one that never says a whole hello is not spoken with for ever', async () => {
  const clock = new HandClock();
  const hello = helloOf(linkVersions);
  const peer = await attack({ clock, first: hello.subarray(0, 1) });
  for (let second = 1; second <= 5 && peer.endedBecause() === undefined; second++) {
    await clock.advance(1_000);
    await peer.send(hello.subarray(second, second + 1));
  }
  assert.equal(peer.endedBecause(), 'no hello came');
});

test('what is said behind a hello that is refused is not done', async () => {
  let calls = 0;
  const service: LinkService = async () => {
    calls++;
  };
  const { highest } = linkVersions;
  const tooNew = helloOf({ lowest: highest + 1, highest: highest + 1 });
  const peer = await attack({ service, first: Buffer.concat([tooNew, call(1)]) });
  peer.read();
  await peer.send(call(2));
  assert.equal(calls, 0);
});

test('a message that has room and does not come loses it', async () => {
  const clock = new HandClock();
  const incoming = new ByteBudget(5 * windowBytes, clock);
  const peer = await attack({ clock, incoming });
  peer.read();
  await peer.send(begin(1, { header: 9, body: 4 * windowBytes }));
  assert.ok(incoming.bytesUsed > 0);
  // It says now and then that it lives.
  for (let second = 0; second < 121; second++) {
    await peer.send(controlFrame(frameTypes.pong, 0));
    await clock.advance(1_000);
  }
  assert.equal(peer.endedBecause(), undefined);
  assert.equal(incoming.bytesUsed, 0);
});

test('peers of the outer zone that take all there is leave others their own room for ordinary mail', async () => {
  const all = new ByteBudget(6 * windowBytes, systemClock);
  const limits = {
    ...linkLimitsDefault,
    outerShareBytesMax: 4 * windowBytes,
    outerOwnBytesMax: 2 * windowBytes,
  };
  const [one, two, honest] = [0, 1, 2].map(() => new PeerRoom(all, limits, systemClock));
  const greedy = [await attack({ incoming: one! }), await attack({ incoming: two! })];
  for (const peer of greedy)
    await peer.send(...[1, 2, 3, 4].map((stream) => begin(stream, { header: 9, body: 2 * windowBytes - 9 })));
  assert.equal(all.bytesUsed, 6 * windowBytes);
  assert.deepEqual(
    [windowBytes, windowBytes, 1].map((bytes) => honest!.tryAcquire(bytes)),
    [true, true, false],
  );
  honest!.release(windowBytes);
  assert.equal(honest!.tryAcquire(1), true);
  assert.equal(honest!.tryAcquire(windowBytes + 1), false);
  for (const peer of greedy) peer.link.close('cut');
  for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
  assert.equal(all.bytesUsed, 0);
});

test('one that lives and takes nothing of its answers is given up; one that takes them is not', async () => {
  const service: LinkService = async () => Buffer.alloc(4 * windowBytes);
  const clock = new HandClock();
  const [deaf, reading] = [await attack({ clock, service }), await attack({ clock, service })];
  reading.read();
  for (const peer of [deaf, reading]) await peer.send(call(1));
  for (let second = 0; second < 70; second++) {
    for (const peer of [deaf, reading]) await peer.send(controlFrame(frameTypes.pong, 0));
    // It reads as much as it gives credit for.
    await reading.send(creditFrame(1, 64 * 1024), creditFrame(0, 64 * 1024));
    await clock.advance(1_000);
  }
  assert.equal(deaf.endedBecause(), 'the peer takes next to nothing of what is said to it');
  assert.equal(reading.endedBecause(), undefined);
});

test('answers of which nobody said how long they are do not pile up for who does not read', async () => {
  const pending = new OutgoingTotal(1_000 * windowBytes);
  const outgoing = new OutgoingRoom(4 * windowBytes, pending);
  let made = 0;
  const service: LinkService = async () => {
    made++;
    await systemClock.nextTurn();
    return Buffer.alloc(windowBytes);
  };
  const links = [await attack({ service, outgoing }), await attack({ service, outgoing })];
  for (const link of links) await link.send(...Array.from({ length: 50 }, (_, index) => call(1 + index)));
  for (let turn = 0; turn < 10; turn++) await systemClock.nextTurn();
  // All were begun at once, and most were refused instead of being kept.
  assert.ok(made >= 50);
  assert.ok(pending.bytes > 3 * windowBytes && pending.bytes < 6 * windowBytes, `${pending.bytes}`);
  for (const { link } of links) link.close('cut');
  assert.equal(pending.bytes, 0);
});
