// What one end of a link has to send, and in which order: control frames and small messages first, then large ones in
// turns of one data frame each, as far as the receiver's credit goes (a stream's and the link's).
// Invariants: at most `blocksMax` blocks are with the socket, everything else waits here, so what comes later can go
// first; messages of one stream keep their order. Bodies are copied once, into blocks that are used again.
// Nothing here fails; when the link ends, what waits is forgotten.

import type { Writable } from 'node:stream';
import {
  beginFrame,
  dataBytesMax,
  frameHeaderBytes,
  frameTypes,
  type MessageStart,
  writeFrameHeader,
} from './frame.ts';
import type { EncodedValue } from './link-value.ts';
import { SmallMessages } from './small-messages.ts';

/** Messages up to this size go ahead of others, outside all credit. */
export const smallBytesMax = 16 * 1024;
/** One write to the socket, encrypted in one go. */
const blockBytes = 4 * (dataBytesMax + frameHeaderBytes);
/** One with the system, one ready behind it; a third would make Node join them by a copy. */
const blocksMax = 2;

export interface OutgoingMessage extends Pick<MessageStart, 'last' | 'held'> {
  readonly stream: number;
  readonly value: EncodedValue;
  /** All of it is with the socket. */
  readonly sent?: () => void;
}

interface OutgoingStream {
  /** Those behind the first wait for it. */
  readonly messages: OutgoingMessage[];
  credit: number;
  /** Of the first message: how much of header and bodies was sent; undefined: not begun. */
  progress: { part: number; offset: number; left: number } | undefined;
  ready: boolean;
}

export interface OutboxOptions {
  readonly socket: Writable;
  readonly streamWindowBytes: number;
  readonly linkWindowBytes: number;
  /** Called when less waits than before. */
  readonly drained: () => void;
}

export function messageBytes({ header, bodyBytes }: EncodedValue): number {
  return header.length + bodyBytes;
}

/** Credit counts the bytes of large messages only; both ends tell by the size. */
export function isCounted(value: {
  readonly header: { readonly length: number };
  readonly bodyBytes: number;
}): boolean {
  return value.header.length + value.bodyBytes > smallBytesMax;
}

export class Outbox {
  readonly #options: OutboxOptions;
  /** Streams with large messages. */
  readonly #streams = new Map<number, OutgoingStream>();
  /** Of those, the ones that may send now; in turn. */
  #ready: number[] = [];
  #control: Buffer[] = [];
  readonly #small = new SmallMessages();
  #linkCredit: number;
  /** Of large messages: not yet with the socket. */
  #pendingBytes = 0;
  #sentBytes = 0;
  #blocksOut = 0;
  readonly #freeBlocks: Buffer[] = [];
  #scheduled = false;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#linkCredit = options.linkWindowBytes;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Of messages: with the socket by now. While large ones wait, small ones do not count. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** No message waits. */
  get isEmpty(): boolean {
    return this.#pendingBytes === 0 && this.#small.isEmpty;
  }

  /** Control frames that are not with the socket. */
  get waitingFrames(): number {
    return this.#control.length;
  }

  control(frame: Buffer): void {
    this.#control.push(frame);
    this.#schedule();
  }

  send(message: OutgoingMessage): void {
    if (this.#closed) return;
    const stream = this.#streams.get(message.stream);
    const bytes = messageBytes(message.value);
    const isFirst = stream === undefined || stream.messages.length === 0;
    if (isFirst && bytes <= smallBytesMax) {
      this.#small.push(message);
      if (message.last) this.#streams.delete(message.stream);
    } else {
      this.#pendingBytes += bytes;
      this.#enqueue(stream ?? this.#open(message.stream), message);
    }
    this.#schedule();
  }

  credit(streamId: number, bytes: number): void {
    if (streamId === 0) this.#linkCredit += bytes;
    else {
      const stream = this.#streams.get(streamId);
      if (stream === undefined) return;
      stream.credit += bytes;
      this.#offer(streamId, stream);
    }
    this.#schedule();
  }

  /** Forgets what waits on a stream; a message that was begun is void. */
  drop(streamId: number): void {
    this.#small.drop(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#streams.delete(streamId);
    this.#ready = this.#ready.filter((id) => id !== streamId);
    for (const [index, { value }] of stream.messages.entries()) {
      this.#pendingBytes -= index === 0 && stream.progress ? stream.progress.left : messageBytes(value);
    }
  }

  /** True when nothing of the stream was sent: its message waits, and can be taken back. */
  isUnsent(streamId: number): boolean {
    const stream = this.#streams.get(streamId);
    if (stream?.messages.length) return stream.progress === undefined;
    return this.#small.has(streamId);
  }

  /** True when a message of the stream was begun and not ended. */
  isPartlySent(streamId: number): boolean {
    return this.#streams.get(streamId)?.progress !== undefined;
  }

  close(): void {
    this.#closed = true;
    this.#streams.clear();
    this.#ready = [];
    this.#control = [];
    this.#small.clear();
    this.#pendingBytes = 0;
    this.#freeBlocks.length = 0;
  }

  #open(id: number): OutgoingStream {
    const credit = this.#options.streamWindowBytes;
    const stream: OutgoingStream = { messages: [], credit, progress: undefined, ready: false };
    this.#streams.set(id, stream);
    return stream;
  }

