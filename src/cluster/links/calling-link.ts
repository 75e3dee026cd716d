// The end of a link that asks: calls, each a stream with one message there and one back, and held streams (watches,
// locks), on which the peer says things until either side ends it.
// Invariants: no more calls under way than the peer takes, the rest waits in order; every call ends exactly once; a
// stream's number is not used again on this link.
// Fails each call with the refusal or fault the peer answered, or with LinkFailure when the link ends before.

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { MailError } from '../../mail/mail-error.ts';
import { frameTypes, LinkProtocolError, type MessageStart } from './frame.ts';
import { commonVersion, type Hello, linkVersions, versionsText } from './hello.ts';
import { LinkConnection, type LinkConnectionOptions } from './link-connection.ts';
import type { LinkEvents } from './link-events.ts';
import { LinkFailure, parseAnswer } from './link-failure.ts';
import { encodeRequest, type LinkRequest } from './link-request.ts';
import { type EncodedValue, encodeValue } from './link-value.ts';

export interface CallingLinkOptions extends Omit<LinkConnectionOptions, 'events' | 'versions'> {
  readonly versions?: LinkConnectionOptions['versions'];
  readonly log: Logger;
  /** Once; the pool forgets the link. */
  readonly closed: (link: CallingLink, reason: string) => void;
}

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked now and then while the call waits: true gives it up, an answer from here is of no use any more. */
  readonly isStale?: (() => boolean) | undefined;
}

/** A call that takes longer is asked whether it is stale: most are answered long before. */
const stalePollMs = 500;

export interface HeldStream {
  /** Says that it is not wanted any more; resolves when the peer knows, or the link is gone. */
  end(): Promise<void>;
}

export interface HeldStreamOptions {
  /** What the peer says, in order. */
  readonly said: (value: unknown) => void;
  /** Once, unless `end` was called: undefined when the peer ended it well. */
  readonly ended: (error: Error | undefined) => void;
}

interface OpenStream {
  readonly held: boolean;
  readonly settle: (error: Error | undefined, value: unknown) => void;
  readonly said: ((value: unknown) => void) | undefined;
  /** Nobody waits for it any more; the peer has still to end it. */
  given: boolean;
}

/** Numbers of streams; a link that used them up is replaced. */
const streamsMax = 2 ** 32 - 1;

export class CallingLink {
  readonly #options: CallingLinkOptions;
  readonly #connection: LinkConnection;
  readonly #streams = new Map<number, OpenStream>();
  /** How to begin each call that waits, and how to end it. */
  readonly #waiting = new Map<() => void, OpenStream['settle']>();
  readonly #opened: Promise<void>;
  #open: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #nextStream = 1;
  #callsMax = 0;
  #calls = 0;
  #goingAway = false;
  #retiredReason: string | undefined;
  #closedReason: string | undefined;

