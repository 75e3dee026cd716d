// Frames, the unit of what two nodes say on a link: type (1 byte), stream (4), length of the payload (4), payload.
// Bytes of messages travel in `data` frames and are handed on in pieces as they arrive, without being gathered first;
// all other frames are small and handed on whole.
// Invariant: nothing a peer sends makes the reader hold more than one small frame.
// Fails with LinkProtocolError, after which the link is of no use.

export const frameTypes = {
  /** First on a link, both ways: JSON, see hello.ts. */
  hello: 1,
  /** A message begins on a stream: see MessageStart. Its bytes follow in data frames. */
  begin: 2,
  data: 3,
  /** The receiver took so many bytes in (stream 0: of the whole link): as many more may be sent. */
  credit: 4,
  /** The caller gives up, or ends a held stream. */
  cancel: 5,
  /** The called side has nothing more to say on the stream; an unfinished message of it is void. */
  end: 6,
  ping: 7,
  pong: 8,
  /** The sender takes no new streams, why: text. Those that are open go on. */
  goAway: 9,
} as const;

export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export const frameHeaderBytes = 9;
/** One turn of one stream: small enough that another waits microseconds, large enough that headers cost nothing. */
export const dataBytesMax = 64 * 1024;
/** Hellos and reasons are short texts. */
export const controlBytesMax = 1024;
/** A message's header: a list of 10,000 mailboxes with their keywords takes a few MiB. */
export const headerBytesMax = 32 * 1024 * 1024;
/** A message's header and bodies. Appends are the largest, several messages in one. */
export const messageBytesMax = 1024 * 1024 * 1024;

export class LinkProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LinkProtocolError';
  }
}

/** What announces a message. */
export interface MessageStart {
  /** The last one of this direction of the stream. */
  readonly last: boolean;
  /** The stream stays open while the caller likes (watch, lock): it does not count as a call. */
  readonly held: boolean;
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

const startBytes = 9;
const lastBit = 1;
const heldBit = 2;

/** Length of the payload that every frame of a type has; undefined: any up to the limit. */
const fixedLengths: Readonly<Record<number, number>> = {
  [frameTypes.begin]: startBytes,
  [frameTypes.credit]: 4,
  [frameTypes.cancel]: 0,
  [frameTypes.end]: 0,
  [frameTypes.ping]: 0,
  [frameTypes.pong]: 0,
};

export function writeFrameHeader(
  target: Buffer,
  at: number,
  { type, stream, length }: { type: FrameType; stream: number; length: number },
): number {
  target[at] = type;
  target.writeUInt32BE(stream, at + 1);
  target.writeUInt32BE(length, at + 5);
  return at + frameHeaderBytes;
}

/** A small frame, whole. */
export function controlFrame(
  type: FrameType,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  frame.set(payload, writeFrameHeader(frame, 0, { type, stream, length: payload.length }));
  return frame;
}

export function creditFrame(stream: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + 4);
  frame.writeUInt32BE(bytes, writeFrameHeader(frame, 0, { type: frameTypes.credit, stream, length: 4 }));
  return frame;
}

export function beginFrame(stream: number, start: MessageStart): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + startBytes);
  const at = writeFrameHeader(frame, 0, { type: frameTypes.begin, stream, length: startBytes });
  frame[at] = (start.last ? lastBit : 0) | (start.held ? heldBit : 0);
  frame.writeUInt32BE(start.headerBytes, at + 1);
  frame.writeUInt32BE(start.bodyBytes, at + 5);
  return frame;
}

/** Reads the payload of a begin frame. */
export function parseMessageStart(payload: Buffer): MessageStart {
  const flags = payload[0]!;
  if ((flags & ~(lastBit | heldBit)) !== 0) throw new LinkProtocolError(`message flags ${flags}`);
  const headerBytes = payload.readUInt32BE(1);
  const bodyBytes = payload.readUInt32BE(5);
  if (headerBytes === 0 || headerBytes > headerBytesMax || headerBytes + bodyBytes > messageBytesMax) {
    throw new LinkProtocolError(`a message of ${headerBytes} and ${bodyBytes} bytes`);
  }
  return { last: (flags & lastBit) !== 0, held: (flags & heldBit) !== 0, headerBytes, bodyBytes };
}

export interface FrameReceiver {
  /** `payload` is valid until the call returns. */
  control(type: FrameType, stream: number, payload: Buffer): void;
  /** Some of the bytes of a message; valid until the call returns. */
  data(stream: number, piece: Buffer): void;
}

export class FrameReader {
  readonly #receiver: FrameReceiver;
  /** The header, then the payload of a small frame, as far as they came. */
  readonly #gathered = Buffer.alloc(frameHeaderBytes + controlBytesMax);
  #filled = 0;
  #needed = frameHeaderBytes;
  /** Bytes of a data frame still to come, and whose they are. */
  #dataLeft = 0;
  #dataStream = 0;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#dataLeft > 0) {
        const end = Math.min(at + this.#dataLeft, chunk.length);
        this.#dataLeft -= end - at;
        const piece = chunk.subarray(at, end);
        at = end;
        this.#receiver.data(this.#dataStream, piece);
        continue;
      }
      const taken = Math.min(this.#needed - this.#filled, chunk.length - at);
      chunk.copy(this.#gathered, this.#filled, at, at + taken);
      this.#filled += taken;
      at += taken;
      if (this.#filled === this.#needed) this.#complete();
    }
  }

  #complete(): void {
    const type = this.#gathered[0] as FrameType;
    const stream = this.#gathered.readUInt32BE(1);
    const length = this.#gathered.readUInt32BE(5);
    if (this.#filled === frameHeaderBytes && length > 0) {
      this.#expect(type, stream, length);
      return;
    }
    this.#filled = 0;
    this.#needed = frameHeaderBytes;
    if (length === 0) checkLength(type, length);
    this.#receiver.control(
      type,
      stream,
      this.#gathered.subarray(frameHeaderBytes, frameHeaderBytes + length),
    );
  }

  #expect(type: FrameType, stream: number, length: number): void {
    if (type !== frameTypes.data) {
      checkLength(type, length);
      this.#needed = frameHeaderBytes + length;
      return;
    }
    if (length > dataBytesMax) throw new LinkProtocolError(`a data frame of ${length} bytes`);
    this.#filled = 0;
    this.#dataLeft = length;
    this.#dataStream = stream;
  }
}

function checkLength(type: number, length: number): void {
  if (type < frameTypes.hello || type > frameTypes.goAway) throw new LinkProtocolError(`frame type ${type}`);
  const fixed = fixedLengths[type];
  if (type === frameTypes.data ? length === 0 : length > controlBytesMax || (fixed ?? length) !== length) {
    throw new LinkProtocolError(`a frame of type ${type} with ${length} bytes`);
  }
}
