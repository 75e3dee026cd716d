// What a peer may send on a link: any bytes are frames or end the link, in whatever pieces they come; nothing but the
// link ends, no call stays open, and no more memory is taken than was promised. Values either do not decode, or come out
// of their own encoding as they went in.

import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { ByteBudget } from '../../src/base/byte-budget.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { CallingLink } from '../../src/cluster/links/calling-link.ts';
import {
  beginFrame,
  controlFrame,
  creditFrame,
  FrameReader,
  frameTypes,
  LinkProtocolError,
  writeFrameHeader,
} from '../../src/cluster/links/frame.ts';
import { encodeHello, linkVersions } from '../../src/cluster/links/hello.ts';
import { answerOf } from '../../src/cluster/links/link-failure.ts';
import { linkLimitsDefault } from '../../src/cluster/links/link-limits.ts';
import { encodeRequest } from '../../src/cluster/links/link-request.ts';
import { decodeValue, encodeValue } from '../../src/cluster/links/link-value.ts';
import { PeerWork } from '../../src/cluster/links/peer-work.ts';
import { ServingLink } from '../../src/cluster/links/serving-link.ts';
import type { NodeId } from '../../src/mail/ids.ts';
import type { FuzzTarget } from './fuzz-target.ts';

const limits = { ...linkLimitsDefault, incomingBytesMax: 8 * 1024 * 1024, callsMax: 4, heldMax: 4 };
const hello = controlFrame(
  frameTypes.hello,
  0,
  encodeHello({ versions: linkVersions, streamWindowBytes: 65_536, linkWindowBytes: 65_536, callsMax: 4 }),
);

function messageFrames(stream: number, value: unknown, held = false): Buffer {
  const { header, bodies, bodyBytes } = encodeValue(value);
  const bytes = Buffer.concat([header, ...bodies]);
  const frame = Buffer.alloc(9);
  writeFrameHeader(frame, 0, { type: frameTypes.data, stream, length: bytes.length });
  const begin = beginFrame(stream, { last: true, held, headerBytes: header.length, bodyBytes });
  return Buffer.concat([begin, frame, bytes]);
}

const request = (given: unknown) =>
  encodeRequest({ service: 'test', method: 'echo', grant: undefined, arguments: given });

/** Everything that a reader makes of bytes, pieces of one data frame joined. */
function readFrames(input: Buffer, pieceBytes: number): string {
  const seen: string[] = [];
  let data: Buffer = Buffer.alloc(0);
  const flush = (): void => {
    if (data.length > 0) seen.push(`data ${data.toString('latin1')}`);
    data = Buffer.alloc(0);
  };
  const reader = new FrameReader({
    control(type, stream, payload) {
      flush();
      seen.push(`${type} ${stream} ${payload.toString('latin1')}`);
    },
    data(_stream, piece) {
      data = Buffer.concat([data, piece]);
    },
  });
  try {
    for (let at = 0; at < input.length; at += pieceBytes) reader.push(input.subarray(at, at + pieceBytes));
  } catch (error) {
    if (!(error instanceof LinkProtocolError)) throw error;
    flush();
    seen.push(error.message);
  }
  flush();
  return seen.join('\n');
}

function openSocket(): Duplex {
  return new Duplex({ read() {}, write: (_chunk, _encoding, callback) => callback() });
}

async function runServing(input: Buffer): Promise<void> {
  const incoming = new ByteBudget(limits.incomingBytesMax, systemClock);
  const socket = openSocket();
  const ended = Promise.withResolvers<void>();
  let under = 0;
  const service = async (call: { arguments: unknown; whenCancelled(callback: () => void): void }) => {
    under++;
    call.whenCancelled(() => {});
    await systemClock.nextTurn();
    under--;
    return call.arguments;
  };
  const services = new Map([['test', service]]);
  const work = new PeerWork({ callsMax: limits.peerCallsMax, heldMax: limits.peerHeldMax });
  const common = { socket, clock: systemClock, limits, incoming, log: silentLog };
  new ServingLink({ ...common, peer: 'fuzz' as NodeId, services, work, closed: () => ended.resolve() });
  socket.push(hello);
  socket.push(input);
  socket.push(null);
  await ended.promise;
  while (under > 0) await systemClock.nextTurn();
  assert.equal(incoming.bytesUsed, 0);
}

async function runCalling(input: Buffer): Promise<void> {
  const incoming = new ByteBudget(limits.incomingBytesMax, systemClock);
  const socket = openSocket();
  const link = new CallingLink({
    socket,
    clock: systemClock,
    limits,
    incoming,
    log: silentLog,
    closed: () => {},
  });
  socket.push(hello);
  await link.opened();
  const calls = Array.from({ length: 6 }, (_, index) =>
    link.call({ service: 'test', method: 'x', grant: undefined, arguments: index }, { timeoutMs: 60_000 }),
  );
  const held = Promise.withResolvers<void>();
  const holding = { said: () => {}, ended: () => held.resolve() };
  link.hold({ service: 'test', method: 'x', grant: undefined, arguments: 0 }, holding);
  await systemClock.nextTurn();
  socket.push(input);
  socket.push(null);
  await Promise.allSettled([...calls, held.promise]);
  assert.ok(link.isIdle);
  assert.equal(incoming.bytesUsed, 0);
}

function runValue(input: Buffer): void {
  const cut = Math.min(input.length, input[0] ?? 0);
  let value: unknown;
  try {
    value = decodeValue(input.subarray(1, 1 + cut), input.subarray(1 + cut));
  } catch (error) {
    if (!(error instanceof LinkProtocolError)) throw error;
    return;
  }
  // Dates and the like are refused, so whatever came out can go in.
  const { header, bodies } = encodeValue(value);
  assert.deepStrictEqual(decodeValue(Buffer.from(header), Buffer.concat(bodies)), value);
}

export const target: FuzzTarget = {
  name: 'link-frames',
  seeds: () => [
    messageFrames(1, request({ list: [1, undefined, 'x'], bytes: Buffer.alloc(3000, 1) })),
    Buffer.concat([
      messageFrames(1, request(1)),
      messageFrames(2, request(2), true),
      controlFrame(frameTypes.cancel, 2),
    ]),
    Buffer.concat([
      messageFrames(1, answerOf({ a: 1 })),
      controlFrame(frameTypes.end, 2),
      creditFrame(0, 100),
    ]),
    Buffer.concat([messageFrames(3, [1, 'overQuota', 'no']), messageFrames(7, answerOf([1]), true)]),
    Buffer.concat([
      controlFrame(frameTypes.ping, 0),
      controlFrame(frameTypes.goAway, 0, Buffer.from('bye')),
      creditFrame(1, 5),
    ]),
    Buffer.concat([
      beginFrame(1, { last: true, held: false, headerBytes: 10, bodyBytes: 500_000_000 }),
      creditFrame(1, 1),
    ]),
    Buffer.concat([
      Buffer.from([100]),
      encodeValue({ a: [Uint32Array.of(1), { b: undefined }], c: 'text' }).header,
    ]),
  ],
  async run(input) {
    const bytes = Buffer.from(input);
    const whole = readFrames(bytes, Math.max(1, bytes.length));
    assert.equal(readFrames(bytes, 1), whole);
    assert.equal(readFrames(bytes, 7), whole);
    runValue(bytes);
    await runServing(bytes);
    await runCalling(bytes);
  },
};
