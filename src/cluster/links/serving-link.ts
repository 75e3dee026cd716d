// The end of a link that answers: hands each request to its service and sends back what becomes of it.
// Invariants: every stream is ended by this side, exactly once, whatever the service does; no call is begun while too
// much waits to be sent; a service hears of the end of the link as of a cancellation. A call counts as under way until its
// answer is with the network, and its request's room is taken until its service is done: a peer that asks and does not
// read, or asks faster than services work, costs no more than that.
// A service that fails with neither refusal nor fault is a bug: logged here, a fault for the caller, and the node goes on.

import type { Timer } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Logger } from '../../base/log.ts';
import type { NodeId } from '../../mail/ids.ts';
import { isMailError, MailError } from '../../mail/mail-error.ts';
import { frameTypes, LinkProtocolError, type MessageStart } from './frame.ts';
import { commonVersion, type Hello, linkVersions, versionsText } from './hello.ts';
import { LinkConnection, type LinkConnectionOptions } from './link-connection.ts';
import type { LinkEvents } from './link-events.ts';
import { answerOf, answerOfError, LinkFailure } from './link-failure.ts';
import { type LinkRequest, parseRequest } from './link-request.ts';
import { type EncodedValue, encodeValue } from './link-value.ts';
import { smallBytesMax } from './outbox.ts';
import { OutgoingRoom } from './outgoing-room.ts';
import type { PeerWork } from './peer-work.ts';

export interface LinkCall extends LinkRequest {
  readonly peer: NodeId;
  /** The caller holds the stream: `push` says things on it before the answer ends it. */
  readonly held: boolean;
  readonly isCancelled: boolean;
  /** Resolves when the value is with the network; rejects with LinkFailure when nobody wants it any more. */
  push(value: unknown): Promise<void>;
  /** Calls back once, when the caller gave up or is gone; at once when that was before. */
  whenCancelled(callback: () => void): void;
}

/** Resolves with the answer; rejects with MailError or Fault. */
export type LinkService = (call: LinkCall) => Promise<unknown>;

export interface ServingLinkOptions extends Omit<LinkConnectionOptions, 'events' | 'versions'> {
  readonly versions?: LinkConnectionOptions['versions'];
  readonly log: Logger;
  readonly peer: NodeId;
  readonly services: ReadonlyMap<string, LinkService>;
  /** Of all links of the peer. */
  readonly work: PeerWork;
  /** Of a peer that is not trusted, for all its links; otherwise the link has its own. */
  readonly outgoing?: OutgoingRoom;
  /** Tells a failure of a service; in place of the log, for peers that may cause as many as they like. */
  readonly tellFailure?: (key: string, level: 'warn' | 'error', said: readonly [object, string]) => void;
  readonly closed: (link: ServingLink) => void;
}

/** Grant and arguments of a watch or a lock: some hundred bytes. They are kept as long as it lasts, and there are many. */
const heldRequestBytesMax = 2 * 1024;
/** For each call: requests that are coming, and those that were refused while they came. */
const unfinishedMax = 2;

/** One stream from its first frame until its service is done. */
class ServedCall {
  readonly stream: number;
  readonly held: boolean;
  /** All of the request is here. */
  hasRequest = false;
  /** Its service was asked, or will never be. */
  isBegun = false;
  isCancelled = false;
  /** Made when first needed: most calls are never cancelled, and never ask. */
  #onCancelled: Set<() => void> | undefined;

  constructor(stream: number, held: boolean) {
    this.stream = stream;
    this.held = held;
  }

  /** The result takes the callback back. */
  whenCancelled(callback: () => void): () => void {
    if (this.isCancelled) callback();
    else {
      this.#onCancelled ??= new Set();
      this.#onCancelled.add(callback);
    }
    return () => this.#onCancelled?.delete(callback);
  }

  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    for (const callback of this.#onCancelled ?? []) callback();
    this.#onCancelled = undefined;
  }
}

export class ServingLink {
  readonly #options: ServingLinkOptions;
  readonly #connection: LinkConnection;
  /** Runs out when no hello comes: bytes alone do not make a peer one that is spoken with. */
  readonly #handshake: Timer;
  readonly #streams = new Map<number, ServedCall>();
  /** Streams whose answer is not wholly with the network, and whether they are held ones. */
  readonly #answering = new Map<number, boolean>();
  /** Requests that wait until less is to be sent. */
  #waiting: { readonly served: ServedCall; readonly request: LinkRequest }[] = [];
  readonly #outgoing: OutgoingRoom;
  /** Of what waits to be sent, so much is counted there. */
  #pendingBytes = 0;
  /** Until their answers are with the network. */
  #calls = 0;
  #held = 0;
  /** Held streams whose request is not whole. */
  #arriving = 0;
  #closed = false;