  #enqueue(stream: OutgoingStream, message: OutgoingMessage): void {
    stream.messages.push(message);
    this.#offer(message.stream, stream);
  }

  #offer(id: number, stream: OutgoingStream): void {
    const first = stream.messages[0];
    if (stream.ready || first === undefined || (stream.credit <= 0 && isCounted(first.value))) return;
    stream.ready = true;
    this.#ready.push(id);
  }

  /** What is given in one turn goes out in one write. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#blocksOut < blocksMax && !this.#closed) {
      const block = this.#freeBlocks.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
      const filled = this.#fill(block);
      if (filled === 0) {
        this.#freeBlocks.push(block);
        return;
      }
      this.#blocksOut++;
      this.#options.socket.write(block.subarray(0, filled), () => {
        this.#blocksOut--;
        if (this.#closed) return;
        this.#freeBlocks.push(block);
        this.#pump();
      });
    }
  }

  #fill(block: Buffer): number {
    let at = this.#fillControl(block);
    at = this.#fillSmall(block, at);
    const before = this.#pendingBytes;
    while (this.#control.length === 0 && this.#small.isEmpty) {
      const next = this.#fillTurn(block, at);
      if (next === at) break;
      at = next;
    }
    if (this.#pendingBytes < before) this.#options.drained();
    return at;
  }

  #fillControl(block: Buffer): number {
    let at = 0;
    let count = 0;
    for (const frame of this.#control) {
      if (at + frame.length > block.length) break;
      block.set(frame, at);
      at += frame.length;
      count++;
    }
    this.#control = count === this.#control.length ? [] : this.#control.slice(count);
    return at;
  }

  #fillSmall(block: Buffer, from: number): number {
    let at = from;
    this.#small.take((message) => {
      const length = messageBytes(message.value);
      if (at + length + 3 * frameHeaderBytes > block.length) return false;
      const { stream, value } = message;
      const begin = beginFrame(stream, startOf(message));
      block.set(begin, at);
      at = writeFrameHeader(block, at + begin.length, { type: frameTypes.data, stream, length });
      block.set(value.header, at);
      at += value.header.length;
      for (const body of value.bodies) {
        block.set(body, at);
        at += body.length;
      }
      if (this.#pendingBytes === 0) this.#sentBytes += length;
      message.sent?.();
      return true;
    });
    return at;
  }

  /** One data frame of the stream whose turn it is; `at` when there is none, or no room. */
  #fillTurn(block: Buffer, at: number): number {
    const room = block.length - at - 3 * frameHeaderBytes;
    const id = this.#ready[0];
    if (id === undefined || room < smallBytesMax || this.#linkCredit <= 0) return at;
    this.#ready.shift();
    const stream = this.#streams.get(id)!;
    stream.ready = false;
    const message = stream.messages[0]!;
    let end = at;
    if (stream.progress === undefined) {
      const begin = beginFrame(id, startOf(message));
      block.set(begin, end);
      end += begin.length;
      stream.progress = { part: -1, offset: 0, left: messageBytes(message.value) };
    }
    const counted = isCounted(message.value);
    const credit = counted ? Math.min(stream.credit, this.#linkCredit) : smallBytesMax;
    const length = Math.min(stream.progress.left, credit, dataBytesMax, room);
    end = writeFrameHeader(block, end, { type: frameTypes.data, stream: id, length });
    copyParts(message.value, stream.progress, block.subarray(end, end + length));
    if (counted) {
      stream.credit -= length;
      this.#linkCredit -= length;
    }
    this.#pendingBytes -= length;
    this.#sentBytes += length;
    if (stream.progress.left === 0) this.#finish(id, stream);
    else this.#offer(id, stream);
    return end + length;
  }

  #finish(id: number, stream: OutgoingStream): void {
    stream.progress = undefined;
    const message = stream.messages.shift()!;
    message.sent?.();
    // Kept until the last one: credit counts over the whole life of a stream.
    if (message.last) this.#streams.delete(id);
    else this.#offer(id, stream);
  }
}

function startOf({ last, held, value }: OutgoingMessage): MessageStart {
  return { last, held, headerBytes: value.header.length, bodyBytes: value.bodyBytes };
}

/** Fills the target with what comes next of a message. */
function copyParts(
  { header, bodies }: EncodedValue,
  progress: { part: number; offset: number; left: number },
  target: Buffer,
): void {
  let at = 0;
  while (at < target.length) {
    const part = progress.part < 0 ? header : bodies[progress.part]!;
    const taken = Math.min(part.length - progress.offset, target.length - at);
    target.set(part.subarray(progress.offset, progress.offset + taken), at);
    at += taken;
    progress.offset += taken;
    if (progress.offset < part.length) continue;
    progress.part++;
    progress.offset = 0;
  }
  progress.left -= target.length;
}
