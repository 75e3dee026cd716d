// The connections that read: a few, shared by all readers, each with many requests on its way at once. Keys that are asked
// for in one turn of the event loop share a request.
//
// Invariant: a read that began after a commit was acknowledged sees it: all connections are to the server that takes writes.
// A read whose connection was lost is done again on another until the limit; then it rejects with a temporary Fault. One that hangs
// is lost as soon as that is known (postgres-silence.ts): then on a connection that was heard of since, few at a time, a few times.

import type { Clock } from '../../base/clock.ts';
import { Fault } from '../../base/fault.ts';
import type { Bytes } from '../engine.ts';
import type { Parameter, Row, Statement } from './postgres-messages.ts';
import { PostgresPlaces } from './postgres-places.ts';
import { readMany } from './postgres-reads.ts';
import { ConnectionLost, ConnectionSilent, PostgresError, type PostgresSession } from './postgres-session.ts';

/** Keys in one request. */
const sharedKeysMax = 256;
const firstDelayMs = 20;
const delayMsMax = 1_000;
/** Of one read: whoever is met with silence again and again is told so, instead of asking the server for the same all the time. */
const repeatsMax = 3;
/**
 * At a time, of all reads: a connection may leave thousands behind, and the server may be doing them after all. Enough to keep all
 * connections at work.
 */
const repeatedAtOnceMax = 32;

export interface PostgresReadersOptions {
  readonly connect: () => Promise<PostgresSession>;
  readonly connectionsMax: number;
  /** A read is tried again for so long while the database is away. */
  readonly awayLimitMs: number;
  readonly clock: Clock;
}

interface Wanted {
  readonly key: Bytes;
  readonly resolve: (value: Bytes | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class PostgresReaders {
  readonly #options: PostgresReadersOptions;
  readonly #sessions = new Set<PostgresSession>();
  readonly #places: PostgresPlaces;
  #opening: Promise<PostgresSession> | undefined;
  #wanted: Wanted[] = [];
  #repeats = 0;
  #closed = false;

  constructor(options: PostgresReadersOptions) {
    this.#options = options;
    this.#places = new PostgresPlaces(repeatedAtOnceMax, options.clock);
  }

  /** How many requests were sent again because their connection hung. */
  get repeats(): number {
    return this.#repeats;
  }

  get(key: Bytes): Promise<Bytes | undefined> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ key, resolve, reject });
      if (this.#wanted.length === 1) void this.#options.clock.nextTurn().then(() => this.#readWanted());
    });
  }

  readonly run = async (statement: Statement, parameters: readonly Parameter[]): Promise<readonly Row[]> => {
    const { clock, awayLimitMs } = this.#options;
    const askedAt = clock.monotonic();
    const deadline = askedAt + awayLimitMs;
    let silences = 0;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, delayMsMax)) {
      if (this.#closed) throw new Fault('the store is closed', { temporary: true });
      try {
        if (silences > 0) return await this.#repeat(statement, parameters, { askedAt, deadline });
        const session = await this.#session(Number.NEGATIVE_INFINITY);
        return (await session.run(statement, parameters)).rows;
      } catch (cause) {
        if (cause instanceof PostgresError) throw new Fault('a read failed', { temporary: true, cause });
        const mayComeBack = cause instanceof ConnectionLost || (cause instanceof Fault && cause.temporary);
        if (!mayComeBack) throw cause;
        if (cause instanceof ConnectionSilent) {
          this.#leaveUnheard(cause.since);
          silences++;
        }
        if (silences > repeatsMax) {
          throw new Fault('connections to the database hang', { temporary: true, cause });
        }
        if (clock.monotonic() + delayMs >= deadline) {
          throw new Fault('the database is away', { temporary: true, cause });
        }
      }
      await clock.sleep(delayMs);
    }
  };

  async close(): Promise<void> {
    this.#closed = true;
    this.#places.close();
    await this.#opening?.catch(() => {});
    this.leave('the store is closed');
  }

  /** Ends the connections; what they were asked is asked again on new ones. */
  leave(why: string): void {
    for (const session of this.#sessions) session.destroy(why);
  }

  async #repeat(
    statement: Statement,
    parameters: readonly Parameter[],
    { askedAt, deadline }: { readonly askedAt: number; readonly deadline: number },
  ): Promise<readonly Row[]> {
    const leftMs = deadline - this.#options.clock.monotonic();
    if (!(await this.#places.take(leftMs))) {
      throw new Fault('too many reads are asked again', { temporary: true });
    }
    try {
      const session = await this.#session(askedAt);
      this.#repeats++;
      return (await session.run(statement, parameters)).rows;
    } finally {
      this.#places.give();
    }
  }

  /** What silenced a connection may have silenced those that idle beside it; whoever awaits something finds out by itself. */
  #leaveUnheard(since: number): void {
    for (const session of this.#sessions) {
      if (session.isLost || session.pending > 0 || session.heardAt >= since) continue;
      session.destroy('one beside it hung, and it was not heard of since');
    }
  }

  async #readWanted(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = [];
    for (let at = 0; at < wanted.length; at += sharedKeysMax) {
      void this.#readTogether(wanted.slice(at, at + sharedKeysMax));
    }
  }

  async #readTogether(wanted: readonly Wanted[]): Promise<void> {
    try {
      const values = await readMany(
        this.run,
        wanted.map(({ key }) => key),
      );
      for (let index = 0; index < wanted.length; index++) wanted[index]!.resolve(values[index]);
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }

  /**
   * Of those heard of since then, the one with the least to do; another one is opened while all are busy and there may be more.
   * One that is late is for want of a better one.
   */
  async #session(heardSince: number): Promise<PostgresSession> {
    let best: PostgresSession | undefined;
    let doubtful: PostgresSession | undefined;
    let live = 0;
    for (const session of this.#sessions) {
      if (session.isLost) continue;
      live++;
      if (session.isLate || session.heardAt < heardSince) {
        if (doubtful === undefined || session.pending < doubtful.pending) doubtful = session;
      } else if (best === undefined || session.pending < best.pending) best = session;
    }
    if (best?.pending === 0) return best;
    if (live < this.#options.connectionsMax) {
      const opening = this.#open();
      if (best === undefined) {
        return await opening.catch((error) => {
          if (doubtful === undefined || doubtful.isLost) throw error;
          return doubtful;
        });
      }
      // The one that is there answers meanwhile; that another could not be opened will be told by a read.
      opening.catch(() => {});
    }
    return best ?? doubtful!;
  }

  #open(): Promise<PostgresSession> {
    this.#opening ??= this.#options
      .connect()
      .then((session) => {
        this.#sessions.add(session);
        void session.ended.then(() => this.#sessions.delete(session));
        if (this.#closed) session.destroy('the store is closed');
        return session;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }
}