  constructor(options: ServingLinkOptions) {
    this.#options = options;
    this.#outgoing = options.outgoing ?? new OutgoingRoom(options.limits.outgoingBytesMax);
    const events: LinkEvents = {
      greeted: (hello) => this.#greeted(hello),
      begins: (stream, start) => this.#begins(stream, start),
      message: (stream, value) => this.#message(stream, value),
      discarded: () => {},
      tooLarge: (stream) => this.#tooLarge(stream),
      cancelled: (stream) => this.#cancelled(stream),
      ended: () => {
        throw new LinkProtocolError('the end of a stream from the calling side');
      },
      goingAway: () => {},
      drained: () => this.#countPending(),
      closed: (reason) => this.#ended(reason),
    };
    this.#connection = new LinkConnection({ versions: linkVersions, ...options, events });
    const { clock, limits } = options;
    this.#handshake = clock.after(limits.handshakeTimeoutMs, () => this.close('no hello came'));
  }

  get peer(): NodeId {
    return this.#options.peer;
  }

  /** No call is under way; watches and locks may be. */
  get isQuiet(): boolean {
    return this.#calls === 0;
  }

  /** Tells the caller to take new calls elsewhere. */
  goAway(reason: string): void {
    this.#connection.goAway(reason);
  }

  close(reason: string): void {
    this.#connection.close(reason);
  }

