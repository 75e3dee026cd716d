// One end of a link, whichever: hellos, frames in and out, messages put together, credit given, liveness. What the
// messages mean is its owner's business (calling-link.ts, serving-link.ts).
// Invariants: nothing but a hello is taken before the hello; after the end no event comes and nothing is sent.
// Ends, once, with a reason: what the peer did wrong, silence, or the socket's end.

import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.ts';
import type { ReadBuffer } from '../../base/read-buffer.ts';
import { Assembly } from './assembly.ts';
import {
  controlBytesMax,
  controlFrame,
  creditFrame,
  FrameReader,
  type FrameType,
  frameTypes,
  LinkProtocolError,
  type MessageStart,
  parseMessageStart,
} from './frame.ts';
import { headerCost } from './header-cost.ts';
import { encodeHello, type LinkVersions, parseHello } from './hello.ts';
import type { IncomingRoom } from './incoming-room.ts';
import type { LinkEvents } from './link-events.ts';
import type { LinkLimits } from './link-limits.ts';
import { decodeValue } from './link-value.ts';
import { Outbox, type OutgoingMessage } from './outbox.ts';
import { OutboxStall } from './outbox-stall.ts';

export interface LinkConnectionOptions {
  readonly socket: Duplex;
  /** Has what the socket reads, where it was made with one; otherwise the socket tells of it. */
  readonly readBuffer?: ReadBuffer;
  readonly clock: Clock;
  readonly limits: LinkLimits;
  readonly versions: LinkVersions;
  readonly incoming: IncomingRoom;
  /** The peer is not trusted: its windows are small, and what it sends is measured before it is taken in. */
  readonly isOuter?: boolean;
  readonly events: LinkEvents;
}

/** How long a large message waits for room before its stream is refused. */
const roomTimeoutMs = 20_000;
/** How long it may take to come once it has room, which others wait for: as much as all the room takes at 18 Mbit/s. */
const arrivalTimeoutMs = 120_000;
/** Frames beyond one for each stream that may wait for a peer that does not read. */
const framesMax = 10_000;

interface Incoming {
  readonly assembly: Assembly;
  /** Taken in, and no credit given for it yet. */
  owed: number;
  /** Of the budget. */
  held: number;
  /** Since when; monotonic. */
  heldAt: number;
}

