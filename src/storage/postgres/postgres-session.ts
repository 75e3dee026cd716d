// One open connection to PostgreSQL. Requests go out at once, one behind the other without waiting for answers, and are
// answered in their order; each is a transaction of its own unless BEGIN was said.
//
// Invariant: every request is settled exactly once: with its rows, with the server's refusal (PostgresError), or with
// ConnectionLost, after which nobody here knows whether the server did it. An answer that does not come within the limit
// ends the connection; one that is late ends it when somebody who asked the server elsewhere knows that it will not come.

import type { Duplex } from 'node:stream';
import type { Client } from 'pg';
import type { Clock, Timer } from '../../base/clock.ts';
import {
  type Message,
  MessageReader,
  type Parameter,
  parseMessage,
  type Row,
  readFields,
  readNotification,
  readRow,
  requestMessage,
  type Statement,
} from './postgres-messages.ts';

/** What the server refused; `code` is its five characters (SQLSTATE). */
export class PostgresError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${message} (${code})`);
    this.name = 'PostgresError';
    this.code = code;
  }
}

/** The connection ended before the answer. */
export class ConnectionLost extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ConnectionLost';
  }
}

/** It was given up because no answer would have come. */
export class ConnectionSilent extends ConnectionLost {
  /** By the clock's `monotonic`: from when on an answer was awaited. */
  readonly since: number;

  constructor(message: string, cause: unknown, since: number) {
    super(message, cause);
    this.name = 'ConnectionSilent';
    this.since = since;
  }
}

export interface Answer {
  readonly rows: readonly Row[];
  /** Warnings of the server while it did this. */
  readonly warnings: readonly string[];
}

/** What is done about an answer that is late, long before the connection is given up for it. */
export interface Silence {
  readonly afterMs: number;
  /** Why no answer will come; undefined: it may. Asked again every `afterMs`. What it throws counts for nothing. */
  readonly explain: () => Promise<string | undefined>;
  /** Called before the connection is given up for it, with the number of answers that were awaited. */
  readonly left: (why: string, pending: number) => void;
}

interface Loss {
  readonly abruptly?: boolean;
  readonly silentSince?: number;
}

interface Request {
  readonly statement: string;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly rows: Row[];
  readonly warnings: string[];
  failure: PostgresError | undefined;
}

export interface SessionOptions {
  readonly client: Client;
  /** host:port, for the log: after a failover the same may lead to another server. */
  readonly address: string;
  /** Tells servers, and the runs of one, apart. */
  readonly server: string;
  readonly clock: Clock;
  /** Without any answer for so long while one is awaited, the connection is given up. */
  readonly answerTimeoutMs: number;
  readonly silence?: Silence;
  /** Gives what comes from the server, valid until the listener returns; default: the client's stream does. */
  readonly listen?: (listener: (piece: Buffer) => void) => void;
}

/** A server that is reached more slowly could not be worked with. Until a request is there, silence says nothing. */
const requestBytesPerMs = 4096;

export class PostgresSession {
  readonly address: string;
  readonly server: string;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  readonly #stream: Duplex;
  readonly #reader = new MessageReader();
  readonly #prepared = new Set<string>();
  readonly #tellEnd: () => void;
  #requests: Request[] = [];
  #answered = 0;
  #heardAt: number;
  /** When the answer came before the one that is awaited; when that was asked for, if there was none under way. */
  #awaitedSince = 0;
  /** What came of an answer that is not whole yet, since it was begun or thought to be late. */
  #pieces = 0;
  #isLate = false;
  #isLooking = false;
  #lookedAt = 0;
  #lost: ConnectionLost | undefined;
  #fatal: PostgresError | undefined;
  /** One for all requests: it may fire before its time, never after. */
  #watch: Timer | undefined;
  #watchAt = Number.POSITIVE_INFINITY;
  #onNotification: ((payload: string) => void) | undefined;

  /** Takes over a connected client that is idle; it must not be used any more. */
  constructor(options: SessionOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#tellEnd = resolve;
    this.#options = options;
    this.address = options.address;
    this.server = options.server;
    this.#heardAt = options.clock.monotonic();
    const { client } = options;
    this.#stream = client.connection.stream;
    this.#stream.removeAllListeners('data');
    const receive = (piece: Buffer): void => this.#receive(piece);
    if (options.listen === undefined) this.#stream.on('data', receive);
    else options.listen(receive);
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(undefined));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** When the last answer came, by the clock's `monotonic`; when it was opened, if there was none. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** The answer that is awaited has not begun to come for so long that it was looked into: others may answer sooner. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** How many answers are awaited. */
  get pending(): number {
    return this.#requests.length;
  }

  onNotification(listener: (payload: string) => void): void {
    this.#onNotification = listener;
  }

  run(statement: Statement, parameters: readonly Parameter[] = []): Promise<Answer> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const { name } = statement;
    const message = requestMessage(statement, parameters);
    const bytes = message.length;
    this.#requests.push({
      statement: name,
      bytes,
      resolve,
      reject,
      rows: [],
      warnings: [],
      failure: undefined,
    });
    if (!this.#prepared.has(name)) {
      this.#prepared.add(name);
      this.#stream.write(parseMessage(statement));
    }
    this.#stream.write(message);
    if (this.#requests.length === 1) {
      this.#awaitedSince = this.#options.clock.monotonic();
      this.#lookedAt = this.#awaitedSince;
      this.#pieces = 0;
      this.#expect();
    }
    return promise;
  }

  /** Ends the connection at once; what is awaited rejects with ConnectionLost. */
  destroy(reason: string): void {
    this.#lose(new Error(reason));
  }

  /** Says good-bye; to be called when nothing is awaited. */
  async close(): Promise<void> {
    if (this.#lost === undefined) {
      // Terminate. A server that is frozen would never close its end.
      this.#stream.end(Buffer.from([0x58, 0, 0, 0, 4]), () => this.#stream.destroy());
      this.#lose(new Error('closed'), { abruptly: false });
    }
    await this.ended;
  }

  /** Each answer gives the next one the whole limit. */
  #expect(): void {
    if (this.#requests.length === 0) return;
    const { clock, answerTimeoutMs } = this.#options;
    const at = Math.min(this.#awaitedSince + answerTimeoutMs, this.#lookAt());
    if (at >= this.#watchAt) return;
    this.#watch?.cancel();
    this.#watchAt = at;
    this.#watch = clock.after(Math.max(1, at - clock.monotonic()), () => this.#check());
  }

  #check(): void {
    this.#watchAt = Number.POSITIVE_INFINITY;
    if (this.#requests.length === 0) return;
    const { clock, answerTimeoutMs } = this.#options;
    const now = clock.monotonic();
    if (now >= this.#awaitedSince + answerTimeoutMs) {
      this.destroy(`no answer within ${answerTimeoutMs} ms`);
      return;
    }
    if (now >= this.#lookAt()) {
      this.#lookedAt = now;
      if (this.#pieces === 0) void this.#look();
      this.#pieces = 0;
    }
    this.#expect();
  }

  /** When the silence is worth a look. */
  #lookAt(): number {
    const { silence } = this.#options;
    if (silence === undefined || this.#isLooking) return Number.POSITIVE_INFINITY;
    const underwayMs = this.#requests[0]!.bytes / requestBytesPerMs;
    return Math.max(this.#awaitedSince + underwayMs, this.#lookedAt) + silence.afterMs;
  }

  async #look(): Promise<void> {
    const { silence, clock } = this.#options;
    this.#isLooking = true;
    this.#isLate = true;
    const before = this.#answered;
    const why = await silence!.explain().catch(() => undefined);
    this.#isLooking = false;
    this.#lookedAt = clock.monotonic();
    if (this.#lost !== undefined) return;
    if (why === undefined || this.#answered !== before || this.#pieces > 0) {
      this.#expect();
      return;
    }
    silence!.left(why, this.#requests.length);
    this.#lose(new Error(why), { silentSince: this.#awaitedSince });
  }

  #receive(piece: Buffer): void {
    this.#pieces++;
    try {
      for (const message of this.#reader.add(piece)) this.#handle(message);
    } catch (cause) {
      this.#lose(cause);
    }
  }

  #handle(message: Message): void {
    const request = this.#requests[0];
    switch (message.type) {
      case 'D':
        request?.rows.push(readRow(message));
        break;
      case 'E': {
        const fields = readFields(message.body);
        const error = new PostgresError(fields.get('C') ?? '', fields.get('M') ?? 'unnamed error');
        // FATAL: the server ends the connection, and whether it did what it was asked is not said.
        if (fields.get('V') !== 'ERROR') this.#fatal = error;
        else if (request !== undefined) request.failure = error;
        break;
      }
      case 'N': {
        const fields = readFields(message.body);
        if (fields.get('V') === 'WARNING') request?.warnings.push(fields.get('M') ?? '');
        break;
      }
      case 'A':
        this.#onNotification?.(readNotification(message.body));
        break;
      case 'Z':
        this.#settle();
        break;
      // The rest (ParseComplete, BindComplete, CommandComplete, ParameterStatus, ...) says nothing that is not known.
    }
  }

  #settle(): void {
    const request = this.#requests.shift();
    if (request === undefined) throw new Error('the server answered what it was not asked');
    this.#answered++;
    this.#heardAt = this.#options.clock.monotonic();
    this.#awaitedSince = this.#heardAt;
    this.#pieces = 0;
    this.#isLate = false;
    if (request.failure === undefined) {
      request.resolve(request);
      return;
    }
    // It may have failed while it was prepared: the next one prepares it again.
    this.#prepared.delete(request.statement);
    request.reject(request.failure);
  }

  #lose(cause: unknown, { abruptly = true, silentSince }: Loss = {}): void {
    if (this.#lost !== undefined) return;
    const reason = this.#fatal ?? cause;
    const text = reason instanceof Error ? `: ${reason.message}` : '';
    const message = `the connection to ${this.address} ended${text}`;
    const isSilent = silentSince !== undefined;
    const lost = isSilent
      ? new ConnectionSilent(message, reason, silentSince)
      : new ConnectionLost(message, reason);
    this.#lost = lost;
    this.#watch?.cancel();
    if (abruptly) this.#stream.destroy();
    const requests = this.#requests;
    this.#requests = [];
    for (const request of requests) request.reject(lost);
    this.#tellEnd();
  }
}
