// Plain data as it travels: a small header in MessagePack, and beside it, byte for byte, the byte strings and typed
// arrays that are not small, so that bodies of mail are never copied into an encoding.
// Invariant: what comes out equals what went in: undefined members, Buffers, Uint8Arrays, typed arrays, numbers.
// In the header every MessagePack byte string is one of ours: kind, then the bytes; or kind + away and the length.
// Decoding fails with LinkProtocolError, whatever the peer sent.

import { Packr } from 'msgpackr';
import { LinkProtocolError } from './frame.ts';

/** Below this a byte string rides in the header: cheaper than a place of its own. */
const inlineBytesMax = 1024;
/** Search keys are the deepest data there is (mail/search-key.ts: 50 levels, two steps each). */
const depthMax = 200;

export interface EncodedValue {
  readonly header: Buffer;
  /** In the order in which the header names them. Not copied: must not change until they are sent. */
  readonly bodies: readonly Uint8Array[];
  readonly bodyBytes: number;
}

const kinds = { buffer: 0, bytes: 1, uint32: 2, float64: 3 } as const;
const awayBit = 0x80;

// Records write the keys of objects of one shape once a message; nothing is remembered between messages.
// References between parts of a value are refused: some hundred bytes of them can mean a value without end.
const packr = new Packr({
  useRecords: true,
  encodeUndefinedAsNil: false,
  int64AsType: 'number',
  structuredClone: false,
});

export function encodeValue(value: unknown): EncodedValue {
  const bodies: Uint8Array[] = [];
  const header = packr.pack(detach(value, bodies, 0));
  let bodyBytes = 0;
  for (const body of bodies) bodyBytes += body.length;
  return { header, bodies, bodyBytes };
}

/** `body` is kept: the byte strings that come out are views of it. */
export function decodeValue(header: Buffer, body: Buffer): unknown {
  let value: unknown;
  try {
    value = packr.unpack(header);
  } catch (cause) {
    throw new LinkProtocolError(`a message header that does not decode: ${(cause as Error).message}`);
  }
  const cursor = { body, at: 0 };
  const attached = attach(value, cursor, 0);
  if (cursor.at !== body.length)
    throw new LinkProtocolError(`${body.length - cursor.at} bytes belong to nothing`);
  return attached;
}

function detach(value: unknown, bodies: Uint8Array[], depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > depthMax) throw new TypeError('a value too deep for a link');
  if (Array.isArray(value)) return value.map((item) => detach(item, bodies, depth + 1));
  if (ArrayBuffer.isView(value)) return detachBytes(value, bodies);
  const copy: Record<string, unknown> = {};
  for (const key in value) copy[key] = detach((value as Record<string, unknown>)[key], bodies, depth + 1);
  return copy;
}

function detachBytes(value: ArrayBufferView, bodies: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const kind = kindOf(value);
  if (bytes.length >= inlineBytesMax) {
    bodies.push(bytes);
    const place = Buffer.alloc(5, kind | awayBit);
    place.writeUInt32BE(bytes.length, 1);
    return place;
  }
  const inline = Buffer.allocUnsafe(1 + bytes.length);
  inline[0] = kind;
  inline.set(bytes, 1);
  return inline;
}

function kindOf(value: ArrayBufferView): number {
  if (Buffer.isBuffer(value)) return kinds.buffer;
  if (value instanceof Uint8Array) return kinds.bytes;
  if (value instanceof Uint32Array) return kinds.uint32;
  if (value instanceof Float64Array) return kinds.float64;
  throw new TypeError(`${value.constructor.name} does not travel on links`);
}

interface Cursor {
  readonly body: Buffer;
  at: number;
}

/** Puts the byte strings back in place; changes `value`, which nobody else has. */
function attach(value: unknown, cursor: Cursor, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > depthMax) throw new LinkProtocolError('a value too deep');
  if (Buffer.isBuffer(value)) return attachBytes(value, cursor);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item === 'object' && item !== null) value[index] = attach(item, cursor, depth + 1);
    }
    return value;
  }
  // Dates, maps, errors and what else MessagePack's extensions can make are not plain data.
  if (Object.getPrototypeOf(value) !== Object.prototype)
    throw new LinkProtocolError('a value that is not plain data');
  const object = value as Record<string, unknown>;
  for (const key in object) {
    const item = object[key];
    if (typeof item === 'object' && item !== null) object[key] = attach(item, cursor, depth + 1);
  }
  return value;
}

function attachBytes(place: Buffer, cursor: Cursor): ArrayBufferView {
  if (place.length === 0) throw new LinkProtocolError('a byte string without its kind');
  const kind = place[0]! & ~awayBit;
  if ((place[0]! & awayBit) === 0) return viewOf(kind, place.subarray(1));
  if (place.length !== 5) throw new LinkProtocolError('a byte string without its length');
  const length = place.readUInt32BE(1);
  const end = cursor.at + length;
  if (end > cursor.body.length) throw new LinkProtocolError('a byte string longer than the message');
  const bytes = cursor.body.subarray(cursor.at, end);
  cursor.at = end;
  return viewOf(kind, bytes);
}

function viewOf(kind: number, bytes: Buffer): ArrayBufferView {
  switch (kind) {
    case kinds.buffer:
      return bytes;
    case kinds.bytes:
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    case kinds.uint32:
      return new Uint32Array(aligned(bytes, 4));
    case kinds.float64:
      return new Float64Array(aligned(bytes, 8));
    default:
      throw new LinkProtocolError(`a byte string of kind ${kind}`);
  }
}

/** A copy that begins at an address fit for numbers. */
function aligned(bytes: Buffer, itemBytes: number): ArrayBuffer {
  if (bytes.length % itemBytes !== 0) throw new LinkProtocolError('a column with half a number');
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
}
