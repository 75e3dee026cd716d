// What a served engine asks and what it is told: the frames' types, and how ranges, batches and failures travel in them.
// A failure arrives as what it was: a refusal with its kind, an outcome that is unknown, or a fault.

import { Fault } from '../../base/fault.ts';
import { MailError, type MailErrorKind, mailErrorKinds } from '../../mail/mail-error.ts';
import type { Batch, Page, Range } from '../engine.ts';
import type { GroupOutcome } from '../lmdb/embedded-engine.ts';
import { UnknownOutcomeFault } from '../unknown-outcome.ts';
import type { FramePayload, OutgoingFrames } from './served-frames.ts';

/** In the mode's place of a request's reader: the newest state, not a snapshot. */
export const newestReader = 0;

export const requestTypes = {
  get: 1,
  getMany: 2,
  page: 3,
  /** Its id is the snapshot's from then on. */
  snapshot: 4,
  /** Not answered, nor are the next two. */
  release: 5,
  subscribe: 6,
  unsubscribe: 7,
  commit: 8,
  owner: 9,
} as const;

export const replyTypes = {
  /** What was asked for, as the request's type says. */
  answer: 64,
  failure: 65,
  /** Belongs to no request: a topic was signalled. */
  signal: 66,
} as const;

const uint32Max = 0xffffffff;
/** Behind two doubles. */
const outcomesAt = 16;

/** Another one when frames mean something else: a worker may be started from files that were exchanged meanwhile. */
export const protocolVersion = 2;

/** What the owner says of itself, as JSON. */
export interface OwnerNote {
  readonly protocol: number;
  /** Its engine's name. */
  readonly name: string;
  readonly bytesOnDisk: number;
}

/** Limits may be as large as a caller likes. */
export const limitNumber = (limit: number): number => Math.min(Math.max(0, limit), uint32Max);

export function writeRange(frames: OutgoingFrames, { start, end, reverse }: Range): void {
  frames.number(reverse === true ? 1 : 0);
  frames.sized(start);
  frames.sized(end);
}

export const rangeBytes = ({ start, end }: Range): number => 12 + start.length + end.length;

export function readRange(payload: FramePayload): Range {
  const reverse = payload.number() === 1;
  return { start: payload.bytes(), end: payload.bytes(), reverse };
}

/** As the server wrote it; its rows are the caller's own. */
export function readPage(payload: FramePayload): Page {
  const next = payload.ownOptional();
  const entries = [];
  for (let left = payload.number(); left > 0; left--)
    entries.push({ key: payload.ownBytes(), value: payload.ownBytes() });
  return next === undefined ? { entries } : { entries, next };
}

/** The topics of a group's batches, one list a batch; '' when there are none at all. */
export function packSignals(batches: readonly Batch[]): Buffer {
  const has = batches.some(({ signals }) => signals !== undefined && signals.length > 0);
  return Buffer.from(has ? JSON.stringify(batches.map(({ signals }) => signals ?? [])) : '', 'utf8');
}

export function unpackSignals(text: string): readonly (readonly string[])[] {
  return text === '' ? [] : (JSON.parse(text) as string[][]);
}

/** The answer to a group that was committed: where it is, and the outcome of each batch. */
export function formatOutcome({ transaction, sequence, outcomes }: GroupOutcome): Buffer {
  const bytes = Buffer.allocUnsafe(outcomesAt + 4 * outcomes.length);
  bytes.writeDoubleLE(transaction, 0);
  bytes.writeDoubleLE(sequence, 8);
  for (const [index, outcome] of outcomes.entries()) bytes.writeInt32LE(outcome, outcomesAt + 4 * index);
  return bytes;
}

export function parseOutcome(bytes: Buffer): GroupOutcome {
  const count = (bytes.length - outcomesAt) / 4;
  const outcomes = Array.from({ length: count }, (_, index) => bytes.readInt32LE(outcomesAt + 4 * index));
  return { transaction: bytes.readDoubleLE(0), sequence: bytes.readDoubleLE(8), outcomes };
}

interface Failure {
  readonly message: string;
  readonly kind?: MailErrorKind;
  readonly isUnknown?: boolean;
  readonly temporary?: boolean;
}

export function packFailure(error: unknown): Buffer {
  return Buffer.from(JSON.stringify(describe(error)), 'utf8');
}

function describe(error: unknown): Failure {
  if (error instanceof MailError) return { message: error.message, kind: error.kind };
  if (error instanceof UnknownOutcomeFault) return { message: error.message, isUnknown: true };
  if (error instanceof Fault) return { message: error.message, temporary: error.temporary };
  return { message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}

export function unpackFailure(text: string): Error {
  const { message, kind, isUnknown, temporary } = JSON.parse(text) as Failure;
  if (kind !== undefined && mailErrorKinds.includes(kind)) return new MailError(kind, message);
  if (isUnknown === true) return new UnknownOutcomeFault(message);
  return new Fault(message, { temporary: temporary === true });
}