  constructor(options: CallingLinkOptions) {
    this.#options = options;
    const events: LinkEvents = {
      greeted: (hello) => this.#greeted(hello),
      begins: (stream, start) => this.#begins(stream, start),
      message: (stream, value, { last }) => this.#message(stream, value, last),
      discarded: (stream, { last }) => {
        if (last) this.#ended(stream);
      },
      tooLarge: (stream) => this.#tooLarge(stream),
      cancelled: () => {
        throw new LinkProtocolError('a cancellation from the called side');
      },
      ended: (stream) => this.#ended(stream),
      goingAway: () => {
        this.#goingAway = true;
      },
      drained: () => {},
      closed: (reason) => this.#closed(reason),
    };
    this.#connection = new LinkConnection({ versions: linkVersions, ...options, events });
    this.#opened = new Promise((resolve, reject) => {
      this.#open = { resolve, reject };
    });
    this.#opened.catch(() => {});
    this.#connection.greet();
  }

  /** Resolves when the peer answered our hello; rejects with LinkFailure. */
  opened(): Promise<void> {
    return this.#opened;
  }

  /** True when no stream is open: it can be closed without harm. */
  get isIdle(): boolean {
    return this.#streams.size === 0 && this.#waiting.size === 0;
  }

  /** New calls go elsewhere. */
  get isUsable(): boolean {
    return this.#closedReason === undefined && !this.#goingAway && this.#nextStream < streamsMax;
  }

  /** Takes no new calls, and ends when none is open. */
  retire(reason: string): void {
    this.#goingAway = true;
    this.#retiredReason = reason;
    if (this.isIdle) this.close(reason);
  }

  /** Resolves with what the peer answered. Given up by the time limit or the signal; what the peer does then is unknown. */
  call(request: LinkRequest, options: CallOptions): Promise<unknown> {
    if (this.#closedReason !== undefined) return Promise.reject(this.#failure());
    const { signal } = options;
    const value = encodeValue(encodeRequest(request));
    return new Promise((resolve, reject) => {
      let stream: number | undefined;
      const settle = (error: Error | undefined, answer: unknown): void => {
        stopWaiting();
        signal?.removeEventListener('abort', abort);
        if (error === undefined) resolve(answer);
        else reject(error);
      };
      const begin = (): void => {
        stream = this.#begin(value, { held: false, settle, said: undefined, given: false });
      };
      const giveUp = (reason: string): void => {
        this.#waiting.delete(begin);
        if (stream !== undefined) this.#give(stream);
        settle(new LinkFailure(reason), undefined);
      };
      const abort = (): void => giveUp('the call was given up');
      const stopWaiting = whenWaitedEnough(this.#options.clock, options, giveUp);
      if (signal?.aborted) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      if (this.#calls < this.#callsMax) return begin();
      if (this.#waiting.size < this.#options.limits.callsWaitingMax) this.#waiting.set(begin, settle);
      else settle(new MailError('limitReached', 'too many calls wait for this node'), undefined);
    });
  }

  hold(request: LinkRequest, { said, ended }: HeldStreamOptions): HeldStream {
    if (this.#closedReason !== undefined) throw this.#failure();
    const finished = Promise.withResolvers<void>();
    const settle = (error: Error | undefined): void => {
      finished.resolve();
      if (!open.given) ended(error);
    };
    const open: OpenStream = { held: true, settle, said, given: false };
    const stream = this.#begin(encodeValue(encodeRequest(request)), open);
    return {
      end: () => {
        this.#give(stream);
        return finished.promise;
      },
    };
  }

  /** Ends the link; open calls fail. */
  close(reason: string): void {
    this.#connection.close(reason);
  }

  #begin(value: EncodedValue, open: OpenStream): number {
    const stream = this.#nextStream++;
    this.#streams.set(stream, open);
    if (!open.held) this.#calls++;
    this.#connection.send({ stream, value, last: true, held: open.held });
    return stream;
  }

  /** The caller wants no more of it. The peer ends the stream all the same, so that both count alike. */
  #give(stream: number): void {
    const open = this.#streams.get(stream);
    if (open === undefined || open.given) return;
    open.given = true;
    if (this.#connection.isUnsent(stream)) {
      this.#connection.drop(stream);
      this.#finish(stream, open);
      if (open.held) open.settle(undefined, undefined);
      return;
    }
    this.#connection.drop(stream);
    this.#connection.discard(stream);
    this.#connection.control(frameTypes.cancel, stream);
  }

  #finish(stream: number, open: OpenStream): void {
    this.#streams.delete(stream);
    if (!open.held) this.#calls--;
    for (const begin of this.#waiting.keys()) {
      if (this.#calls >= this.#callsMax) return;
      this.#waiting.delete(begin);
      begin();
    }
    if (this.#retiredReason === undefined || !this.isIdle) return;
    const reason = this.#retiredReason;
    // Who is told of the end of the stream is told first.
    queueMicrotask(() => this.close(reason));
  }

  #greeted(hello: Hello): void {
    if (commonVersion(this.#options.versions ?? linkVersions, hello.versions) === undefined) {
      throw new LinkProtocolError(`a hello of ${versionsText(hello.versions)}, which we do not speak`);
    }
    this.#callsMax = Math.min(hello.callsMax, this.#options.limits.callsMax);
    this.#open?.resolve();
  }

  #begins(stream: number, start: MessageStart): boolean {
    const open = this.#streams.get(stream);
    if (open === undefined) throw new LinkProtocolError(`an answer on stream ${stream}, which is not open`);
    if (!open.held && !start.last) throw new LinkProtocolError('an answer that is not the last one');
    return !open.given;
  }

  #message(stream: number, wire: unknown, last: boolean): void {
    this.#connection.returnRoom(stream);
    const open = this.#streams.get(stream)!;
    const answer = parseAnswer(wire);
    if (!last) {
      if (open.given) return;
      if (answer.status === 'failed') throw new LinkProtocolError('a failure that is not the last word');
      open.said!(answer.value);
      return;
    }
    // Answered before all of the request was sent: the rest is not wanted.
    if (this.#connection.isPartlySent(stream)) {
      this.#connection.drop(stream);
      this.#connection.control(frameTypes.cancel, stream);
    }
    this.#finish(stream, open);
    if (answer.status === 'failed') open.settle(answer.error, undefined);
    else open.settle(undefined, answer.value);
  }

  #tooLarge(stream: number): void {
    const open = this.#streams.get(stream);
    if (open === undefined || open.given) return;
    // Before it is given up: whoever holds a stream is told of ends that are not its own doing.
    open.settle(new LinkFailure('no memory for an answer'), undefined);
    this.#give(stream);
  }

  #ended(stream: number): void {
    const open = this.#streams.get(stream);
    if (open === undefined) throw new LinkProtocolError(`the end of stream ${stream}, which is not open`);
    this.#finish(stream, open);
    // Made only when somebody hears of it: most streams that end so were given up, and an error takes its stack along.
    if (!open.given) open.settle(new LinkFailure('the peer ended the call'), undefined);
    else if (open.held) open.settle(undefined, undefined);
  }

  #failure(): LinkFailure {
    return new LinkFailure(`the link is closed: ${this.#closedReason}`);
  }

  #closed(reason: string): void {
    this.#closedReason = reason;
    const failure = this.#failure();
    this.#open?.reject(failure);
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#options.closed(this, reason);
    for (const { settle } of streams) settle(failure, undefined);
    for (const settle of waiting) settle(failure, undefined);
  }
}

/** Calls `giveUp` with the reason when the time is over or the call is stale. The result ends the waiting. */
export function whenWaitedEnough(
  clock: Clock,
  { timeoutMs, isStale }: CallOptions,
  giveUp: (reason: string) => void,
): () => void {
  let leftMs = timeoutMs;
  const wait = (): Timer => {
    const waitMs = isStale === undefined ? leftMs : Math.min(leftMs, stalePollMs);
    return clock.after(waitMs, () => {
      leftMs -= waitMs;
      if (leftMs <= 0) giveUp(`no answer within ${timeoutMs} ms`);
      else if (isStale?.()) giveUp('an answer from there is of no use any more');
      else timer = wait();
    });
  };
  let timer = wait();
  return () => timer.cancel();
}
