// Frames between the process that owns an embedded engine and those it serves (engine-server.ts, served-engine.ts): length,
// type, number, payload; numbers are 32-bit little-endian. Never stored.
//
// Invariant: bytes given to a frame are not changed until they are sent; what a frame's payload gives are views that live as
// long as the chunk they came in. A frame above the limit is a bug of the other side and fails an assertion.

import { assert } from '../../base/assert.ts';
import type { Bytes } from '../engine.ts';

/** A group of commits (group-commit.ts) is the longest; a single commit may be longer than a group of small ones. */
const payloadBytesMax = 1024 * 1024 * 1024;
const headerBytes = 9;
/** Small frames of one turn share a block, so that they cost one copy and no system call of their own. */
const blockBytes = 64 * 1024;
/** From here on copying costs more than one piece more to write. */
const ownPieceBytesMin = 16 * 1024;
/** Stands for the length of a value that is not there. */
const absent = 0xffffffff;

export interface Frame {
  readonly type: number;
  readonly id: number;
  readonly payload: FramePayload;
}

/** Frames on their way out, gathered until they are taken. */
export class OutgoingFrames {
  #block = Buffer.allocUnsafeSlow(blockBytes);
  #start = 0;
  #end = 0;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Gathered and not taken yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Begins a frame; exactly `payloadBytes` must follow. */
  begin(type: number, id: number, payloadBytes: number): void {
    assert(payloadBytes <= payloadBytesMax, `a frame of ${payloadBytes} bytes`);
    this.#makeRoom(headerBytes);
    this.#block.writeUInt32LE(payloadBytes, this.#end);
    this.#block[this.#end + 4] = type;
    this.#block.writeUInt32LE(id, this.#end + 5);
    this.#end += headerBytes;
    this.#bytes += headerBytes;
  }

  number(value: number): void {
    this.#makeRoom(4);
    this.#end = this.#block.writeUInt32LE(value, this.#end);
    this.#bytes += 4;
  }

  /** With its length before it: 4 bytes more. */
  sized(bytes: Bytes): void {
    this.number(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Bytes): void {
    this.#bytes += bytes.length;
    if (bytes.length >= ownPieceBytesMin) {
      this.#seal();
      this.#pieces.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      return;
    }
    this.#makeRoom(bytes.length);
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** 4 bytes, and the value's when there is one. */
  optional(bytes: Bytes | undefined): void {
    if (bytes === undefined) this.number(absent);
    else this.sized(bytes);
  }

  /** All that was gathered, in order. */
  take(): Buffer[] {
    this.#seal();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#bytes = 0;
    return pieces;
  }

  #seal(): void {
    if (this.#end === this.#start) return;
    this.#pieces.push(this.#block.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= blockBytes) return;
    this.#seal();
    this.#block = Buffer.allocUnsafeSlow(blockBytes);
    this.#start = 0;
    this.#end = 0;
  }
}

/** How many bytes `optional` takes. */
export function optionalBytes(bytes: Bytes | undefined): number {
  return 4 + (bytes?.length ?? 0);
}

/** Cuts what comes in into frames. */
export class IncomingFrames {
  #chunk: Buffer = Buffer.alloc(0);
  #offset = 0;
  readonly #header = Buffer.alloc(headerBytes);
  #headerBytes = 0;
  /** Of a frame that came in several chunks. */
  #payload: Buffer | undefined;
  #payloadBytes = 0;

  /** Only when `next` has said that there is no more. */
  push(chunk: Buffer): void {
    assert(this.#offset === this.#chunk.length, 'a chunk came before the one before it was read');
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /** Undefined: the chunk is read, and nothing of it is needed any more. */
  next(): Frame | undefined {
    if (this.#headerBytes === 0 && this.#payload === undefined) {
      const whole = this.#wholeFrame();
      if (whole !== undefined) return whole;
    }
    if (this.#payload === undefined && !this.#takeHeader()) return undefined;
    const payload = this.#payload!;
    const copied = this.#chunk.copy(payload, this.#payloadBytes, this.#offset);
    this.#offset += copied;
    this.#payloadBytes += copied;
    if (this.#payloadBytes < payload.length) return undefined;
    this.#payload = undefined;
    return frameOf(this.#header, 0, new FramePayload(payload, true));
  }

  /** The next one, when it lies in the chunk as a whole. */
  #wholeFrame(): Frame | undefined {
    const left = this.#chunk.length - this.#offset;
    if (left < headerBytes) return undefined;
    const length = this.#chunk.readUInt32LE(this.#offset);
    if (left < headerBytes + length) return undefined;
    const start = this.#offset;
    this.#offset = start + headerBytes + length;
    const payload = this.#chunk.subarray(start + headerBytes, this.#offset);
    return frameOf(this.#chunk, start, new FramePayload(payload, false));
  }

  /** True when it is complete and its payload is to come. */
  #takeHeader(): boolean {
    const end = Math.min(this.#offset + headerBytes - this.#headerBytes, this.#chunk.length);
    const copied = this.#chunk.copy(this.#header, this.#headerBytes, this.#offset, end);
    this.#offset += copied;
    this.#headerBytes += copied;
    if (this.#headerBytes < headerBytes) return false;
    this.#headerBytes = 0;
    const length = this.#header.readUInt32LE(0);
    assert(length <= payloadBytesMax, `a frame of ${length} bytes`);
    // Slow: not from the pool, of which it would be most.
    this.#payload = Buffer.allocUnsafeSlow(length);
    this.#payloadBytes = 0;
    return true;
  }
}

function frameOf(header: Buffer, start: number, payload: FramePayload): Frame {
  return { type: header[start + 4]!, id: header.readUInt32LE(start + 5), payload };
}

/** Reads a payload front to back. */
export class FramePayload {
  readonly #source: Buffer;
  /** Nothing else is in its memory, nor will be. */
  readonly #isOwn: boolean;
  #position = 0;

  constructor(source: Buffer, isOwn: boolean) {
    this.#source = source;
    this.#isOwn = isOwn;
  }

  number(): number {
    const value = this.#source.readUInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  /** A view. */
  bytes(): Buffer {
    const length = this.number();
    const start = this.#position;
    this.#position += length;
    return this.#source.subarray(start, this.#position);
  }

  /** The caller's own, in memory that has little else: it may be sent to another thread. */
  ownMemory(): Buffer {
    const view = this.bytes();
    if (this.#isMostly(view)) return view;
    const copy = Buffer.allocUnsafeSlow(view.length);
    copy.set(view);
    return copy;
  }

  /** The caller's own. */
  ownBytes(): Buffer {
    const view = this.bytes();
    return this.#isMostly(view) ? view : Buffer.from(view);
  }

  /** A view of most of a payload is as good as a copy; a small one would keep all of it in memory. */
  #isMostly(view: Buffer): boolean {
    return this.#isOwn && view.length * 2 > this.#source.length;
  }

  /** The caller's own; undefined when `optional` was given nothing. */
  ownOptional(): Buffer | undefined {
    if (this.#source.readUInt32LE(this.#position) !== absent) return this.ownBytes();
    this.#position += 4;
    return undefined;
  }

  text(): string {
    return this.bytes().toString('utf8');
  }
}