export class LinkConnection {
  readonly #options: LinkConnectionOptions;
  readonly #reader = new FrameReader({
    control: (type, stream, payload) => this.#control(type, stream, payload),
    data: (stream, piece) => this.#data(stream, piece),
  });
  readonly #incoming = new Map<number, Incoming>();
  /** Bytes of the budget that messages hold which are complete, by stream: see returnRoom. */
  readonly #lent = new Map<number, number[]>();
  readonly #firstWindowBytes: number;
  #outbox: Outbox | undefined;
  #linkOwed = 0;
  #heardAt: number;
  #tickedAt: number;
  readonly #stall: OutboxStall;
  #timer: Timer;
  #greeted = false;
  #isDeaf = false;
  #closed = false;

  constructor(options: LinkConnectionOptions) {
    this.#options = options;
    const { socket, readBuffer, clock } = options;
    const { limits, isOuter = false } = options;
    this.#firstWindowBytes = isOuter ? limits.outerWindowBytes : limits.streamWindowBytes;
    this.#heardAt = this.#tickedAt = clock.monotonic();
    this.#stall = new OutboxStall(limits.stalledMs, this.#heardAt);
    this.#timer = clock.after(limits.pingAfterMs, () => this.#tick());
    if (readBuffer === undefined) socket.on('data', (chunk: Buffer) => this.#received(chunk));
    else readBuffer.listen((chunk) => this.#received(chunk));
    socket.on('error', (error) => this.close(error.message));
    socket.on('end', () => this.close('the peer ended it'));
    socket.on('close', () => this.close('it was cut'));
  }

  /** Messages that have begun to come. */
  get unfinished(): number {
    return this.#incoming.size;
  }

  get pendingBytes(): number {
    return this.#outbox?.pendingBytes ?? 0;
  }

  /** Says our hello. Messages can be sent once the peer's came. */
  greet(): void {
    const { linkWindowBytes, callsMax } = this.#options.limits;
    const { versions } = this.#options;
    const streamWindowBytes = this.#firstWindowBytes;
    const hello = encodeHello({ versions, streamWindowBytes, linkWindowBytes, callsMax });
    this.control(frameTypes.hello, 0, hello);
  }

  goAway(reason: string): void {
    this.control(frameTypes.goAway, 0, Buffer.from(reason.slice(0, controlBytesMax / 4), 'utf8'));
  }

  control(type: FrameType, stream: number, payload?: Uint8Array): void {
    this.#write(controlFrame(type, stream, payload));
  }

  send(message: OutgoingMessage): void {
    this.#outbox?.send(message);
  }

  /** Forgets what is not sent of a stream. */
  drop(stream: number): void {
    this.#outbox?.drop(stream);
  }

  isPartlySent(stream: number): boolean {
    return this.#outbox?.isPartlySent(stream) ?? false;
  }

  isUnsent(stream: number): boolean {
    return this.#outbox?.isUnsent(stream) ?? true;
  }

  /** Forgets what came of a message that is still coming. */
  forget(stream: number): void {
    const incoming = this.#incoming.get(stream);
    if (incoming === undefined) return;
    this.#drop(incoming);
    this.#incoming.delete(stream);
  }

  /**
   * The message that came last on the stream is of no more use: others may have its room. To be called for every one, also
   * when the link has ended meanwhile.
   */
  returnRoom(stream: number): void {
    for (const bytes of this.#lent.get(stream) ?? []) this.#options.incoming.release(bytes);
    this.#lent.delete(stream);
  }

  /** What still comes of the message is counted and thrown away. */
  discard(stream: number): void {
    const incoming = this.#incoming.get(stream);
    if (incoming !== undefined) this.#drop(incoming);
  }

  /** Ends the link. What was written before goes out when the socket still can. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#outbox?.close();
    for (const incoming of this.#incoming.values()) this.#drop(incoming);
    this.#incoming.clear();
    const { socket } = this.#options;
    socket.end();
    socket.destroy();
    this.#options.events.closed(reason);
  }

  /** As `close`, but lets the peer read what was written: a refusal. What the peer still says is not listened to. */
  closeAfterWrites(reason: string): void {
    if (this.#closed) return;
    this.#isDeaf = true;
    // What was given in this turn goes out at its end.
    queueMicrotask(() => this.#options.socket.end(() => this.close(reason)));
    this.#timer.cancel();
    this.#timer = this.#options.clock.after(this.#options.limits.handshakeTimeoutMs, () =>
      this.close(reason),
    );
  }

  /** Before the peer's windows are known only control frames go out, which need none. */
  #write(frame: Buffer): void {
    if (this.#closed) return;
    if (this.#outbox === undefined) {
      this.#options.socket.write(frame);
      return;
    }
    this.#outbox.control(frame);
    if (this.#outbox.waitingFrames > this.#options.limits.heldMax + framesMax)
      this.close('the peer sends, and does not read');
  }

  #received(chunk: Buffer): void {
    if (this.#closed || this.#isDeaf) return;
    this.#heardAt = this.#options.clock.monotonic();
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof LinkProtocolError)) throw error;
      this.close(`the peer sent ${error.message}`);
    }
  }

  #control(type: FrameType, stream: number, payload: Buffer): void {
    if (this.#closed || this.#isDeaf) return;
    const { events } = this.#options;
    if (!this.#greeted) {
      this.#hello(type, payload);
      return;
    }
    switch (type) {
      case frameTypes.begin:
        this.#begin(stream, parseMessageStart(payload));
        break;
      case frameTypes.credit:
        this.#outbox!.credit(stream, payload.readUInt32BE(0));
        break;
      case frameTypes.cancel:
        events.cancelled(stream);
        break;
      case frameTypes.end:
        this.forget(stream);
        events.ended(stream);
        break;
      case frameTypes.ping:
        this.#pong();
        break;
      case frameTypes.pong:
        break;
      case frameTypes.goAway:
        events.goingAway(payload.toString('utf8'));
        break;
      default:
        throw new LinkProtocolError(`a frame of type ${type} where none may be`);
    }
  }

  #hello(type: FrameType, payload: Buffer): void {
    if (type === frameTypes.goAway) return void this.close(`the peer refuses: ${payload.toString('utf8')}`);
    if (type !== frameTypes.hello) throw new LinkProtocolError(`a frame of type ${type} instead of a hello`);
    const hello = parseHello(payload);
    this.#greeted = true;
    const { socket, events } = this.#options;
    this.#outbox = new Outbox({
      socket,
      streamWindowBytes: hello.streamWindowBytes,
      linkWindowBytes: hello.linkWindowBytes,
      drained: () => events.drained(),
    });
    events.greeted(hello);
  }

  #pong(): void {
    // One that asks and does not read must not grow what waits here.
    if (!(this.#options.socket.writableNeedDrain ?? false)) this.control(frameTypes.pong, 0);
  }

  #begin(stream: number, start: MessageStart): void {
    if (this.#incoming.has(stream)) throw new LinkProtocolError('a message inside another');
    const wanted = this.#options.events.begins(stream, start);
    if (this.#closed) return;
    const bytes = start.headerBytes + start.bodyBytes;
    const { incoming: budget, isOuter } = this.#options;
    // A window was promised to every stream: what fits in it needs no leave.
    const needed = wanted && bytes > this.#firstWindowBytes ? bytes : 0;
    const hasRoom = needed === 0 || budget.tryAcquire(needed);
    const assembly = new Assembly(start, {
      windowBytes: hasRoom ? undefined : this.#firstWindowBytes,
      firstBytes: isOuter === true ? this.#firstWindowBytes : bytes,
      isWanted: wanted,
    });
    const heldAt = this.#options.clock.monotonic();
    const incoming: Incoming = { assembly, owed: 0, held: hasRoom ? needed : 0, heldAt };
    this.#incoming.set(stream, incoming);
    if (!hasRoom) void this.#waitForRoom(stream, incoming);
    else if (needed > 0) this.#widenWindow(stream);
  }

  /** A message that has room comes with the whole window. */
  #widenWindow(stream: number): void {
    const more = this.#options.limits.streamWindowBytes - this.#firstWindowBytes;
    if (more > 0) this.#write(creditFrame(stream, more));
  }

  async #waitForRoom(stream: number, incoming: Incoming): Promise<void> {
    const { bytes } = incoming.assembly;
    const { incoming: budget } = this.#options;
    const granted = await budget.acquire(bytes, roomTimeoutMs);
    if (this.#incoming.get(stream) !== incoming || incoming.assembly.whole) {
      if (granted) budget.release(bytes);
      return;
    }
    if (!granted) {
      this.#refuse(stream, incoming);
      return;
    }
    incoming.held = bytes;
    incoming.heldAt = this.#options.clock.monotonic();
    incoming.assembly.widen();
    this.#widenWindow(stream);
    this.#giveCredit(stream, incoming);
  }

  #refuse(stream: number, incoming: Incoming): void {
    this.discard(stream);
    this.#giveCredit(stream, incoming);
    this.#options.events.tooLarge(stream);
  }

  #data(stream: number, piece: Buffer): void {
    if (this.#closed || this.#isDeaf) return;
    const incoming = this.#incoming.get(stream);
    if (incoming === undefined) throw new LinkProtocolError(`bytes for stream ${stream} without a message`);
    const { assembly } = incoming;
    assembly.add(piece);
    if (assembly.isLarge) this.#count(stream, incoming, piece.length);
    if (!assembly.isComplete) return;
    this.#incoming.delete(stream);
    const { events } = this.#options;
    if (assembly.isDiscarded) {
      events.discarded(stream, assembly.start);
      return;
    }
    if (incoming.held > 0) this.#lent.set(stream, [incoming.held]);
    try {
      if (this.#hasRoomToDecode(stream, assembly))
        events.message(stream, decodeValue(assembly.header, assembly.body), assembly.start);
      else events.tooLarge(stream);
    } catch (error) {
      this.returnRoom(stream);
      throw error;
    }
  }

  /** As above: what takes no more than a window needs no leave. */
  #hasRoomToDecode(stream: number, { header }: Assembly): boolean {
    if (this.#options.isOuter !== true) return true;
    const bytes = headerCost(header);
    if (bytes <= this.#firstWindowBytes) return true;
    const hasRoom = this.#options.incoming.tryAcquire(bytes);
    if (hasRoom) this.#lent.set(stream, [...(this.#lent.get(stream) ?? []), bytes]);
    else this.returnRoom(stream);
    return hasRoom;
  }

  #count(stream: number, incoming: Incoming, bytes: number): void {
    const { streamWindowBytes, linkWindowBytes } = this.#options.limits;
    this.#linkOwed += bytes;
    if (this.#linkOwed >= linkWindowBytes / 4) {
      this.#write(creditFrame(0, this.#linkOwed));
      this.#linkOwed = 0;
    }
    incoming.owed += bytes;
    const { assembly } = incoming;
    const due = assembly.isComplete ? !assembly.start.last : incoming.owed >= streamWindowBytes / 2;
    if (due && assembly.whole) this.#giveCredit(stream, incoming);
  }

  #giveCredit(stream: number, incoming: Incoming): void {
    if (incoming.owed === 0) return;
    this.#write(creditFrame(stream, incoming.owed));
    incoming.owed = 0;
  }

  /** A message that waits for room is known to the wait until that ends: its memory goes at once. */
  #drop(incoming: Incoming): void {
    if (incoming.held > 0) this.#options.incoming.release(incoming.held);
    incoming.held = 0;
    incoming.assembly.discard();
  }

  #tick(): void {
    const { clock, limits } = this.#options;
    const now = clock.monotonic();
    // A process that was stopped itself finds its own silence first, and what the peer said meanwhile after it.
    if (now - this.#tickedAt > 2 * limits.pingAfterMs) this.#heardAt = now;
    this.#tickedAt = now;
    if (now - this.#heardAt >= limits.silentMs) {
      this.close(`the peer was silent for ${limits.silentMs} ms`);
      return;
    }
    if (now - this.#heardAt >= limits.pingAfterMs / 2 && this.#greeted) this.control(frameTypes.ping, 0);
    if (this.#outbox !== undefined && this.#stall.isStalled(this.#outbox, now)) {
      this.close('the peer takes next to nothing of what is said to it');
      return;
    }
    for (const [stream, incoming] of this.#incoming) {
      if (incoming.held > 0 && now - incoming.heldAt >= arrivalTimeoutMs) this.#refuse(stream, incoming);
    }
    if (this.#closed) return;
    this.#timer = clock.after(limits.pingAfterMs, () => this.#tick());
  }
}