  #greeted(hello: Hello): void {
    this.#handshake.cancel();
    const ours = this.#options.versions ?? linkVersions;
    if (commonVersion(ours, hello.versions) !== undefined) {
      this.#connection.greet();
      return;
    }
    const reason = `this node speaks ${versionsText(ours)} of the link protocol, the caller ${versionsText(hello.versions)}`;
    this.#connection.goAway(reason);
    this.#connection.closeAfterWrites(reason);
  }

  #begins(stream: number, { last, held, headerBytes, bodyBytes }: MessageStart): boolean {
    if (stream === 0 || this.#streams.has(stream) || this.#answering.has(stream))
      throw new LinkProtocolError(`stream ${stream} begun twice`);
    if (!last) throw new LinkProtocolError('a request in several messages');
    const { callsMax, heldMax } = this.#options.limits;
    if (held && (headerBytes + bodyBytes > heldRequestBytesMax || this.#arriving >= callsMax))
      throw new LinkProtocolError('long requests of held streams');
    const isTooMany = held
      ? this.#held >= heldMax || !this.#options.work.hasRoomForHeld
      : this.#calls >= callsMax || !this.#options.work.hasRoomForRequest;
    if (isTooMany) throw new LinkProtocolError('more streams than agreed');
    if (this.#connection.unfinished >= unfinishedMax * callsMax)
      throw new LinkProtocolError('more requests begun than ended');
    this.#streams.set(stream, new ServedCall(stream, held));
    this.#count(held, 1);
    if (held) this.#arriving++;
    else this.#options.work.countUnbegun(1);
    return true;
  }

  /** It is begun, or will never be. */
  #begun(served: ServedCall): void {
    if (served.isBegun) return;
    served.isBegun = true;
    if (served.held) this.#arriving--;
    else this.#options.work.countUnbegun(-1);
  }

  #count(held: boolean, change: 1 | -1): void {
    if (!held) this.#calls += change;
    else if (!this.#closed) {
      this.#held += change;
      this.#options.work.countHeld(change);
    }
  }

  #message(stream: number, wire: unknown): void {
    const served = this.#streams.get(stream);
    if (served === undefined) {
      this.#connection.returnRoom(stream);
      return;
    }
    served.hasRequest = true;
    const request = parseRequest(wire);
    if (served.held || this.#hasRoom(request)) void this.#serve(served, request);
    else {
      this.#waiting.push({ served, request });
      this.#awaitRoom();
    }
  }

  readonly #beginWaiting = (): void => {
    while (this.#waiting.length > 0 && this.#hasRoom(this.#waiting[0]!.request)) {
      const { served, request } = this.#waiting.shift()!;
      void this.#serve(served, request);
    }
    this.#awaitRoom();
  };

  #awaitRoom(): void {
    if (this.#waiting.length === 0) return;
    if (this.#options.work.hasRoomForCall) this.#outgoing.whenLess(this.#beginWaiting);
    else this.#options.work.whenCallEnded(this.#beginWaiting);
  }

  #hasRoom({ answerBytes = 0 }: LinkRequest): boolean {
    return this.#options.work.hasRoomForCall && this.#outgoing.hasRoom(answerBytes);
  }

  #countPending(): void {
    const { pendingBytes } = this.#connection;
    const change = pendingBytes - this.#pendingBytes;
    this.#pendingBytes = pendingBytes;
    this.#outgoing.countPending(change);
  }

  /** Never rejects. */
  async #serve(served: ServedCall, request: LinkRequest): Promise<void> {
    if (served.isCancelled) return this.#finish(served, undefined);
    const { answerBytes = 0 } = request;
    const { work } = this.#options;
    let answer: EncodedValue;
    this.#begun(served);
    this.#outgoing.countExpected(answerBytes, 1);
    if (!served.held) work.beginCall();
    try {
      const service = this.#options.services.get(request.service);
      if (service === undefined)
        throw new MailError('notSupported', `this node has no service ${request.service}`);
      answer = encodeValue(answerOf(await service(this.#callOf(served, request))));
      if (this.#isTooMuch(answer, answerBytes))
        throw new MailError('unavailable', 'too many answers wait to be read');
    } catch (error) {
      this.#logFailure(request, error);
      answer = encodeValue(answerOfError(error));
    }
    this.#finish(served, answer);
    this.#outgoing.countExpected(answerBytes, -1);
    if (!served.held) work.endCall();
    if (this.#waiting.length > 0) this.#beginWaiting();
  }

  /** Calls whose answers nobody announced are begun at once; who does not read may have many of them. */
  #isTooMuch(answer: EncodedValue, answerBytes: number): boolean {
    if (this.#options.outgoing === undefined || answerBytes > 0) return false;
    const bytes = answer.header.length + answer.bodyBytes;
    return bytes > smallBytesMax && this.#outgoing.refuses(bytes);
  }

  #callOf(served: ServedCall, request: LinkRequest): LinkCall {
    return {
      ...request,
      peer: this.#options.peer,
      held: served.held,
      get isCancelled() {
        return served.isCancelled;
      },
      push: (value) => this.#push(served, value),
      whenCancelled: (callback) => void served.whenCancelled(callback),
    };
  }

  #push(served: ServedCall, value: unknown): Promise<void> {
    if (!served.held) throw new TypeError('only held streams are pushed to');
    return new Promise((resolve, reject) => {
      const forget = served.whenCancelled(() => reject(new LinkFailure('nobody listens any more')));
      if (served.isCancelled) return;
      const sent = (): void => {
        forget();
        resolve();
      };
      const encoded = encodeValue(answerOf(value));
      this.#connection.send({ stream: served.stream, value: encoded, last: false, held: true, sent });
      this.#countPending();
    });
  }

  #finish(served: ServedCall, answer: EncodedValue | undefined): void {
    const { stream, held } = served;
    if (served.hasRequest) this.#connection.returnRoom(stream);
    this.#begun(served);
    if (this.#closed || this.#streams.get(stream) !== served) return;
    this.#streams.delete(stream);
    if (served.isCancelled || answer === undefined) {
      this.#count(held, -1);
      this.#dropped(stream);
      return;
    }
    this.#answering.set(stream, held);
    const sent = (): void => void this.#answered(stream);
    this.#connection.send({ stream, value: answer, last: true, held, sent });
    this.#countPending();
  }

  /** Nothing of its answer waits any more. False: nothing did. */
  #answered(stream: number): boolean {
    const held = this.#answering.get(stream);
    if (held === undefined) return false;
    this.#answering.delete(stream);
    this.#count(held, -1);
    return true;
  }

  #logFailure(request: LinkRequest, error: unknown): void {
    if (isMailError(error) || error instanceof LinkFailure) return;
    const { service, method } = request;
    const what = { err: error, peer: this.#options.peer, service, method };
    const { log, tellFailure = (_, level, said) => log[level](...said) } = this.#options;
    const key = `${this.#options.peer} ${service} ${method}`;
    if (error instanceof Fault) tellFailure(key, 'warn', [what, 'a call over a link failed']);
    else tellFailure(key, 'error', [what, 'a service failed unexpectedly']);
  }

  #tooLarge(stream: number): void {
    const served = this.#streams.get(stream);
    if (served === undefined) return;
    const refusal = new MailError('limitReached', 'no memory for the request');
    this.#finish(served, encodeValue(answerOfError(refusal)));
  }

  #cancelled(stream: number): void {
    const served = this.#streams.get(stream);
    this.#connection.forget(stream);
    if (served !== undefined) {
      served.cancel();
      if (!served.hasRequest) this.#finish(served, undefined);
    } else if (this.#answered(stream)) this.#dropped(stream);
  }

  /** Nothing more is said on the stream. */
  #dropped(stream: number): void {
    this.#connection.drop(stream);
    this.#connection.control(frameTypes.end, stream);
    this.#countPending();
  }

  #ended(reason: string): void {
    this.#options.work.countHeld(-this.#held);
    this.#closed = true;
    for (const { served } of this.#waiting) this.#connection.returnRoom(served.stream);
    this.#waiting = [];
    this.#outgoing.forget(this.#beginWaiting);
    this.#countPending();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const served of streams) {
      this.#begun(served);
      served.cancel();
    }
    this.#handshake.cancel();
    this.#options.closed(this);
    this.#options.log.debug({ peer: this.#options.peer, reason }, 'a link ended');
  }
}
