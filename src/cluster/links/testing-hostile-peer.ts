// A peer of a link that says frames as it likes, for tests. Not part of the program; a test may import it, nothing else does.

import { duplexPair } from 'node:stream';
import { ByteBudget } from '../../base/byte-budget.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import type { HandClock } from '../testing-cluster-members.ts';
import { beginFrame, controlFrame, dataBytesMax, frameTypes, writeFrameHeader } from './frame.ts';
import { encodeHello, type LinkVersions, linkVersions } from './hello.ts';
import type { IncomingRoom } from './incoming-room.ts';
import { type LinkLimits, linkLimitsDefault } from './link-limits.ts';
import { encodeValue } from './link-value.ts';
import type { OutgoingRoom } from './outgoing-room.ts';
import { PeerWork } from './peer-work.ts';
import { type LinkService, ServingLink } from './serving-link.ts';

export const windowBytes = linkLimitsDefault.streamWindowBytes;

export interface Attack {
  readonly link: ServingLink;
  /** Why the link ended; undefined: it has not. */
  endedBecause(): string | undefined;
  send(...frames: readonly Buffer[]): Promise<void>;
  /** Takes in what the node says. */
  read(): void;
}

interface AttackOptions {
  readonly limits?: Partial<LinkLimits>;
  readonly clock?: HandClock;
  readonly incoming?: IncomingRoom;
  readonly service?: LinkService;
  readonly work?: PeerWork;
  readonly outgoing?: OutgoingRoom;
  readonly isOuter?: boolean;
  /** What it says first, in place of a hello. */
  readonly first?: Buffer;
}

const attacks: Attack[] = [];
/** After each test. */
export function endAttacks(): void {
  for (const { link } of attacks.splice(0)) link.close('the test is over');
}

export async function attack(options: AttackOptions = {}): Promise<Attack> {
  const { limits = {}, clock, incoming, service, work, outgoing, isOuter = false, first } = options;
  const [near, far] = duplexPair();
  const usedClock = clock ?? systemClock;
  let reason: string | undefined;
  const debug = (fields: { readonly reason?: string }): void => {
    reason = fields.reason;
  };
  const link = new ServingLink({
    socket: near,
    clock: usedClock,
    limits: { ...linkLimitsDefault, ...limits },
    incoming: incoming ?? new ByteBudget(linkLimitsDefault.incomingBytesMax, usedClock),
    log: Object.assign(Object.create(silentLog) as typeof silentLog, { debug }),
    peer: 'stolen' as NodeId,
    services: service === undefined ? new Map() : new Map([['test', service]]),
    work: work ?? new PeerWork({ callsMax: 1_000, heldMax: 1_000_000 }),
    ...(outgoing && { outgoing }),
    isOuter,
    closed: () => {},
  });
  far.on('error', () => {});
  const made: Attack = {
    link,
    endedBecause: () => reason,
    read: () => void far.resume(),
    send: async (...frames) => {
      if (reason !== undefined) return;
      far.write(Buffer.concat(frames));
      for (let turn = 0; turn < 3; turn++) await systemClock.nextTurn();
    },
  };
  attacks.push(made);
  await made.send(first ?? helloOf(linkVersions));
  return made;
}

export function helloOf(versions: LinkVersions): Buffer {
  const { callsMax, linkWindowBytes } = linkLimitsDefault;
  const hello = { versions, streamWindowBytes: windowBytes, linkWindowBytes, callsMax };
  return controlFrame(frameTypes.hello, 0, encodeHello(hello));
}

export function begin(stream: number, bytes: { header: number; body?: number; held?: boolean }): Buffer {
  const { header, body = 0, held = false } = bytes;
  return beginFrame(stream, { last: true, held, headerBytes: header, bodyBytes: body });
}

export function data(stream: number, bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += dataBytesMax) {
    const piece = bytes.subarray(at, at + dataBytesMax);
    const head = Buffer.alloc(9);
    writeFrameHeader(head, 0, { type: frameTypes.data, stream, length: piece.length });
    frames.push(head, piece);
  }
  return frames;
}

export function call(stream: number, given?: Uint8Array, held = false): Buffer {
  const { header, bodies } = encodeValue(['test', 'any', undefined, given, 0]);
  const body = Buffer.concat(bodies);
  return Buffer.concat([
    begin(stream, { header: header.length, body: body.length, held }),
    ...data(stream, Buffer.concat([header, body])),
  ]);
}
