// The connections that read: a few, shared by all readers, each with many requests on its way at once. Keys that are asked
// for in one turn of the event loop share a request.
//
// Invariant: a read that began after a commit was acknowledged sees it: all connections are to the server that takes writes.
// A read whose connection was lost is done again on another until the limit; then it rejects with a temporary Fault.

import type { Clock } from '../base/clock.ts';
import { Fault } from '../base/fault.ts';
import type { Bytes } from './engine.ts';
import type { Parameter, Row, Statement } from './postgres-messages.ts';
import { readMany } from './postgres-reads.ts';
import { ConnectionLost, PostgresError, type PostgresSession } from './postgres-session.ts';

/** Keys in one request. */
const sharedKeysMax = 256;
const firstDelayMs = 20;
const delayMsMax = 1_000;

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
  #opening: Promise<PostgresSession> | undefined;
  #wanted: Wanted[] = [];
  #closed = false;

  constructor(options: PostgresReadersOptions) {
    this.#options = options;
  }

  get(key: Bytes): Promise<Bytes | undefined> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ key, resolve, reject });
      if (this.#wanted.length === 1) void this.#options.clock.nextTurn().then(() => this.#readWanted());
    });
  }

  readonly run = async (statement: Statement, parameters: readonly Parameter[]): Promise<readonly Row[]> => {
    const { clock, awayLimitMs } = this.#options;
    const deadline = clock.monotonic() + awayLimitMs;
    for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, delayMsMax)) {
      if (this.#closed) throw new Fault('the store is closed', { temporary: true });
      try {
        const session = await this.#session();
        return (await session.run(statement, parameters)).rows;
      } catch (cause) {
        if (cause instanceof PostgresError) throw new Fault('a read failed', { temporary: true, cause });
        const mayComeBack = cause instanceof ConnectionLost || (cause instanceof Fault && cause.temporary);
        if (!mayComeBack) throw cause;
        if (clock.monotonic() + delayMs >= deadline) {
          throw new Fault('the database is away', { temporary: true, cause });
        }
      }
      await clock.sleep(delayMs);
    }
  };

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => {});
    this.leave('the store is closed');
  }

  /** Ends the connections; what they were asked is asked again on new ones. */
  leave(why: string): void {
    for (const session of this.#sessions) session.destroy(why);
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

  /** The one with the least to do; another one is opened while all are busy and there may be more. */
  async #session(): Promise<PostgresSession> {
    let best: PostgresSession | undefined;
    let live = 0;
    for (const session of this.#sessions) {
      if (session.isLost) continue;
      live++;
      if (best === undefined || session.pending < best.pending) best = session;
    }
    if (best?.pending === 0) return best;
    if (live < this.#options.connectionsMax) {
      const opening = this.#open();
      if (best === undefined) return await opening;
      // The one that is there answers meanwhile; that another could not be opened will be told by a read.
      opening.catch(() => {});
    }
    return best!;
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
